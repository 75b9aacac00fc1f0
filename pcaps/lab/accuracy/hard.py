"""Scenarios in which the wire says less than the truth, or something else: shared addresses, forged names, parts that are missing."""

import bisect
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import pcapfile  # noqa: E402
from book import CLIENTS, Session  # noqa: E402
from http3 import PYTHON  # noqa: E402
from rows import FAMILIES, Endpoint  # noqa: E402
from scenarios import NOT_OFFERED, UNTOLD, Scene, each, scene  # noqa: E402
from servers import Nginx  # noqa: E402

ROUNDS = 24
SPACING_S = 3600
SILENCE_NS = 400_000_000


@scene
def shared(book, scale):
    """Two products behind one address of a content network: name visible, or DNS alone after questions for one or for both."""
    jobs = []
    spare = [pair for pair in book.spare if pair[0] is not pair[1]]
    for one, other in list(zip(spare[::2], spare[1::2]))[:8]:
        address = book.free.pop()
        for row in {row.rule: row for row in (*one, *other)}.values():
            book.host(book.name_of(row), address)
        for number in range(round(12 * scale) or 1):
            transport = ("http", "tls", "quic", "dns", "dns")[number % 5]
            is_both = number % 5 == 4
            expect = {"expect": "cannot_tell"} if is_both else {}
            session = Session(book, "shared", *one, transport, offered="yes", **expect)
            if is_both:
                session.ask(other[0])
                session.steps[-1] |= {"rule": None, "endpoint_role": None}
            session.check()
            session.download()
            jobs.append(session.job())
    return Scene("shared", jobs)


@scene
def beside(book, scale):
    """An unrelated site behind the address of a product: what is fetched from there is no update."""
    jobs = []
    spare = [pair for pair in book.spare if pair[0] is not pair[1]]
    for number, (check, download) in enumerate(spare[16:26]):
        address = book.free.pop()
        site = f"www{number}.unrelated.example"
        for name in (book.name_of(check), book.name_of(download), site):
            book.host(name, address)
        for turn in range(round(6 * scale) or 1):
            session = Session(book, "beside", check, download, "tls", offered="yes")
            session.check()
            session.download()
            path, size = "/film.mp4", book.file(site, "/film.mp4", 2_000_000)
            book.file(address, path, size)
            session.steps.append({"op": "ask", "name": site, "types": ["A"]})
            fetch = {"op": "get", "name": site, "path": path, "size": size, "tool": "python", "transport": ("tls", "http", "dns")[turn % 3]}
            if fetch["transport"] == "dns":
                fetch |= {"host": address, "rule": download.rule, "endpoint_role": "download", "role": "download",
                          "expect": "never_confident"}
                # Both speak to one address without a name: nothing tells one from the other.
                session.steps = [step for step in session.steps if step.get("role") != "download" or step is fetch]
                session.facts["offered"] = UNTOLD
            session.steps.append(fetch)
            jobs.append(session.job())
    return Scene("beside", jobs)


@scene
def forged(book, scale):
    """Names that are claimed to a server that no answer gave for them: in the hello, in Host, in an answer that nobody asked for."""
    jobs, answers = [], []
    for number, (_, download, transport) in enumerate(each(book, round(2 * scale) or 1, families=FAMILIES)):
        session = Session(book, "forged", download, download, transport, expect="never_confident")
        session.asks = False
        name, evil = book.name_of(download), book.host(f"evil{number % 20}.unrelated.example")
        session.download(address=evil)
        book.host(name)
        if transport == "dns":
            answers.append([session.client, name, evil])
            book.file(evil, session.steps[-1]["path"], session.steps[-1]["size"])
            session.steps[-1]["host"] = evil
        jobs.append(session.job(2.0))

    def before(world):
        """Answers to questions that were never asked, from the resolver's own address."""
        world.web.run([PYTHON, HERE / "forge.py"], input=repr(answers).encode())
    return Scene("forged", jobs, before=before)


@scene
def dual(book, scale):
    """A host with both families asks over IPv4 and uses IPv6 for the check, IPv4 for the file: two hosts to whoever goes by address."""
    jobs = []
    for check, download, transport in each(book, round(2 * scale) or 1, ("http", "tls")):
        session = Session(book, "dual", check, download, transport)
        session.check(ipv6=True, offered=UNTOLD)
        session.steps[0] |= {"types": ["A", "AAAA"], "expect": "may"}
        session.download(offered="yes")
        jobs.append(session.job())
    return Scene("dual", jobs)


@scene
def polling(book, scale):
    """A day of checks once an hour, time compressed; the last one may find something."""
    jobs = []
    for check, download, transport in each(book, round(1 * scale) or 1):
        session = Session(book, "polling", check, download, transport)
        for number in range(ROUNDS):
            session.steps.append({"op": "round"})
            session.asks = transport == "dns" or number % 3 != 2
            finds = number == ROUNDS - 1 and session.random.random() < 0.5
            found = UNTOLD if session.hides(download) else "yes"
            offered = found if finds else NOT_OFFERED
            session.check(offered=offered)
            if finds:
                session.asks = True
                session.download(size=300_000, offered=found)
        jobs.append(session.job())
    return Scene("polling", jobs, concurrency=100, spread=SPACING_S)


@scene
def midstream(book, scale):
    """The capture begins within the file: with the question before it on the mirror, or without."""
    jobs = []
    for number, (check, download, transport) in enumerate(each(book, round(2 * scale) or 1, ("http", "tls"))):
        asked = number % 2 == 0
        facts = {"expect": "may", "offered": ["yes", "unknown"]} if asked else {"expect": "cannot_tell"}
        session = Session(book, "midstream", check, download, transport, **facts)
        session.asks = asked
        session.download(size=1_500_000)
        jobs.append(session.job())
    return Scene("midstream", jobs, cut=400)


@scene
def resolver_side(book, scale):
    """The mirror sees the resolver's questions, not the clients'."""
    jobs = []
    for check, download, transport in each(book, round(2 * scale) or 1):
        session = Session(book, "resolver-side", check, download, transport, offered="yes")
        session.resolver = {"asker": "198.51.100.9"}
        session.check()
        session.download()
        jobs.append(session.job())
    return Scene("resolver-side", jobs)


@scene
def proxied(book, scale):
    """Through a proxy on the campus: absolute URIs, and CONNECT with TLS inside."""
    jobs = []
    for check, download, transport in each(book, round(2 * scale) or 1, ("http", "tls")):
        session = Session(book, "proxied", check, download, transport, offered="yes")
        session.asks = False
        session.options = {"tool": "curl", "options": ["-x", "http://198.51.100.80:3128"]}
        session.check()
        session.download()
        jobs.append(session.job())
    return Scene("proxied", jobs, concurrency=6, proxy=True)


@scene
def encrypted_dns(book, scale):
    """Clients ask over TLS or HTTPS; the transfers name themselves."""
    jobs = []
    for number, (check, download, transport) in enumerate(each(book, round(2 * scale) or 1, ("http", "tls"))):
        session = Session(book, "encrypted-dns", check, download, transport, offered="yes")
        if number % 2:
            session.resolver = {"by": "dot"}
        else:
            session.asks = False
            session.options = {"tool": "curl", "options": ["--doh-url", "https://192.0.2.53/dns-query", "--doh-insecure"]}
        session.check()
        session.download()
        jobs.append(session.job())
    return Scene("encrypted-dns", jobs)


SOURCES = """
[[internal_sources]]
name = "wsus"
kind = "wsus"
servers = ["198.51.100.8"]
[[internal_sources]]
name = "cache"
kind = "connected-cache"
servers = ["198.51.100.7"]
"""
WSUS = Endpoint("microsoft", "windows-update", "wsus", "check", [])
ORIGIN = "tlu.dl.delivery.mp.microsoft.com"


@scene
def internal(book, scale):
    """A WSUS on port 8530, and a cache whose Host is a bare address."""
    jobs = []
    book.records += "wsus1.campus.example. 300 A 198.51.100.8\n"
    origin = book.rows.find(ORIGIN)
    for number in range(round(24 * scale) or 1):
        common = {"scenario": "internal", "family": "microsoft", "offered": "yes"}
        client = CLIENTS[number]
        size, unique = book.payload_size(quick=True), f"{book.random.randrange(16**12):012x}"
        if number % 2:
            name, path = "wsus1.campus.example", f"/Content/{unique[:2]}/{unique}.cab"
            facts = {"op": "get", "name": name, "tool": "curl", "transport": "http", "server_port": 8530, "url_port": ":8530",
                     "rule": "internal/wsus", "endpoint_role": "check"}
            steps = [{"op": "ask", "name": name},
                     {**facts, "path": f"/ClientWebService/{unique}.asmx", "role": "check", "size": book.file("own", f"/ClientWebService/{unique}.asmx", 3000)},
                     {**facts, "path": path, "role": "download", "size": book.file("own", path, size), "by_path": True}]
            common["product"] = WSUS.key
        else:
            path = f"/filestreamingservice/files/3d6a1f0e-5b7c-4c1d-9e2f-{unique}"
            steps = [{"op": "get", "name": ORIGIN, "bare": "198.51.100.7", "address": "198.51.100.7", "tool": "curl", "transport": "http",
                      "path": f"{path}?P1=1&cacheHostOrigin={ORIGIN}", "role": "download", "rule": origin.rule, "endpoint_role": "download",
                      "size": book.file("own", path, size), "payloads": [("delivery_optimization", path.split("/")[-1])]}]
            common |= {"product": origin.key}
        jobs.append({"client": client, "facts": common, "steps": steps})
    return Scene("internal", jobs, config=SOURCES, own=True)


def moved_by(rounds, spacing_s):
    """The function that moves a time: rounds begin so many seconds apart. `rounds` are the times at which they really began."""
    def move(seconds):
        number = bisect.bisect_right(rounds, seconds) - 1
        return seconds if number < 0 else seconds - rounds[number] + rounds[0] + number * spacing_s
    return move


def spread_out(capture, move):
    """Moves the times of a capture: a connection as a whole, by its first frame. After a silence the same ports are another one."""
    began, last, frames = {}, {}, []
    for time_ns, frame in pcapfile.read(capture):
        key = connection(frame) or time_ns
        if time_ns - last.get(key, 0) > SILENCE_NS:
            began[key] = time_ns
        last[key] = time_ns
        frames.append((time_ns + round((move(began[key] / 1e9) - began[key] / 1e9) * 1e9), frame))
    pcapfile.write(capture, sorted(frames, key=lambda one: one[0]))


def cut_heads(capture, count):
    """Leaves out the first frames of every TCP connection, as if the mirror had been switched on within it."""
    seen, kept = {}, []
    for time_ns, frame in pcapfile.read(capture):
        key = connection(frame)
        if key:
            seen[key] = seen.get(key, 0) + 1
        if not key or seen[key] > count:
            kept.append((time_ns, frame))
    pcapfile.write(capture, kept)


def connection(frame):
    """The two ends of a TCP or UDP frame, in an order of their own; `None` for others."""
    kind = frame[12:14]
    if kind == b"\x08\x00":
        protocol, at, addresses = frame[23], 14 + (frame[14] & 15) * 4, (frame[26:30], frame[30:34])
    elif kind == b"\x86\xdd":
        protocol, at, addresses = frame[20], 54, (frame[22:38], frame[38:54])
    else:
        return None
    if protocol not in (6, 17):
        return None
    ports = struct.unpack_from("!HH", frame, at)
    return protocol, *sorted(zip(addresses, ports))


def own_servers(world):
    """nginx as a WSUS and as a cache."""
    host = world.campus_host("own", "198.51.100.8", "198.51.100.7")
    root = world.root / "own"
    root.mkdir(exist_ok=True)
    Nginx(world, host, [f"server {{ listen 8530; listen 80; root {root}; }}"])
