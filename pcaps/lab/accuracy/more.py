"""Scenarios of what real updaters do besides: pauses, redirects, large indexes, failures, several addresses and files."""

from book import Session
from rows import FAMILIES
from scenarios import NOT_OFFERED, UNTOLD, Scene, each, scene

@scene
def paused(book, scale):
    """Check and file on one encrypted connection, with a pause between: two bursts."""
    jobs = []
    pairs = [pair for pair in book.pairs["linux"] if pair[0] is pair[1]]
    for number in range(round(16 * scale) or 1):
        check, download = pairs[number % len(pairs)]
        session = Session(book, "paused", check, download, "tls", offered="yes")
        session.check(keep="one")
        session.wait(7)
        session.asks = False
        session.download(keep="one")
        jobs.append(session.job())
    return Scene("paused", jobs, concurrency=64)


@scene
def indexes(book, scale):
    """Checks that fetch whole indexes: their path tells over plain HTTP; behind encryption they look like files."""
    jobs = []
    pairs = [pair for pair in book.pairs["linux"] if pair[0] is pair[1]]
    for number in range(round(16 * scale) or 1):
        check, _ = pairs[number % len(pairs)]
        transport = ("http", "tls", "http", "quic")[number % 4]
        hidden = {} if transport == "http" else {"expect": "never_confident"}
        session = Session(book, "indexes", check, None, transport, **hidden)
        size = book.random.randrange(400_000, 3_000_000)
        session.check(size=size)
        jobs.append(session.job())
    others = [pair for family in FAMILIES for pair in book.pairs[family] if pair[0] is not pair[1]]
    for number in range(round(24 * scale) or 1):
        check, _ = book.random.choice(others)
        session = Session(book, "indexes", check, None, ("http", "tls", "quic", "dns")[number % 4], offered=NOT_OFFERED)
        session.check(size=book.random.randrange(400_000, 2_000_000))
        jobs.append(session.job())
    return Scene("indexes", jobs)


@scene
def several(book, scale):
    """An update of several files, small ones among them, of names with several addresses."""
    jobs = []
    for check, download, transport in each(book, round(2 * scale) or 1):
        session = Session(book, "several", check, download, transport, offered="yes")
        session.check()
        sizes = [500_000] + [book.random.choice([30_000, 90_000, 400_000]) for _ in range(book.random.randrange(1, 6))]
        book.random.shuffle(sizes)
        for size in sizes:
            small = size < 300_000
            # Behind encryption a small file is part of what is fetched, or of the checks, where both share a name.
            if small and transport != "http":
                continue
            session.download(size=size, keep="files" if transport == "http" and check is not download else None)
            if session.steps[-1]["keep"] is None:
                del session.steps[-1]["keep"]
        jobs.append(session.job())
    return Scene("several", jobs)


@scene
def answered_otherwise(book, scale):
    """Redirects, errors and HEAD at download entries: nothing was fetched, or only afterwards."""
    jobs = []
    for number, (check, download, transport) in enumerate(each(book, round(5 * scale) or 1, ("http",))):
        kind = ("redirect", "error", "head", "redirect-only")[number % 4]
        fetches = kind in ("redirect", "head")
        session = Session(book, "answered-otherwise", check, download, transport, offered="yes")
        session.check()
        session.download()
        step = session.steps.pop()
        payloads = step.pop("payloads")
        first = {**step, "tool": "curl", **{
            "redirect": {"path": "/go" + step["path"]}, "redirect-only": {"path": "/go" + step["path"]},
            "error": {"path": "/none" + step["path"]}, "head": {"method": "HEAD"}}[kind]}
        if kind == "redirect" and check is download:
            first["path"] = "/go/pool" + step["path"]
        if kind == "redirect" and download.host:
            # By that path it is another entry's, whatever comes of it.
            first.update(rule=download.host.rule, expect="cannot_tell")
        session.steps.append(first)
        if fetches:
            session.steps.append({**step, "payloads": payloads})
        jobs.append(session.job())
    return Scene("answered-otherwise", jobs)


@scene
def refused(book, scale):
    """The first address refuses; another is tried, or the client gives up."""
    jobs = []
    for number, (check, download, transport) in enumerate(each(book, round(2 * scale) or 1, ("http", "tls"))):
        gives_up = number % 2 == 0
        session = Session(book, "refused", check, download, transport, offered=UNTOLD if gives_up else "yes")
        session.check()
        session.download()
        step = session.steps[-1]
        closed = {**step, "op": "knock", "server_port": 8081}
        session.steps[-1:] = [closed] if gives_up else [closed, step]
        jobs.append(session.job())
    return Scene("refused", jobs)


@scene
def spelled(book, scale):
    """Names in upper case, with a port, with a dot at their end."""
    jobs = []
    for number, (check, download, transport) in enumerate(each(book, round(2 * scale) or 1, ("http", "tls"))):
        session = Session(book, "spelled", check, download, transport, offered="yes")
        names = [book.name_of(row) for row in (check, download)]
        spell = (str.upper, lambda name: f"{name}:80" if transport == "http" else name.title())[number % 2]
        key = "host" if transport == "http" else "sni"
        session.check(**{key: spell(names[0])})
        session.download(**{key: spell(names[1])})
        jobs.append(session.job())
    return Scene("spelled", jobs)


@scene
def often(book, scale):
    """A check every five minutes for two hours, as antivirus programs make them, with a file in the middle."""
    jobs = []
    for check, download, transport in each(book, 1, ("http", "tls"), ("antivirus", "google", "mozilla")):
        # Where one session ends and the next begins is the sensor's affair: what it says of offers is not judged.
        session = Session(book, "often", check, download, transport)
        for number in range(24):
            session.steps.append({"op": "round"})
            session.check()
            if number == 12:
                session.download(size=300_000)
        jobs.append(session.job())
    return Scene("often", jobs, concurrency=100, spread=300)


@scene
def lone(book, scale):
    """Entries whose product has no other one, on hosts of their own or such that serve other things too: a check, or a file."""
    jobs = []
    for family in FAMILIES:
        rows = [row for row in book.rows.endpoints if row.family == family and row.role in ("check", "download") and row.patterns
                and not row.by_volume and not row.alternatives]
        for number in range(round(12 * scale) or 1):
            row = book.random.choice(rows)
            session = Session(book, "lone", row, row, ("http", "tls", "quic", "dns")[number % 4])
            session.facts["offered"] = "yes" if row.role == "download" else NOT_OFFERED
            try:
                session.download() if row.role == "download" else session.check()
            except LookupError:
                continue
            jobs.append(session.job())
    return Scene("lone", jobs)
