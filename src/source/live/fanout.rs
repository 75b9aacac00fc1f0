//! How the workers share an interface: one socket each, in a PACKET_FANOUT group of the kernel.
//!
//! The kernel picks the socket by a program of ours, which does what [`home`] does: everything between two addresses belongs
//! to one worker, in both directions, fragments included, which a hash of ports would scatter. Its result is a place in the group, so
//! the sockets of every interface must stand in their groups in the order of the workers: then both directions of a flow
//! meet at one worker, even where a tap gives each direction an interface of its own. An interface that goes down and comes back keeps
//! that order, because the kernel takes its sockets in again in the order in which they were made. After one that was
//! deleted and made again, every worker has to open a socket anew, one after the other: [`Group`] says whose turn it is.
//!
//! The flag for defragmentation is not set: the kernel would merge fragments into frames that were never on the wire. What is inside a
//! tunnel goes by the outer addresses, and what is no IP (MPLS, PPPoE) to the first worker; whoever decodes it knows better.
//!
//! Source: packet(7), `net/packet/af_packet.c` (`fanout_add`, `fanout_demux_bpf`, `packet_notifier`), `Documentation/networking/filter.rst`.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::libc;
use nix::sys::socket::{getsockopt, setsockopt};
use nix::{getsockopt_impl, setsockopt_impl, sockopt_impl};

/// PACKET_FANOUT_CBPF.
const BY_PROGRAM: u32 = 6;
/// PACKET_FANOUT_FLAG_UNIQUEID: the kernel picks a number that no other group of this network namespace has.
const UNIQUE: u32 = 0x2000;
const ID_MASK: u32 = 0xffff;

// Words of classic BPF.
const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const JUMP_IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const TO_INDEX: u32 = libc::BPF_MISC | libc::BPF_TAX;
const XOR_INDEX: u32 = libc::BPF_ALU | libc::BPF_XOR | libc::BPF_X;
const MULTIPLY: u32 = libc::BPF_ALU | libc::BPF_MUL | libc::BPF_K;
const SHIFT_RIGHT: u32 = libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const RETURN_ACCUMULATOR: u32 = libc::BPF_RET | libc::BPF_A;
/// Where the network header begins, wherever the frame's own data does.
const NETWORK: u32 = libc::SKF_NET_OFF as u32;

sockopt_impl!(
    /// A group: its number in the lower half, its way of sharing and its flags in the upper half.
    PacketFanout,
    Both,
    libc::SOL_PACKET,
    libc::PACKET_FANOUT,
    u32
);
sockopt_impl!(
    /// The program that picks a socket of the group.
    FanoutProgram,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_FANOUT_DATA,
    libc::sock_fprog
);
sockopt_impl!(
    /// A filter of the kernel alone; libpcap does not learn of it, and goes on with what is in the ring.
    AttachFilter,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_ATTACH_FILTER,
    libc::sock_fprog
);

/// Knuth's multiplier: the upper bits of a product depend on all bits of the addresses.
const MULTIPLIER: u32 = 0x9e37_79b1;
const SHIFT: u32 = 16;

/// The worker, of `workers`, of everything between two addresses: the same for both ways.
pub fn home(one: IpAddr, other: IpAddr, workers: usize) -> usize {
    let hash = (fold(one) ^ fold(other)).wrapping_mul(MULTIPLIER) >> SHIFT;
    hash as usize % workers.max(1)
}

const fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            (bits ^ bits >> 32 ^ bits >> 64 ^ bits >> 96) as u32
        }
    }
}

/// Joins group `id`, or makes a new one; gives its number.
pub(super) fn join(socket: &impl AsFd, id: Option<u16>) -> io::Result<u16> {
    let group = match id {
        Some(id) => u32::from(id) | (BY_PROGRAM << 16),
        None => (BY_PROGRAM | UNIQUE) << 16,
    };
    setsockopt(socket, PacketFanout, &group)?;
    if id.is_none() {
        let mut program = home_program();
        let program = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_mut_ptr(),
        };
        setsockopt(socket, FanoutProgram, &program)?;
    }
    let joined = getsockopt(socket, PacketFanout)?;
    Ok((joined & ID_MASK) as u16)
}

/// [`home`] in the words of classic BPF, but for the remainder, which the kernel takes. One VLAN tag is looked behind: the outermost
/// of a frame stands beside it.
fn home_program() -> Vec<libc::sock_filter> {
    const IPV4: u32 = 0x0800;
    const IPV6: u32 = 0x86dd;
    const VLAN: [u32; 2] = [0x8100, 0x88a8];
    const TAG_BYTES: u32 = 4;
    let ethertype = (libc::SKF_AD_OFF + libc::SKF_AD_PROTOCOL) as u32;
    let mut program = vec![step(LOAD_WORD, ethertype)];
    let tagged = [step(LOAD_HALF, NETWORK + 2)]
        .into_iter()
        .chain(by_ethertype(IPV4, &addresses_at(TAG_BYTES + 12, 2)))
        .chain(by_ethertype(IPV6, &addresses_at(TAG_BYTES + 8, 8)))
        .chain([step(RETURN, 0)])
        .collect::<Vec<_>>();
    program.extend(by_ethertype(IPV4, &addresses_at(12, 2)));
    program.extend(by_ethertype(IPV6, &addresses_at(8, 8)));
    for tag in VLAN {
        program.extend(by_ethertype(tag, &tagged));
    }
    program.push(step(RETURN, 0));
    program
}

/// `body`, which returns, where the accumulator holds `ethertype`; else what comes behind it.
fn by_ethertype(ethertype: u32, body: &[libc::sock_filter]) -> Vec<libc::sock_filter> {
    let test = libc::sock_filter {
        jf: body.len() as u8,
        ..step(JUMP_IF_EQUAL, ethertype)
    };
    [&[test], body].concat()
}

/// Returns the hash of so many 32-bit words from `offset` of the network header.
fn addresses_at(offset: u32, words: u32) -> Vec<libc::sock_filter> {
    let mut program = vec![step(LOAD_WORD, NETWORK + offset)];
    for word in 1..words {
        program.push(step(TO_INDEX, 0));
        program.push(step(LOAD_WORD, NETWORK + offset + 4 * word));
        program.push(step(XOR_INDEX, 0));
    }
    program.push(step(MULTIPLY, MULTIPLIER));
    program.push(step(SHIFT_RIGHT, SHIFT));
    program.push(step(RETURN_ACCUMULATOR, 0));
    program
}

const fn step(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

/// From now on the kernel puts no frame into the socket's ring, and counts none.
pub(super) fn refuse_all(socket: &impl AsFd) -> io::Result<()> {
    let mut refuse = step(RETURN, 0);
    let program = libc::sock_fprog {
        len: 1,
        filter: &raw mut refuse,
    };
    Ok(setsockopt(socket, AttachFilter, &program)?)
}

/// The sockets of one interface, over all workers.
///
/// A group lives for one *epoch*: from its first socket until one of them is lost. Then all are closed, and join a new group in
/// the order of the workers.
#[derive(Debug)]
pub(super) struct Group {
    workers: u16,
    /// A [`Standing`]: epoch in the upper 32 bits, number of the group in the next 16, sockets that have joined in the lowest 16. Written by
    /// the worker whose turn it is, or by the first that loses its socket.
    standing: AtomicU64,
    /// The interface is away or down, and that was told.
    is_down: AtomicBool,
}

/// How far a group has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) epoch: u32,
    id: u16,
    joined: u16,
}

impl Group {
    pub(super) fn new(workers: u16) -> Self {
        Self {
            workers,
            standing: AtomicU64::new(Standing::default().pack()),
            is_down: AtomicBool::new(false),
        }
    }

    pub(super) fn epoch(&self) -> u32 {
        self.standing().epoch
    }

    /// Every worker has its socket in the group.
    pub(super) fn is_complete(&self, epoch: u32) -> bool {
        let standing = self.standing();
        standing.epoch == epoch && standing.joined == self.workers
    }

    /// `None`: another worker has to join first.
    pub(super) fn turn_of(&self, worker: u16) -> Option<Standing> {
        let standing = self.standing();
        (standing.joined == worker).then_some(standing)
    }

    /// Puts a socket into the group of the epoch that `turn` is of. `Ok(None)`: that epoch is over; the socket is of no use.
    pub(super) fn take_in(&self, turn: Standing, socket: &impl AsFd) -> io::Result<Option<u32>> {
        let id = match self.workers {
            // A group of one would cost a hash a frame.
            1 => 0,
            _ => join(socket, (turn.joined > 0).then_some(turn.id)).inspect_err(|_| {
                self.lose(turn.epoch);
            })?,
        };
        let next = Standing {
            id,
            joined: turn.joined + 1,
            ..turn
        };
        Ok(self.replace(turn, next).then_some(turn.epoch))
    }

    /// Ends an epoch: a socket of it is of no use any more.
    pub(super) fn lose(&self, epoch: u32) {
        loop {
            let standing = self.standing();
            let next = Standing {
                epoch: epoch.wrapping_add(1),
                ..Standing::default()
            };
            if standing.epoch != epoch || self.replace(standing, next) {
                return;
            }
        }
    }

    /// Whether this is the first to tell that the interface is away or down.
    pub(super) fn tell_down(&self) -> bool {
        !self.is_down.swap(true, Ordering::Relaxed)
    }

    /// Whether this is the first to tell that it is back.
    pub(super) fn tell_up(&self) -> bool {
        self.is_down.load(Ordering::Relaxed) && self.is_down.swap(false, Ordering::Relaxed)
    }

    fn standing(&self) -> Standing {
        Standing::unpack(self.standing.load(Ordering::Acquire))
    }

    fn replace(&self, standing: Standing, next: Standing) -> bool {
        self.standing
            .compare_exchange(
                standing.pack(),
                next.pack(),
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok()
    }
}

impl Standing {
    const fn pack(self) -> u64 {
        (self.epoch as u64) << 32 | (self.id as u64) << 16 | self.joined as u64
    }

    const fn unpack(packed: u64) -> Self {
        Self {
            epoch: (packed >> 32) as u32,
            id: (packed >> 16) as u16,
            joined: packed as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket that the kernel takes into no group; a group of one asks for none.
    fn socket() -> std::net::UdpSocket {
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap()
    }

    fn standing(epoch: u32, id: u16, joined: u16) -> Standing {
        Standing { epoch, id, joined }
    }

    #[test]
    fn both_ways_between_two_addresses_have_one_home() {
        let address = |host: u32| IpAddr::from((0xc000_0200_u32 + host).to_be_bytes());
        let mut workers = [0; 4];
        for host in 1..=200 {
            let (one, other) = (address(host), address(250));
            assert_eq!(home(one, other, 4), home(other, one, 4));
            workers[home(one, other, 4)] += 1;
        }
        assert!(workers.iter().all(|flows| *flows > 20), "{workers:?}");
    }

    #[test]
    fn a_standing_survives_its_packing() {
        for one in [standing(u32::MAX, 0, 7), standing(3, u16::MAX, u16::MAX)] {
            assert_eq!(Standing::unpack(one.pack()), one);
        }
    }

    #[test]
    fn workers_join_in_their_order() {
        let group = Group::new(3);
        for worker in 0..3 {
            assert!(!group.is_complete(0));
            for other in (0..3).filter(|other| *other != worker) {
                assert_eq!(group.turn_of(other), None);
            }
            let turn = group.turn_of(worker).unwrap();
            assert!(group.replace(turn, standing(0, 9, worker + 1)));
        }
        assert!(group.is_complete(0));
        assert_eq!(group.turn_of(0), None);
    }

    #[test]
    fn a_lost_socket_ends_the_epoch_of_all_once() {
        let group = Group::new(2);
        assert!(group.replace(standing(0, 0, 0), standing(0, 9, 1)));
        group.lose(0);
        group.lose(0);
        assert_eq!(group.standing(), standing(1, 0, 0));
        assert_eq!(group.turn_of(1), None);
        assert!(group.turn_of(0).is_some());
    }

    #[test]
    fn a_socket_of_an_epoch_that_is_over_is_not_taken_in() {
        let group = Group::new(1);
        let turn = group.turn_of(0).unwrap();
        group.lose(0);
        assert_eq!(group.take_in(turn, &socket()).unwrap(), None);
        let turn = group.turn_of(0).unwrap();
        assert_eq!(group.take_in(turn, &socket()).unwrap(), Some(1));
        assert!(group.is_complete(1));
    }

    #[test]
    fn a_socket_that_cannot_join_ends_the_epoch() {
        let group = Group::new(2);
        let turn = group.turn_of(0).unwrap();
        assert!(group.take_in(turn, &socket()).is_err());
        assert_eq!(group.epoch(), 1);
    }

    #[test]
    fn a_change_is_told_once() {
        let group = Group::new(2);
        assert!(!group.tell_up());
        assert!(group.tell_down());
        assert!(!group.tell_down());
        assert!(group.tell_up());
        assert!(!group.tell_up());
    }
}
