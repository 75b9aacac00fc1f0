//! What is sent: visits of clients, out of stored captures, each by a client of its own; and floods.

use patchspan::source::CaptureFile;

/// Frames, one after the other, without end.
pub(crate) trait Traffic {
    /// Writes the next frame into an empty buffer.
    fn next(&mut self, frame: &mut Vec<u8>);
}

/// Hosts in the stored captures whose addresses begin so are clients.
const CLIENTS: [u8; 3] = [198, 51, 100];
const ETHERNET: usize = 14;

/// Frames of a stored capture that are IPv4 over plain Ethernet.
pub(crate) struct Template {
    frames: Vec<Vec<u8>>,
}

impl Template {
    /// By the name of a capture in `pcaps/`.
    pub(crate) fn load(capture: &str) -> Self {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pcaps");
        let mut file = CaptureFile::open(&folder.join(capture)).unwrap();
        let mut frames = Vec::new();
        while file.advance().unwrap().is_some() {
            let data = file.data();
            if data.len() > ETHERNET + 20 && data[12..14] == [8, 0] {
                frames.push(data.to_vec());
            }
        }
        assert!(!frames.is_empty(), "{capture}");
        Self { frames }
    }
}

/// Clients that each do what the clients of one template did, many at once.
pub(crate) struct Visits {
    templates: Vec<Template>,
    under_way: Vec<Visit>,
    turn: usize,
    begun: u32,
    ended: u32,
    /// So many clients; then the first comes again, from other ports.
    clients: u32,
}

#[derive(Clone, Copy)]
struct Visit {
    number: u32,
    template: usize,
    next: usize,
}

impl Visits {
    /// `at_once` visits are under way at any time; no client comes twice.
    pub(crate) fn new(captures: &[&str], at_once: usize) -> Self {
        Self::by_clients(captures, at_once, 1 << 24)
    }

    /// The same by so many clients in turn.
    pub(crate) fn by_clients(captures: &[&str], at_once: usize, clients: u32) -> Self {
        let mut visits = Self {
            templates: captures.iter().map(|name| Template::load(name)).collect(),
            under_way: Vec::new(),
            turn: 0,
            begun: 0,
            ended: 0,
            clients,
        };
        visits.under_way = (0..at_once).map(|_| visits.begin()).collect();
        visits
    }

    fn begin(&mut self) -> Visit {
        let number = self.begun;
        self.begun += 1;
        Visit {
            number,
            template: number as usize % self.templates.len(),
            next: 0,
        }
    }

    /// Visits whose last frame was sent.
    pub(crate) fn ended(&self) -> u32 {
        self.ended
    }
}

impl Traffic for Visits {
    fn next(&mut self, frame: &mut Vec<u8>) {
        self.turn = (self.turn + 1) % self.under_way.len();
        let mut visit = self.under_way[self.turn];
        let template = &self.templates[visit.template];
        frame.extend_from_slice(&template.frames[visit.next]);
        rewrite(
            frame,
            visit.number % self.clients,
            visit.number / self.clients,
        );
        visit.next += 1;
        if visit.next == template.frames.len() {
            self.ended += 1;
            visit = self.begin();
        }
        self.under_way[self.turn] = visit;
    }
}

/// The address of a client by its number.
pub(crate) fn client_address(number: u32) -> [u8; 4] {
    let [_, b, c, d] = number.to_be_bytes();
    [10, b, c, d]
}

/// Gives a frame to a client by its number; in a later round it uses other ports.
fn rewrite(frame: &mut [u8], client: u32, round: u32) {
    let ip = ETHERNET;
    let transport = ip + usize::from(frame[ip] & 15) * 4;
    let checksum = match frame[ip + 9] {
        6 => Some(transport + 16),
        17 => Some(transport + 6),
        _ => None,
    };
    for (address, port) in [(ip + 12, transport), (ip + 16, transport + 2)] {
        if frame[address..address + 3] != CLIENTS {
            continue;
        }
        let new = client_address(client);
        let old: [u8; 4] = frame[address..address + 4].try_into().unwrap();
        frame[address..address + 4].copy_from_slice(&new);
        amend(frame, ip + 10, &old, &new);
        if let Some(checksum) = checksum {
            amend(frame, checksum, &old, &new);
            let old = [frame[port], frame[port + 1]];
            let shifted = (u32::from(u16::from_be_bytes(old)) + round * 31) % 28_000;
            let new = (32_000 + shifted as u16).to_be_bytes();
            frame[port..port + 2].copy_from_slice(&new);
            amend(frame, checksum, &old, &new);
        }
    }
}

/// A checksum after a change of words under it (RFC 1624, equation 3).
fn amend(frame: &mut [u8], checksum: usize, old: &[u8], new: &[u8]) {
    let word = |bytes: &[u8]| u32::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let mut sum = !word(&frame[checksum..]) & 0xffff;
    for (old, new) in old.chunks(2).zip(new.chunks(2)) {
        sum += (!word(old) & 0xffff) + word(new);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    frame[checksum..checksum + 2].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

/// One stream of frames amid another: so many of `main` for one of `other`.
pub(crate) struct Amid<'a> {
    pub(crate) main: &'a mut dyn Traffic,
    pub(crate) other: &'a mut dyn Traffic,
    pub(crate) every: u64,
    pub(crate) sent: u64,
}

impl Traffic for Amid<'_> {
    fn next(&mut self, frame: &mut Vec<u8>) {
        self.sent += 1;
        if self.sent.is_multiple_of(self.every) {
            self.other.next(frame);
        } else {
            self.main.next(frame);
        }
    }
}
