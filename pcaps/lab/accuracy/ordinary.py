"""Ordinary traffic without updates: whatever a sensor calls `downloaded` in it is wrong.

ordinary.py --program PATCHSPAN --out DIR [--seed N] [--flows N]

Browsing, video, development, telemetry and games: a third of the connections go to names of the catalogue, in other roles than download,
on hosts that also serve what is no update, or over plain HTTP with paths that no rule names. Prints one JSON object: connections by
kind, and every access that was called a download.
"""

import argparse
import collections
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from book import CLIENTS, Book  # noqa: E402
from http3 import PYTHON  # noqa: E402
from world import World  # noqa: E402

SIZES = [1_000, 1_500, 2_500, 4_000, 6_000, 10_000, 16_000, 25_000, 40_000, 90_000, 200_000, 300_000, 500_000, 900_000, 2_000_000,
         5_000_000, 12_000_000, 50_000_000]
SITE = """server {{ listen 80 default_server backlog=4096; listen [::]:80 default_server; listen 443 ssl default_server backlog=4096;
 listen [::]:443 ssl default_server; ssl_certificate {certificate}; ssl_certificate_key {key};
 ssl_protocols TLSv1.2 TLSv1.3; root {root}/sizes; keepalive_timeout 5; access_log off;
 location / {{ try_files /$http_x_size =404; }} }}"""
# Connections of one capture: its file is deleted once it was replayed.
PART = 30_000
PAGES = ["/", "/index.html", "/images/hero.png", "/static/app.js", "/news/2026/11/article.html", "/favicon.ico", "/api/v1/items?page=2",
         "/video/segment-00017.ts", "/downloads.html", "/docs/guide.pdf", "/fonts/noto.woff2", "/about"]


def names_of(book, kind, most):
    """Names of the catalogue for one kind of traffic, each with the paths that it is asked for over plain HTTP."""
    rows, random = book.rows, book.random
    takes = {
        "other-role": lambda row: row.role in ("check", "metadata", "connectivity", "revocation", "ignore") and not row.by_volume
        and not row.shared_host,
        "shared-host": lambda row: row.shared_host,
        "unnamed-path": lambda row: row.by_volume and not row.shared_host,
    }[kind]
    found = []
    endpoints = [row for row in rows.endpoints if takes(row)]
    for row in random.sample(endpoints, min(most, len(endpoints))):
        for name in rows.names(row, random, 1):
            paths = [path for path in PAGES if not row.entry_of(path)]
            if not paths:
                continue
            found.append({"name": name, "kind": kind, "paths": paths, "rule": row.rule, "role": row.role})
    return found


def draw(book):
    """Every name with its kind, its address and the transports that it is used over."""
    names = [{"name": f"www.site{number}.example", "kind": "unrelated", "paths": PAGES} for number in range(100)]
    for kind, most in (("other-role", 100), ("shared-host", 80), ("unnamed-path", 30)):
        names += names_of(book, kind, most)
    shared = [book.free.pop() for _ in range(12)]
    for one in names:
        one["address"] = book.host(one["name"], book.random.choice(shared) if book.random.random() < 0.3 else None)
        one["tls"] = {"unnamed-path": 0.0, "unrelated": 0.6}.get(one["kind"], 0.5)
    return names


def main():
    options = arguments()
    book = Book(options.seed)
    names = draw(book)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    total, violations = collections.Counter(), []
    with World(book, SITE) as world:
        sizes = world.root / "sizes"
        sizes.mkdir(parents=True)
        for size in SIZES:
            with open(sizes / str(size), "wb") as file:
                file.truncate(size)
        for part in range(0, options.flows, PART):
            flows = min(PART, options.flows - part)
            counts, found = one(world, names, out, options, part, flows)
            total.update(counts)
            violations += found
            print(json.dumps({"part": part, "counts": counts, "downloads": len(found)}), file=sys.stderr, flush=True)
    by_confidence = collections.Counter(f"{one['confidence']}" for one in violations)
    print(json.dumps({"connections": sum(value for key, value in total.items() if "/" not in key), "counts": total,
                      "downloaded": by_confidence, "violations": violations}, indent=1))


def one(world, names, out, options, part, flows):
    """One capture: plays, replays, and gives the connections by kind and what was called a download."""
    plan = world.directory / "ordinary.json"
    plan.write_text(json.dumps({"names": names, "clients": CLIENTS, "sizes": SIZES, "flows": flows, "seed": options.seed * 1000 + part}))
    capture = out / "ordinary.pcap"
    with world.capture(capture):
        printed = world.clients.run([PYTHON, HERE / "browse.py", plan], limit_s=580)
    counts = json.loads(printed.splitlines()[-1])
    kinds = {one["name"]: one["kind"] for one in names}
    done = subprocess.run([options.program, "replay", "--events", "update", str(capture)], stdout=subprocess.PIPE, check=True)
    found = []
    for line in done.stdout.splitlines():
        update = json.loads(line)["update"]
        if update["verdict"] in ("downloaded", "downloading", "partial") and update["final"]:
            keep = ("client", "fqdn", "rule", "role", "verdict", "confidence", "name_source", "evidence", "delivered_toclient", "start")
            found.append({**{key: update.get(key) for key in keep}, "kind": kinds.get(update["fqdn"])})
    if options.keep and found:
        capture.rename(out / f"ordinary-{part}.pcap")
    capture.unlink(missing_ok=True)
    return counts, found


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flows", type=int, default=300_000)
    parser.add_argument("--keep", action="store_true", help="keep captures in which something was called a download")
    return parser.parse_args()


if __name__ == "__main__":
    main()
