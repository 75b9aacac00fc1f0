"""The scenarios of `make accuracy`: each draws the jobs of its clients from a book."""

from book import Session
from rows import FAMILIES, THRESHOLD

ALL = []
TRANSPORTS = ("http", "tls", "quic", "dns")
NOT_OFFERED = ["no", "unknown"]
UNTOLD = ["yes", "unknown"]


class Scene:
    """One scenario: its jobs, and how its capture is made."""

    def __init__(self, name, jobs, concurrency=16, **options):
        self.name, self.jobs, self.concurrency, self.options = name, jobs, concurrency, options


def scene(function):
    """Marks a function `(book, scale) -> Scene`."""
    ALL.append(function)
    return function


def each(book, count, transports=TRANSPORTS, families=FAMILIES):
    """So many draws of (check entry, download entry, transport) for each transport and each family that has products to play."""
    for family in [family for family in families if book.pairs[family]]:
        for transport in transports:
            # A check that only its path tells shows nothing behind encryption.
            pairs = [pair for pair in book.pairs[family] if transport == "http" or pair[0].host is None]
            for number in range(count if pairs else 0):
                yield *pairs[(number + book.random.randrange(len(pairs))) % len(pairs)], transport


@scene
def fetched(book, scale):
    """Check, then the file."""
    jobs = []
    for check, download, transport in each(book, round(22 * scale)):
        session = Session(book, "fetched", check, download, transport, offered="yes")
        session.check()
        session.wait(round(book.random.random() * 0.4, 2))
        session.download()
        jobs.append(session.job(book.random.random()))
    return Scene("fetched", jobs)


@scene
def check_only(book, scale):
    """A check that finds nothing."""
    jobs = []
    for check, _, transport in each(book, round(7 * scale)):
        session = Session(book, "check-only", check, None, transport, offered=NOT_OFFERED)
        session.check()
        jobs.append(session.job())
    return Scene("check-only", jobs)


@scene
def ignored(book, scale):
    """A check that finds something, which is not fetched: its name may be asked for, or nothing shows it."""
    jobs = []
    for number, (check, download, transport) in enumerate(each(book, round(4 * scale))):
        asks = number % 2 == 0 and check is not download and download.host is None
        session = Session(book, "ignored", check, download, transport, offered="yes" if asks else UNTOLD)
        session.check()
        if asks:
            session.ask(download)
        jobs.append(session.job())
    return Scene("ignored", jobs)


@scene
def ipv6(book, scale):
    """Everything over IPv6."""
    jobs = []
    for check, download, transport in each(book, round(3 * scale)):
        session = Session(book, "ipv6", check, download, transport, offered="yes")
        session.ipv6 = True
        session.check()
        session.download()
        job = session.job()
        job["client"] = job["client6"]
        jobs.append(job)
    return Scene("ipv6", jobs)


@scene
def resumed(book, scale):
    """A file in ranges, over several connections, the first of which may break off."""
    jobs = []
    for check, download, transport in each(book, round(5 * scale), ("http",)):
        session = Session(book, "resumed", check, download, transport, offered="yes")
        session.check()
        if book.random.random() < 0.5:
            path, size, payloads = session.download(stop_after=150_000)
            session.steps[-1]["method"] = "GET"
            rest = {"range": f"150000-{size - 1}", "from": 150_000}
            session.reach(download, path, size, "download", payloads=payloads, **rest)
        else:
            in_pieces(session, download, book.random.randrange(2, 6))
        jobs.append(session.job())
    return Scene("resumed", jobs)


def in_pieces(session, download, count):
    path, size, payloads = session.download()
    step = session.steps.pop()
    piece = size // count + 1
    order = list(range(count))
    session.random.shuffle(order)
    for number in order:
        last = min(size, (number + 1) * piece) - 1
        session.steps.append({**step, "range": f"{number * piece}-{last}", "from": number * piece, "tool": "curl"})


@scene
def aborted(book, scale):
    """A file that the client gives up."""
    jobs = []
    for check, download, transport in each(book, round(4 * scale), ("http", "tls", "dns")):
        taken = book.random.choice([60_000, 400_000, 700_000])
        hidden = check is download and transport != "http" and taken < THRESHOLD
        session = Session(book, "aborted", check, download, transport, offered=UNTOLD if hidden else "yes")
        session.check()
        # A system takes in more than its program reads: the little one stays below the threshold whatever it takes.
        session.download(size=200_000 if taken < THRESHOLD and transport != "http" else 1_500_000, stop_after=taken)
        jobs.append(session.job())
    return Scene("aborted", jobs)


@scene
def revalidated(book, scale):
    """A check that is answered 304; now and then the file too."""
    jobs = []
    since = ["If-Modified-Since: Fri, 01 Jan 2038 00:00:00 GMT"]
    for number, (check, download, transport) in enumerate(each(book, round(5 * scale), ("http",))):
        too = number % 4 == 0
        session = Session(book, "revalidated", check, download, transport, offered=UNTOLD if too else "no")
        session.check(headers=since)
        if too:
            session.download(headers=since)
        jobs.append(session.job())
    return Scene("revalidated", jobs)


@scene
def kept(book, scale):
    """One connection carries check and file."""
    jobs = []
    pairs = [pair for pair in book.pairs["linux"] if pair[0] is pair[1]]
    for number in range(round(24 * scale)):
        check, download = pairs[number % len(pairs)]
        transport = ("http", "tls")[number % 2]
        session = Session(book, "kept", check, download, transport, offered="yes")
        session.check(keep="one")
        if transport == "tls":
            session.steps[-1]["expect"] = "may"
        session.asks = False
        session.download(keep="one")
        jobs.append(session.job())
    return Scene("kept", jobs)


@scene
def unasked(book, scale):
    """The questions came before the capture, or went another way: encrypted, or to a resolver that is not mirrored."""
    jobs = []
    for check, download, transport in each(book, round(2 * scale)):
        expect = {"expect": "cannot_tell"} if transport == "dns" else {}
        session = Session(book, "unasked", check, download, transport, offered="yes", **expect)
        session.asks = False
        session.check()
        session.download()
        jobs.append(session.job())
    return Scene("unasked", jobs)


@scene
def crowd(book, scale):
    """Two hundred clients at once."""
    jobs = []
    for number in range(round(200 * scale)):
        families = [family for family in FAMILIES if book.pairs[family]]
        check, download = book.random.choice(book.pairs[families[number % len(families)]])
        transport = "http" if check.host else ("http", "tls")[number // len(families) % 2]
        session = Session(book, "crowd", check, download, transport, offered="yes")
        session.check()
        session.download(size=400_000)
        jobs.append(session.job())
    return Scene("crowd", jobs, concurrency=200)
