"""Real apt-get: `update` alone, `update` and an upgrade, `update` twice; each host has a repository below one archive's name."""

import time
from types import SimpleNamespace

import told
from scenarios_apt import ARCHIVE, AptSystem
from servers import RESOLVER_IPV4

KINDS = {"update": ["no", "unknown"], "upgrade": "yes", "again": ["no", "unknown"]}


def prepare(world, count):
    """So many hosts with an apt of their own."""
    systems = []
    for number in range(count):
        client = world.campus_host(f"apt{number}", f"198.51.100.{250 + number}")
        client.use_resolver(RESOLVER_IPV4)
        world.mirror(client)
        root, directory = world.root / ARCHIVE / f"r{number}", world.directory / f"apt{number}"
        root.mkdir(parents=True)
        directory.mkdir()
        system = AptSystem(SimpleNamespace(client=client, root=root, directory=directory))
        sources = system.directory / "etc/sources.list"
        sources.write_text(sources.read_text().replace(f"{ARCHIVE}/debian", f"{ARCHIVE}/r{number}/debian"))
        systems.append((client, system, list(KINDS)[number % len(KINDS)]))
    return systems


def play(world, systems):
    """Runs each; gives the log, by what the server says it gave."""
    since = time.time()
    for _, system, kind in systems:
        system.get("update")
        if kind == "upgrade":
            system.get("install", "--download-only", "--yes", "sample-tool", "sample-library")
        if kind == "again":
            system.get("update")
    # nginx writes its log when a request has ended.
    time.sleep(0.2)
    facts = {client.ipv4[0]: KINDS[kind] for client, _, kind in systems}
    requests = [one for one in world.nginx.requests() if one["start"] >= since - 0.01]
    return list(told.of_server(requests, world.book.rows, "apt", facts))
