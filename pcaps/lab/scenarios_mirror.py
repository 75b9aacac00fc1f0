"""What switches, mirrors and capture programs do to the same two transfers: a TLS check and an HTTP download."""

import threading
import time

import pcapfile
from clients import curl
from lab import check
from scenario import scenario
from standard import CHECK_PATH, MAR_PATH, UpdateLab

MAR_URL = "http://download.mozilla.org" + MAR_PATH
CHECK_URL = "https://aus5.mozilla.org" + CHECK_PATH
SMALL = 6_000
IP_ETHERTYPES = (b"\x08\x00", b"\x86\xdd")


def transfers(lab):
    """The same traffic in every capture of this file, so that a sensor must tell the same of each."""
    curl(lab, lab.client, CHECK_URL, authority=lab.authority)
    curl(lab, lab.client, MAR_URL)


def relayed(path, about, arguments, body_bytes=SMALL):
    """The transfers through a relay with these arguments."""
    with UpdateLab(about, body_bytes=body_bytes) as lab:
        lab.span("span0", relay=arguments)
        lab.mirror(lab.client)
        with lab.capture(path):
            transfers(lab)
        lab.finish(path, "curl", "python3")


def mirrored(path, about, ports, options=(), body_bytes=SMALL):
    """The transfers as several ports show them; `ports` makes (port, directions) from the lab."""
    with UpdateLab(about, body_bytes=body_bytes) as lab:
        for port, directions in ports(lab):
            lab.mirror(port, directions)
        with lab.capture(path, options=options):
            transfers(lab)
        lab.finish(path, "curl")


@scenario("vlan.pcap")
def vlan(path):
    """Every frame with a VLAN tag (802.1Q, id 100)"""
    relayed(path, vlan.__doc__, ["--tag", "8100:100"])


@scenario("qinq.pcap")
def qinq(path):
    """Every frame with two tags (802.1ad id 7, then 802.1Q id 100)"""
    relayed(path, qinq.__doc__, ["--tag", "88a8:7", "--tag", "8100:100"])


@scenario("vxlan.pcap")
def vxlan(path):
    """Every frame inside VXLAN (VNI 42, UDP port 4789)"""
    relayed(path, vxlan.__doc__, ["--tunnel", "vxlan"])


@scenario("geneve.pcap")
def geneve(path):
    """Every frame inside GENEVE (VNI 42, one option, UDP port 6081)"""
    relayed(path, geneve.__doc__, ["--tunnel", "geneve"])


@scenario("gtpu.pcap")
def gtpu(path):
    """Every IP packet inside GTP-U (UDP port 2152, with a sequence number)"""
    relayed(path, gtpu.__doc__, ["--tunnel", "gtpu"])


@scenario("erspan1.pcap")
def erspan1(path):
    """Every frame inside ERSPAN type I: GRE without sequence number or ERSPAN header"""
    relayed(path, erspan1.__doc__, ["--tunnel", "erspan1"])


@scenario("erspan2.pcap")
def erspan2(path):
    """Every frame inside ERSPAN type II"""
    relayed(path, erspan2.__doc__, ["--tunnel", "erspan2"])


@scenario("erspan3.pcap")
def erspan3(path):
    """Every frame inside ERSPAN type III"""
    relayed(path, erspan3.__doc__, ["--tunnel", "erspan3"])


@scenario("one-sided-client.pcap")
def one_sided_client(path):
    """Only what the client sends is on the mirror; acknowledgements alone tell the size"""
    mirrored(path, one_sided_client.__doc__, lambda lab: [(lab.client, "from")])


@scenario("one-sided-server.pcap")
def one_sided_server(path):
    """Only what is sent to the client is on the mirror: no query, no ClientHello, no request"""
    mirrored(path, one_sided_server.__doc__, lambda lab: [(lab.client, "to")])


@scenario("doubled.pcap")
def doubled(path):
    """A mirror that shows every frame twice: the client's port and the switch's uplink together"""
    mirrored(path, doubled.__doc__, lambda lab: [(lab.client, "both"), ("uplink", "both")])


@scenario("doubled-routed.pcap")
def doubled_routed(path):
    """Every packet twice, before and after the router: other MAC addresses and another TTL"""
    mirrored(path, doubled_routed.__doc__, lambda lab: [(lab.client, "both"), ("router-wan", "both")])


@scenario("doubled-vlan.pcap")
def doubled_vlan(path):
    """Every frame twice at once by the relay, both with a VLAN tag"""
    relayed(path, doubled_vlan.__doc__, ["--double", "--tag", "8100:100"])


@scenario("loss.pcap")
def loss(path):
    """2 % of the mirror's copies are missing, though the client received everything"""
    relayed(path, loss.__doc__, ["--loss", "0.02", "--seed", "4"], body_bytes=60_000)


@scenario("reordered.pcap")
def reordered(path):
    """One copy in ten leaves three frames late"""
    relayed(path, reordered.__doc__, ["--reorder", "0.1", "--seed", "4"], body_bytes=30_000)


@scenario("retransmitted.pcap")
def retransmitted(path):
    """Real loss on both sides of the mirror: some segments are seen twice, some late"""
    with UpdateLab(retransmitted.__doc__, body_bytes=40_000) as lab:
        lose_for_real(lab)
        lab.mirror(lab.client)
        with lab.capture(path):
            transfers(lab)
        lab.finish(path, "curl")


def lose_for_real(lab, port=80, one_in=8):
    """Drops one packet in `one_in` (a power of two) from the server's `port` at the client (after the mirror), and as
    many at the server (before it).

    The last bits of the IP identification choose, for UDP those of its checksum: there the identification may always be
    0. A repeated segment has another number, so it passes.
    """
    mask = f"{one_in - 1:#06x}"
    from_server = ["match", "ip", "sport", str(port), "0xffff"]
    for protocol, offset in (("6", "4"), ("17", "26")):
        chosen = ["match", "ip", "protocol", protocol, "0xff", *from_server, "match", "u16"]
        lab.client.drop([*chosen, "0x0003", mask, "at", offset])
        lab.web.drop([*chosen, "0x0006", mask, "at", offset], hook="egress")


@scenario("snaplen.pcap")
def snaplen(path):
    """Captured with a snap length of 96 bytes: most of each payload is cut"""
    mirrored(path, snaplen.__doc__, lambda lab: [(lab.client, "both")], options=["-s", "96"])


@scenario("cooked-sll.pcap")
def cooked_sll(path):
    """Captured on all interfaces as Linux cooked capture, version 1"""
    cooked(path, cooked_sll.__doc__, "LINUX_SLL")


@scenario("cooked-sll2.pcap")
def cooked_sll2(path):
    """Captured on all interfaces as Linux cooked capture, version 2"""
    cooked(path, cooked_sll2.__doc__, "LINUX_SLL2")


def cooked(path, about, link_type):
    with UpdateLab(about, body_bytes=SMALL) as lab:
        lab.mirror(lab.client)
        with lab.capture(path, interfaces=["any"], options=["-y", link_type]):
            transfers(lab)
        lab.finish(path, "curl")


@scenario("raw-ip.pcap")
def raw_ip(path):
    """Link type RAW, as a tun interface gives it; a script took the Ethernet headers off"""
    with UpdateLab(raw_ip.__doc__, body_bytes=SMALL) as lab:
        lab.mirror(lab.client)
        ethernet = lab.directory / "ethernet.pcap"
        with lab.capture(ethernet):
            transfers(lab)
        packets = [(time_ns, frame[14:]) for time_ns, frame in pcapfile.read(ethernet) if frame[12:14] in IP_ETHERTYPES]
        pcapfile.write(path, packets, pcapfile.RAW)
        lab.finish(path, "curl", "python3")


@scenario("nanoseconds.pcap")
def nanoseconds(path):
    """A capture file with time stamps in nanoseconds"""
    mirrored(path, nanoseconds.__doc__, lambda lab: [(lab.client, "both")], options=["--time-stamp-precision=nano"])


@scenario("two-interfaces.pcapng")
def two_interfaces(path):
    """A tap with one direction a card: a pcapng with two interface blocks, client to server on one, back on the other"""
    with UpdateLab(two_interfaces.__doc__, body_bytes=SMALL) as lab:
        raw = lab.directory / "unsorted.pcapng"
        two_cards(lab, raw)
        check(["reordercap", raw, path])
        lab.finish(path, "curl", "dumpcap")


@scenario("two-interfaces-unsorted.pcapng")
def two_interfaces_unsorted(path):
    """The same as dumpcap writes it: the frames of one card, then those of the other, so time jumps back in the file"""
    with UpdateLab(two_interfaces_unsorted.__doc__, body_bytes=SMALL) as lab:
        two_cards(lab, path)
        lab.finish(path, "curl", "dumpcap")


def two_cards(lab, path):
    lab.mirror(lab.client, "from", "span0")
    lab.mirror(lab.client, "to", "span1")
    with lab.capture_dumpcap(path, ["tap0", "tap1"]):
        transfers(lab)


@scenario("offloads.pcap.gz")
def offloads(path):
    """Offloads left on: the mirror shows frames of up to 64 KB with unfinished checksums, which no wire carries"""
    with UpdateLab(offloads.__doc__, body_bytes=300_000) as lab:
        offloads_on(lab)
        lab.mirror(lab.client)
        offloads_on(lab, mirror=True)
        with lab.capture(path, options=["-s", "262144"]):
            transfers(lab)
        lab.finish(path, "curl")


def offloads_on(lab, mirror=False):
    """Turns the offloads on that a lab turns off: on the road of the packets, or at the mirror port."""
    road = [(lab.web, "eth0"), (lab.client, "eth0"), (lab.router, "wan"), (lab.router, "campus"),
            (lab.switch, lab.web.port), (lab.switch, lab.client.port), (lab.switch, "uplink"), (lab.switch, "router-wan")]
    for namespace, device in [(lab.switch, "span0"), (lab.sensor, "tap0")] if mirror else road:
        namespace.run(["ethtool", "-K", device, *(word for name in ("tx", "rx", "sg", "tso", "gso", "gro") for word in (name, "on"))])


@scenario("midstream.pcap")
def midstream(path):
    """The capture begins when the download has long begun: no question, no handshake, no request"""
    with UpdateLab(midstream.__doc__, body_bytes=60_000, site_extra="limit_rate 30k;") as lab:
        lab.mirror(lab.client)
        download = threading.Thread(target=curl, args=(lab, lab.client, MAR_URL))
        download.start()
        time.sleep(0.7)
        with lab.capture(path):
            download.join()
        lab.finish(path, "curl")
