"""Downloads of four megabytes to measure byte counts with; too large to keep, made by `make.py --large DIR`."""

import threading
import time

import pcapfile
from clients import curl
from http3 import QuicServer, have, quic_client
from http3 import PYTHON as PYTHON_OF_QUIC
from scenario import scenario
from scenarios_mirror import lose_for_real, offloads_on
from servers import publish
from standard import ADDRESSES, MAR_PATH, UpdateLab

BODY_BYTES = 4_000_000
HOST = "download.mozilla.org"
KINDS = {
    "clean": "nothing lost, nothing doubled",
    "retransmitted": "real loss before and after the mirror",
    "reordered": "one copy in twenty leaves three frames late",
    "doubled": "the mirror shows every frame twice",
    "loss": "2 % of the copies are missing",
    "client-side": "only what the client sends is on the mirror",
    "server-side": "only what is sent to the client is on the mirror",
}
RELAYS = {"reordered": ["--reorder", "0.05"], "loss": ["--loss", "0.02"]}
# As from a line of about 80 kbit/s.
SLOWNESS = 2_000
PAUSE_S = 90
# The sequence number wraps in the middle of the body.
FIRST_SEQUENCE = (1 << 32) - BODY_BYTES // 2


def declare(transport, kind):
    """Adds one scenario to the list."""
    def make(path):
        large(path, transport, kind, make.__doc__)
    make.__doc__ = f"A download of {BODY_BYTES} bytes over {transport.upper()}: {KINDS[kind]}"
    scenario(f"large-{transport}-{kind}.pcap", large=True)(make)


def large(path, transport, kind, about):
    with UpdateLab(about, body_bytes=BODY_BYTES) as lab:
        if transport == "quic":
            have(PYTHON_OF_QUIC)
            server = QuicServer(lab, lab.web, lab.authority, HOST, lab.root, address=ADDRESSES[HOST])
        if kind in RELAYS:
            lab.span("span0", relay=RELAYS[kind])
        if kind == "retransmitted":
            lose_for_real(lab, port=80 if transport == "http" else 443, one_in=64)
        lab.web.pace()
        lab.mirror(lab.client, {"client-side": "from", "server-side": "to"}.get(kind, "both"))
        if kind == "doubled":
            lab.mirror("uplink")
        with lab.capture(path, settle_s=1.0):
            if transport == "quic":
                quic_client(lab, lab.client, lab.authority, url_of("https"))
            else:
                curl(lab, lab.client, url_of("https" if transport == "tls" else "http"), authority=lab.authority)
        if transport == "quic":
            lab.truth.add(server)
        lab.finish(path, "python3" if transport == "quic" else "curl", *(["python3"] if kind in RELAYS else []))


for _transport in ("http", "tls", "quic"):
    for _kind in KINDS:
        declare(_transport, _kind)


@scenario("large-http-keepalive.pcap", large=True)
def keepalive(path):
    """Three files over one connection of HTTP, one after another, with a small answer amid them"""
    several(path, keepalive.__doc__, "http")


@scenario("large-tls-keepalive.pcap", large=True)
def tls_keepalive(path):
    """Three files over one connection of TLS, one after another, with a small answer amid them"""
    several(path, tls_keepalive.__doc__, "https")


def several(path, about, scheme):
    with UpdateLab(about, body_bytes=BODY_BYTES // 2) as lab:
        publish(lab.root, "/pub/second.mar", 1_000_000)
        publish(lab.root, "/pub/third.mar", 1_234_567)
        lab.web.pace()
        lab.mirror(lab.client)
        with lab.capture(path, settle_s=1.0):
            names = [MAR_PATH, "/gone.mar", "/pub/second.mar", "/pub/third.mar"]
            curl(lab, lab.client, *[f"{scheme}://{HOST}{name}" for name in names], authority=lab.authority)
        lab.finish(path, "curl")


@scenario("large-http-resumed.pcap", large=True)
def resumed(path):
    """A download that breaks off, and goes on with a range 90 s later; a script made the pause"""
    # The server all but stops there, so that the client has read everything when it breaks off.
    extra = "limit_rate 1k; limit_rate_after 2500k;"
    with UpdateLab(resumed.__doc__, body_bytes=BODY_BYTES, site_extra=extra) as lab:
        lab.mirror(lab.client)
        raw = lab.directory / "without-pause.pcap"
        with lab.capture(raw, settle_s=1.0):
            curl(lab, lab.client, url_of("http"), options=["--max-time", "3"], accept=(28,))
            received = lab.truth.accesses[0]["bytes_received"]
            time.sleep(0.5)
            break_ns = time.time_ns()
            curl(lab, lab.client, url_of("http"), options=["--range", f"{received}-"])
        lab.truth.accesses[1]["start"] = round(lab.truth.accesses[1]["start"] + PAUSE_S, 3)
        later = [(time_ns + (PAUSE_S * 1_000_000_000 if time_ns >= break_ns else 0), frame)
                 for time_ns, frame in pcapfile.read(raw)]
        pcapfile.write(path, later)
        lab.finish(path, "curl", "python3")


@scenario("large-http-ranges.pcap", large=True)
def ranges(path):
    """One file in four ranges over four connections at the same time"""
    with UpdateLab(ranges.__doc__, body_bytes=BODY_BYTES) as lab:
        lab.web.pace()
        lab.mirror(lab.client)
        quarter = BODY_BYTES // 4
        parts = [f"{number * quarter}-{(number + 1) * quarter - 1}" for number in range(4)]
        with lab.capture(path, settle_s=1.0):
            together = [threading.Thread(target=curl, args=(lab, lab.client, url_of("http")),
                                         kwargs={"options": ["--range", part]}) for part in parts]
            for thread in together:
                thread.start()
            for thread in together:
                thread.join()
        lab.finish(path, "curl")


@scenario("large-http-slow.pcap", large=True)
def slow(path):
    """A download over HTTP that takes minutes; a script stretched its time"""
    changed(path, slow.__doc__, "http", stretched)


@scenario("large-tls-slow.pcap", large=True)
def tls_slow(path):
    """A download over TLS that takes minutes; a script stretched its time"""
    changed(path, tls_slow.__doc__, "https", stretched)


@scenario("large-http-wrap.pcap", large=True)
def wrap(path):
    """The server's sequence numbers pass 2^32 in the middle; a script moved them"""
    changed(path, wrap.__doc__, "http", moved)


def changed(path, about, scheme, change):
    """A clean download whose frames go through `change` before they are written."""
    with UpdateLab(about, body_bytes=BODY_BYTES) as lab:
        lab.web.pace()
        lab.mirror(lab.client)
        raw = lab.directory / "unchanged.pcap"
        with lab.capture(raw, settle_s=1.0):
            curl(lab, lab.client, f"{scheme}://{HOST}{MAR_PATH}", authority=lab.authority)
        pcapfile.write(path, change(pcapfile.read(raw)))
        lab.finish(path, "curl", "python3")


def stretched(frames):
    first_ns = frames[0][0]
    return [(first_ns + (time_ns - first_ns) * SLOWNESS, frame) for time_ns, frame in frames]


def moved(frames):
    """The one connection's server begins at `FIRST_SEQUENCE`: its numbers, and what acknowledges them, are moved."""
    answers = [tcp for tcp in map(pcapfile.Tcp.of, (frame for _, frame in frames)) if tcp and tcp.syn and tcp.ack]
    assert len(answers) == 1, "one connection"
    server, distance = answers[0].source, FIRST_SEQUENCE - answers[0].sequence
    return [(time_ns, pcapfile.moved(frame, server, distance)) for time_ns, frame in frames]


@scenario("large-http-offloads.pcap", large=True)
def offloads(path):
    """Offloads left on: frames of up to 64 KB, which no wire carries"""
    with UpdateLab(offloads.__doc__, body_bytes=BODY_BYTES) as lab:
        offloads_on(lab)
        lab.mirror(lab.client)
        offloads_on(lab, mirror=True)
        with lab.capture(path, options=["-s", "262144"], settle_s=1.0):
            curl(lab, lab.client, url_of("http"))
        lab.finish(path, "curl")


def url_of(scheme):
    return f"{scheme}://{HOST}{MAR_PATH}"
