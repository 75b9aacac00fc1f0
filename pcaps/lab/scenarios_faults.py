"""Mirrors with one planted fault each, and clean ones, for `patchspan doctor`; too large to keep, made by `make.py --large DIR`.

Every capture shows the same: four clients that resolve eight names and load something small of each over HTTP and TLS, and
something large from some. The mirror is the switch's uplink, so all four are on it.
"""

import contextlib
import threading

import pcapfile
from clients import curl
from scenario import scenario
from scenarios_hosts import mac_of
from scenarios_mirror import lose_for_real, offloads_on
from servers import RESOLVER_IPV4, publish
from standard import MAR_PATH, UpdateLab

BODY_BYTES = 400_000
SMALL_PATH = "/small.bin"
LARGE_FROM = ("download.mozilla.org", "download.windowsupdate.com")
CLIENTS = ["198.51.100.7", "198.51.100.8", "198.51.100.9", "198.51.101.10"]
FORWARDER = "198.51.100.53"
HOUR_NS = 3_600 * 1_000_000_000
# A link type for which nobody has a decoder: reserved for private use.
PRIVATE_LINK_TYPE = 147


@contextlib.contextmanager
def campus(about, ipv6=False):
    """The lab with four clients and their resolver; `lab.clients`."""
    with UpdateLab(about, body_bytes=BODY_BYTES, ipv6=ipv6) as lab:
        publish(lab.root, SMALL_PATH, 3_000)
        lab.clients = [lab.client]
        for number, address in enumerate(CLIENTS[1:], 2):
            addresses = [address, f"2001:db8:100::{number:x}7"] if ipv6 else [address]
            lab.clients.append(lab.campus_host(f"client{number}", *addresses))
            lab.clients[-1].use_resolver(RESOLVER_IPV4)
        lab.web.pace("100mbit")
        yield lab


def work(lab, options=()):
    """What the clients do, all at the same time."""
    together = [threading.Thread(target=work_of, args=(lab, client, options)) for client in lab.clients]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()


def work_of(lab, client, options):
    for name in lab.names:
        for scheme in ("http", "https"):
            curl(lab, client, f"{scheme}://{name}{SMALL_PATH}", authority=lab.authority, options=options)
    for name in LARGE_FROM:
        curl(lab, client, f"http://{name}{MAR_PATH}", options=options)


def shown(path, about, relay=None, ports=(("uplink", "both"),), prepare=None, ipv6=False, capture=(), change=None, link_type=pcapfile.ETHERNET,
          options=()):
    """One capture: through a relay, of these ports, after `prepare(lab)`; `change` alters its list of frames."""
    with campus(about, ipv6) as lab:
        if relay:
            lab.span("span0", relay=relay(lab) if callable(relay) else relay)
        for port, directions in ports:
            lab.mirror(port, directions)
        if prepare:
            prepare(lab)
        raw = lab.directory / "unchanged.pcap" if change else path
        with lab.capture(raw, options=capture, settle_s=1.0):
            work(lab, options)
        if change:
            pcapfile.write(path, change(pcapfile.read(raw)), link_type)
        lab.finish(path, "curl", *(["python3"] if relay or change else []))


@scenario("clean-uplink.pcap", large=True)
def clean_uplink(path):
    """A clean mirror: the switch's uplink, both directions"""
    shown(path, clean_uplink.__doc__)


@scenario("clean-vlan.pcap", large=True)
def clean_vlan(path):
    """A clean mirror whose every frame has a VLAN tag"""
    shown(path, clean_vlan.__doc__, relay=["--tag", "8100:100"])


@scenario("clean-erspan.pcap", large=True)
def clean_erspan(path):
    """A clean mirror that comes inside ERSPAN type II"""
    shown(path, clean_erspan.__doc__, relay=["--tunnel", "erspan2"])


@scenario("clean-ipv6.pcap", large=True)
def clean_ipv6(path):
    """A clean mirror of hosts that speak IPv6"""
    shown(path, clean_ipv6.__doc__, ipv6=True, options=["--ipv6"])


@scenario("clean-lossy-network.pcap", large=True)
def clean_lossy_network(path):
    """A clean mirror of a network that loses packets itself: they are sent again, and seen again"""
    shown(path, clean_lossy_network.__doc__, prepare=lambda lab: lose_for_real(lab, one_in=64))


@scenario("clean-reordered.pcap", large=True)
def clean_reordered(path):
    """A mirror without loss of which one copy in fifty comes three frames late"""
    shown(path, clean_reordered.__doc__, relay=["--reorder", "0.02"])


@scenario("clean-router.pcap", large=True)
def clean_router(path):
    """A clean mirror before the router: clients and resolver are both behind the border"""
    shown(path, clean_router.__doc__, ports=[("router-wan", "both")])


@scenario("fault-no-traffic.pcap", large=True)
def no_traffic(path):
    """No mirror session: the port carries the switch's own broadcasts alone"""
    def broadcasts(frames):
        # An ARP question a second, as a switch's management address asks it.
        return [(time_ns, b"\xff" * 6 + b"\x02\0\x5e\0\0\xfe\x08\x06" + b"\0\1\x08\0\6\4\0\1" + bytes(34)) for time_ns, _ in frames[:9]]
    shown(path, no_traffic.__doc__, change=broadcasts)


@scenario("fault-client-side.pcap", large=True)
def client_side(path):
    """Only what the clients send is on the mirror"""
    shown(path, client_side.__doc__, ports=[("uplink", "to")])


@scenario("fault-server-side.pcap", large=True)
def server_side(path):
    """Only what is sent to the clients is on the mirror"""
    shown(path, server_side.__doc__, ports=[("uplink", "from")])


@scenario("fault-doubled.pcap", large=True)
def doubled(path):
    """Every packet twice, before and after the router"""
    shown(path, doubled.__doc__, ports=[("uplink", "both"), ("router-wan", "both")])


@scenario("fault-doubled-part.pcap", large=True)
def doubled_part(path):
    """The uplink and one client's port are mirrored: that client's packets come twice"""
    with campus(doubled_part.__doc__) as lab:
        lab.mirror("uplink")
        lab.mirror(lab.client)
        with lab.capture(path, settle_s=1.0):
            work(lab)
        lab.finish(path, "curl")


@scenario("fault-tags-one-sided.pcap", large=True)
def tags_one_sided(path):
    """Frames toward the clients have a VLAN tag, those from the clients have none"""
    shown(path, tags_one_sided.__doc__, relay=lambda lab: ["--tag", "8100:100", "--tag-from", mac_of(lab.router, "campus")])


@scenario("fault-qinq.pcap", large=True)
def qinq(path):
    """Every frame with two VLAN tags"""
    shown(path, qinq.__doc__, relay=["--tag", "88a8:7", "--tag", "8100:100"])


@scenario("fault-merged.pcap", large=True)
def merged(path):
    """Offloads left on: frames of up to 64 KB, which no wire carries"""
    def prepare(lab):
        offloads_on(lab)
        offloads_on(lab, mirror=True)
    shown(path, merged.__doc__, prepare=prepare, capture=["-s", "262144"])


@scenario("fault-snap-length.pcap", large=True)
def snap_length(path):
    """Captured with a snap length of 96 bytes"""
    shown(path, snap_length.__doc__, capture=["-s", "96"])


@scenario("fault-loss-1.pcap", large=True)
def loss_1(path):
    """1 % of the mirror's copies are missing"""
    shown(path, loss_1.__doc__, relay=["--loss", "0.01"])


@scenario("fault-loss-5.pcap", large=True)
def loss_5(path):
    """5 % of the mirror's copies are missing"""
    shown(path, loss_5.__doc__, relay=["--loss", "0.05"])


@scenario("fault-clock-ahead.pcap", large=True)
def clock_ahead(path):
    """The capturing machine's clock is an hour ahead; a script moved the stamps"""
    shown(path, clock_ahead.__doc__, change=lambda frames: [(time_ns + HOUR_NS, frame) for time_ns, frame in frames])


@scenario("fault-clock-behind.pcap", large=True)
def clock_behind(path):
    """The capturing machine's clock is an hour behind; a script moved the stamps"""
    shown(path, clock_behind.__doc__, change=lambda frames: [(time_ns - HOUR_NS, frame) for time_ns, frame in frames])


@scenario("fault-clock-backwards.pcap", large=True)
def clock_backwards(path):
    """The capturing machine's clock is set back by ten seconds amid the capture; a script moved the stamps"""
    def change(frames):
        half = len(frames) // 2
        return frames[:half] + [(time_ns - 10_000_000_000, frame) for time_ns, frame in frames[half:]]
    shown(path, clock_backwards.__doc__, change=change)


@scenario("fault-link-type.pcap", large=True)
def link_type(path):
    """A capture of a link type that nobody decodes"""
    shown(path, link_type.__doc__, change=lambda frames: frames, link_type=PRIVATE_LINK_TYPE)


@scenario("fault-no-dns.pcap", large=True)
def no_dns(path):
    """The link to the resolver is not on the mirror"""
    shown(path, no_dns.__doc__, capture=["not", "port", "53"])


@scenario("fault-dns-answers-missing.pcap", large=True)
def dns_answers_missing(path):
    """What the resolver answers comes another way: questions without answers"""
    shown(path, dns_answers_missing.__doc__, capture=["not", "src", "port", "53"])


@scenario("fault-dns-questions-missing.pcap", large=True)
def dns_questions_missing(path):
    """What is asked goes another way: answers without questions"""
    shown(path, dns_questions_missing.__doc__, capture=["not", "dst", "port", "53"])


@scenario("fault-resolver-side.pcap", large=True)
def resolver_side(path):
    """A mirror behind the resolver: clients ask a forwarder on the campus, and only its own questions pass the uplink"""
    with campus(resolver_side.__doc__) as lab:
        forwarder = lab.campus_host("forwarder", FORWARDER)
        for client in lab.clients:
            # Neighbours on the campus reach each other without the router.
            client.ip("route", "add", f"{FORWARDER}/32", "dev", "eth0")
            forwarder.ip("route", "add", f"{client.ipv4[0]}/32", "dev", "eth0")
            client.use_resolver(FORWARDER)
        forwarder.spawn(["dnsmasq", "--keep-in-foreground", "--user=root", "--log-facility=-", "--conf-file=/dev/null", "--no-resolv",
                         "--no-hosts", "--cache-size=0", f"--server={RESOLVER_IPV4}", "--pid-file="], ready="started")
        lab.mirror("uplink")
        with lab.capture(path, settle_s=1.0):
            work(lab)
        lab.finish(path, "curl", "dnsmasq")
