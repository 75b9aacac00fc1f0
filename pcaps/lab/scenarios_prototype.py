"""The two published cases of the prototype of this sensor: real exchanges, with times and sizes set by a script.

The names, addresses, times, durations and byte counts are those of the prototype's own output lines. A byte count is
the sum of the flow's frames in both directions, Ethernet header included. How it is hit to the byte:

1. The exchange runs between real programs, with TCP timestamps off, so that a pure acknowledgement is 54 bytes.
2. One length (a body, or the padding of a request header) is tuned until the sum is the wanted one plus n * 54.
3. n pure acknowledgements that others repeat are taken out, evenly: a receiver may acknowledge as rarely as it likes.
4. The time stamps are set; the order of the frames stays.
"""

import os
from dataclasses import dataclass
from datetime import datetime, timezone

import pcapfile
from clients import curl
from lab import Lab, store
from scenario import scenario
from servers import RESOLVER_IPV4, Authority, Nginx, Resolver, publish, site, version_of

ACK_BYTES = 54
FULL_SEGMENT = 1460
TRIES = 8
MILLISECOND = 1_000_000
SECOND = 1000 * MILLISECOND
# Frames of a slow download come in groups, as a card that gathers interrupts stamps them.
GROUP = 16
# The first packets of a connection: as far apart as a server 30 ms away answers.
ROUND_TRIP_NS = 30 * MILLISECOND
# A fixed date of the served files keeps their entity tags as long in every run.
PUBLISHED = 1_533_600_000


@dataclass
class Flow:
    """One line of the prototype's output, and how its exchange is made."""

    name: str
    alias: str
    address: str
    port: int
    wire_bytes: int
    asked: str
    start: str
    end: str
    # Target and body size of each request; the size of the one numbered `tuned` is changed until all fits.
    requests: list
    user_agent: str
    tuned: int = 0
    # Tune the length of a request header instead, and leave the bodies as they are.
    pad_request: bool = False
    # Seconds after the start at which each request after the first is sent.
    later_requests_s: tuple = ()
    # Spread the frames evenly from start to end: a slow download.
    spread: bool = False

    def owns(self, frame):
        """Is this frame of the flow's connection?"""
        tcp = pcapfile.Tcp.of(frame)
        return tcp is not None and (self.address, self.port) in ((tcp.source, tcp.source_port), (tcp.target, tcp.target_port))


FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:61.0) Gecko/20100101 Firefox/61.0"
CASE_B = [
    Flow(name="fe2.update.microsoft.com", alias="fe2.update.microsoft.com.nsatc.net", address="134.170.51.247", port=443,
         wire_bytes=82_075, asked="2018-08-14T20:17:43.100", start="2018-08-14T20:17:44.200", end="2018-08-14T20:18:50.200",
         requests=[["/v6/SimpleAuthWebService/SimpleAuth.asmx", 1_100], ["/v6/ClientWebService/config.asmx", 14_000],
                   ["/v6/ClientWebService/client.asmx", 52_000], ["/v6/ReportingWebService/reportingwebservice.asmx", 500]],
         tuned=2, later_requests_s=(14, 31, 49), user_agent="Windows-Update-Agent/7.9.9600.18979 Client-Protocol/1.21"),
    Flow(name="download.windowsupdate.com", alias="cs11.wpc.v0cdn.net", address="117.18.232.240", port=80,
         wire_bytes=3_218_248, asked="2018-08-14T20:17:45.050", start="2018-08-14T20:17:45.300", end="2018-08-14T20:20:24.300",
         requests=[["/c/msdownload/update/software/secu/2018/08/"
                    "windows10.0-kb4343899-x64_8c5e0f9b3a7d4e6f1b2c3d4e5f60718293a4b5c6.cab", 3_050_000]],
         pad_request=True, spread=True, user_agent="Microsoft BITS/7.8"),
]
CASE_A = [
    Flow(name="aus5.mozilla.org", alias="balrog-aus5.r53-2.services.mozilla.com", address="34.215.50.48", port=443,
         wire_bytes=4_671, asked="2018-08-24T20:08:54.020", start="2018-08-24T20:08:54.200", end="2018-08-24T20:09:55.200",
         requests=[["/update/6/Firefox/61.0.1/20180704003137/WINNT_x86_64-msvc-x64/ja/release/Windows_NT-10.0/update.xml", 700]],
         user_agent=FIREFOX),
    Flow(name="download.mozilla.org", alias="bouncer-bouncer-elb.prod.mozaws.net", address="52.35.227.82", port=80,
         wire_bytes=52_050_906, asked="2018-08-24T20:08:58.020", start="2018-08-24T20:08:58.200", end="2018-08-24T20:09:59.200",
         requests=[["/pub/firefox/releases/61.0.2/update/win64/ja/firefox-61.0.2.complete.mar", 49_960_000]],
         spread=True, user_agent=FIREFOX),
]


@scenario("prototype-host-b.pcap.zst")
def host_b(path):
    """The prototype's first case: Windows Update, a check over HTTPS and a download over HTTP"""
    make_case(path, host_b.__doc__, "192.0.2.20", CASE_B)


@scenario("prototype-host-a.pcap.zst")
def host_a(path):
    """The prototype's second case: Firefox, a check over HTTPS and a download of 52 MB over HTTP"""
    make_case(path, host_a.__doc__, "192.0.2.10", CASE_A)


def make_case(path, about, client_address, flows):
    """Makes each flow until it fits, then puts all on one time line."""
    with PrototypeLab(client_address, flows) as lab:
        frames, told = [], []
        for flow in flows:
            lookup, connection, taken_out = fitted(lab, flow)
            frames += timed_lookup(flow, lookup) + timed_connection(flow, connection)
            move_accesses(lab.truth.accesses[-len(flow.requests):], flow)
            told.append(flow_truth(flow, client_address, connection, taken_out))
        frames.sort(key=lambda entry: entry[0])
        pcapfile.write(lab.directory / "whole.pcap", frames)
        store(lab.directory / "whole.pcap", path)
        lab.truth.notes["times_and_sizes"] = "set by a script after a real exchange"
        lab.truth.notes["flows"] = told
        versions = {name: version_of(*command) for name, command in (
            ("curl", ("curl", "-V")), ("nginx", ("nginx", "-v")), ("unbound", ("unbound", "-V")),
            ("tcpdump", ("tcpdump", "--version")))}
        lab.truth.write(path.with_name(path.name.split(".pcap")[0] + ".truth.json"), capture=path.name, about=about,
                        programs=versions)


class PrototypeLab(Lab):
    """The prototype's names and addresses, inside the namespaces only."""

    def __init__(self, client_address, flows):
        super().__init__()
        self.client_address = client_address
        self.flows = flows

    def __enter__(self):
        super().__enter__()
        try:
            self._furnish()
        except BaseException:
            self.close()
            raise
        return self

    def _furnish(self):
        self.client = self.campus_host("client", self.client_address)
        web = self.wan_host("web", *[flow.address for flow in self.flows])
        for host in (self.client, web):
            host.sysctl("net.ipv4.tcp_timestamps=0")
        web.pace()
        Resolver(self, "".join(f"{flow.name}. 300 CNAME {flow.alias}.\n{flow.alias}. 60 A {flow.address}\n"
                               for flow in self.flows))
        self.client.use_resolver(RESOLVER_IPV4)
        # RSA, because its signatures have one length: the handshake is as long each time.
        self.authority = Authority(self, rsa=True)
        self.root = self.directory / "www"
        sites = []
        for flow in self.flows:
            # The padding makes the response header of a download 412 bytes.
            extra = 'add_header X-Sample-Padding "' + "p" * 123 + '"; if_modified_since before;'
            tls = self.authority.issue(flow.name) if flow.port == 443 else (None, None)
            sites.append(site(self.root, flow.name, certificate=tls[0], key=tls[1], protocols="TLSv1.2",
                              extra=extra if flow.spread else ""))
        Nginx(self, web, sites)
        self.mirror(self.client)


def fitted(lab, flow):
    """Runs the exchange until its bytes fit; gives the frames of the lookup, of the connection, and how many
    acknowledgements were taken out."""
    padding = 0
    for _ in range(TRIES):
        accesses = len(lab.truth.accesses)
        lookup, connection = exchange(lab, flow, padding)
        surplus = sum(map(len, connection)) - flow.wire_bytes
        spare = spare_acknowledgements(connection)
        if surplus % ACK_BYTES == 0 and 0 <= surplus // ACK_BYTES <= len(spare):
            taken_out = evenly(spare, surplus // ACK_BYTES)
            return lookup, [frame for number, frame in enumerate(connection) if number not in taken_out], len(taken_out)
        del lab.truth.accesses[accesses:]
        if flow.pad_request:
            padding = (padding - surplus) % ACK_BYTES
        else:
            flow.requests[flow.tuned][1] -= excess_body(flow, surplus, len(spare), len(connection))
    raise RuntimeError(f"{flow.name}: {surplus} bytes too many, {len(spare)} acknowledgements to spare")


def excess_body(flow, surplus, spare, frames):
    """By how much the tuned body has to shrink.

    Aims at a surplus that is a number of acknowledgements: half of the spare ones, or all but one for eight segments.
    """
    wanted = max(0, spare - frames // 16) if flow.spread else spare // 2
    excess = surplus - wanted * ACK_BYTES
    # A whole segment less takes its header and, where each is acknowledged, an acknowledgement with it.
    segments = int(excess / (FULL_SEGMENT + ACK_BYTES))
    return excess - segments * ACK_BYTES


def spare_acknowledgements(connection):
    """The numbers of the pure acknowledgements that may be missing: not the handshake's third packet, not the last."""
    facts = [pcapfile.Tcp.of(frame) for frame in connection]
    first_fin = next(number for number, tcp in enumerate(facts) if tcp.fin)
    return [number for number, tcp in enumerate(facts) if 2 < number < first_fin and tcp.pure_ack
            and len(connection[number]) == ACK_BYTES]


def evenly(numbers, count):
    """`count` of these numbers, spread over all of them."""
    return {numbers[position * len(numbers) // count] for position in range(count)} if count else set()


def exchange(lab, flow, padding):
    """One run of lookup and connection: the frames of each, in the order of the capture."""
    for target, size in flow.requests:
        if not (lab.root / target[1:]).exists() or (lab.root / target[1:]).stat().st_size != size:
            os.utime(publish(lab.root, target, bytes(size)), (PUBLISHED, PUBLISHED))
    raw = lab.directory / f"{flow.name}.pcap"
    scheme = "https" if flow.port == 443 else "http"
    options = ["--ipv4", "--http1.1", "--user-agent", flow.user_agent]
    options += ["--header", "MS-CV: " + "A" * (16 + padding)] if flow.pad_request else []
    with lab.capture(raw, settle_s=1.0):
        curl(lab, lab.client, *[f"{scheme}://{flow.name}{target}" for target, _ in flow.requests], authority=lab.authority,
             options=options)
    frames = [frame for _, frame in pcapfile.read(raw)]
    connection = [frame for frame in frames if flow.owns(frame)]
    # The neighbour's and the resolver's frames before the SYN; what comes later is noise of the namespace.
    lookup = [frame for frame in frames[:frames.index(connection[0])] if frame[12:14] in (b"\x08\x00", b"\x08\x06")]
    return lookup, connection


def timed_lookup(flow, lookup):
    """The frames before the connection, a few milliseconds apart."""
    asked = nanoseconds(flow.asked)
    return [(asked + number * 6 * MILLISECOND, frame) for number, frame in enumerate(lookup)]


def timed_connection(flow, connection):
    """The frames of the connection from the flow's start to its end, both to the microsecond."""
    start, end = nanoseconds(flow.start), nanoseconds(flow.end)
    facts = [pcapfile.Tcp.of(frame) for frame in connection]
    closing = first_closing(flow, facts)
    times = [start, start + ROUND_TRIP_NS, start + ROUND_TRIP_NS + MILLISECOND]
    if flow.spread:
        times.append(times[-1])
        first, last = start + 2 * ROUND_TRIP_NS, end - 200 * MILLISECOND
        groups = max(1, (closing - 4) // GROUP)
        times += [first + (last - first) * (number // GROUP) // groups // 1000 * 1000 for number in range(closing - 4)]
    else:
        times += in_turns(flow, facts, start + ROUND_TRIP_NS + MILLISECOND, closing)
    last = len(connection) - 1
    times += [end - (last - number) * 10 * MILLISECOND for number in range(closing, len(connection))]
    return list(zip(times, connection, strict=True))


def first_closing(flow, facts):
    """Where the connection begins to close: at the first FIN, or at the client's closing alert before it."""
    fin = next(number for number, tcp in enumerate(facts) if tcp.fin)
    said = [number for number, tcp in enumerate(facts[:fin]) if tcp.payload_bytes]
    by_client = facts[said[-1]].target_port == flow.port
    return said[-1] if by_client and len(said) > 1 else fin


def in_turns(flow, facts, now, closing):
    """Times of frames 3 up to `closing`: a turn of the speaker takes a round trip, each later request waits for its second."""
    start = nanoseconds(flow.start)
    # In TLS 1.2 a client speaks twice before its first request.
    spoken = [number for number in range(3, closing) if facts[number].payload_bytes and facts[number].target_port == flow.port]
    waits = dict(zip(spoken[3:], flow.later_requests_s))
    times = []
    for number in range(3, closing):
        turned = facts[number].payload_bytes and facts[number].target_port != facts[number - 1].target_port
        now += ROUND_TRIP_NS if turned else MILLISECOND // 10
        now = start + waits[number] * SECOND if number in waits else now
        times.append(now)
    return times


def move_accesses(accesses, flow):
    """Sets the times that curl told to those that the capture shows."""
    for access, later_s in zip(accesses, (0, *flow.later_requests_s)):
        access["start"] = nanoseconds(flow.start) / SECOND + later_s
        del access["seconds"]


def flow_truth(flow, client, connection, taken_out):
    """A flow as the truth file tells it."""
    return {"client": client, "client_port": pcapfile.Tcp.of(connection[0]).source_port, "server": flow.address,
            "server_port": flow.port, "name": flow.name, "chain": [flow.name, flow.alias], "asked": flow.asked,
            "start": flow.start, "end": flow.end, "wire_bytes": sum(map(len, connection)), "frames": len(connection),
            "body_bytes": sum(size for _, size in flow.requests), "acknowledgements_taken_out": taken_out}


def nanoseconds(text):
    """A printed time of the prototype, taken as UTC, in nanoseconds since 1970."""
    moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1000
