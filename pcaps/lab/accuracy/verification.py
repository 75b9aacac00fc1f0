"""`make learn`: verification hosts beside ordinary ones, and how much of what they fetched `patchspan learn` finds.

verification.py --program PATCHSPAN --out DIR [--seed N...] [--made] [--products N] [--rounds N] [--least SCORE]

One host updates itself: it checks products at intervals of their own, and now and then fetches something. Another one is updated by
hand: what was started is written to an actions file. Both have telemetry, connectivity checks and now and then a page of a browser, as
ordinary hosts beside them do, which also update themselves. The rules of the vendors that are played on the verification hosts are left
out of the catalogue, but for two products. Prints a JSON object a seed: recall and precision at the threshold, what was missed and what
was wrong; and the sum.

Without more, it is played in network namespaces (as root; ten minutes a seed) and the capture is learned from. With `--made`, the same
plan becomes the records that a replay would write, without a network: seconds a seed. With `--again`, what an earlier run left in DIR is
judged anew.
"""

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import hard  # noqa: E402
from book import CLIENTS, Book, Session  # noqa: E402
from world import World  # noqa: E402

AUTO, MANUAL, OTHERS = CLIENTS[0], CLIENTS[1], CLIENTS[2:14]
NO_UPDATES = HERE.parents[2] / "tests" / "catalogue" / "no-updates.txt"
# A round of the play is so long in the capture.
ROUND_S = 600
TRANSPORTS = ("http", "tls", "tls", "tls")
KNOWN = 2
AGENTS = {"update": "Client/1.0", "noise": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"}
# What pages are made of on plain HTTP, with sizes.
PARTS = ["index.html", "style.css", "app.js", "photo.jpg", "logo.png", "data.json", "film.mp4"]


class Play:
    """What each host does in each round."""

    def __init__(self, seed, products, rounds):
        self.book = Book(seed)
        self.random, self.rounds = self.book.random, rounds
        self.steps = {client: [[] for _ in range(rounds)] for client in (AUTO, MANUAL, *OTHERS)}
        self.actions, self.names = [], {}
        self.shared = [self.book.free.pop() for _ in range(40)]
        pairs = [pair for family in self.book.pairs.values() for pair in family if pair[0].host is None and pair[1].host is None]
        self.random.shuffle(pairs)
        self.chosen = pairs[:products]
        known = {pair[0].vendor for pair in self.chosen[:KNOWN]}
        self.known = [pair for pair in self.chosen if pair[0].vendor in known]
        self.vendors = sorted({pair[0].vendor for pair in self.chosen} - known)
        self.noise = [line.split()[0] for line in NO_UPDATES.read_text().splitlines() if line.strip() and not line.startswith("#")]
        self.noise = [name for name in self.noise if name.isascii() and name == name.lower() and "_" not in name]
        sites = [f"www.site{number}.example" for number in range(60)]
        self.pages = self.random.sample(self.noise, 260) + sites
        for pair in self.chosen:
            self.product(pair)
        for client in self.steps:
            self.browsing(client, 0.12 if client in (AUTO, MANUAL) else 0.5)
            self.telemetry(client)

    def product(self, pair):
        transport = self.random.choice(TRANSPORTS)
        period, phase = self.random.randrange(6, 40), self.random.randrange(6)
        every = range(phase, self.rounds, period)
        found = set(self.random.sample(list(every), max(1, len(every) // 4)))
        for number in every:
            self.update(AUTO, min(self.rounds - 1, number + self.random.randrange(2)), pair, transport, number in found)
        product = pair[0].key
        for number in self.random.sample(range(self.rounds), 3):
            self.actions.append((number, self.random.randrange(5, 60), product))
            # By hand there is nearly always something, and the last one brings it in any case.
            self.update(MANUAL, number, pair, transport, self.random.random() < 0.7 or number == self.actions[-1][0])
        for client in self.random.sample(OTHERS, self.random.choice([0, 0, 1, 4])):
            self.update(client, self.random.randrange(self.rounds), pair, transport, self.random.random() < 0.5)

    def update(self, client, number, pair, transport, fetches):
        session = Session(self.book, "learn", *pair, transport, client=client)
        session.options = {"agent": AGENTS["update"]}
        session.check()
        if fetches:
            session.download(size=self.random.randrange(300_000, 900_000))
        for step in session.steps:
            self.steps[client][number].append({**session.facts, **step})
            if step["op"] == "get" and client in (AUTO, MANUAL) and pair not in self.known:
                self.names.setdefault(step["name"], set()).add(step["role"])

    def visit(self, client, number, name, part, size, method="GET"):
        self.book.host(name, self.random.choice(self.shared))
        path = f"/{part}"
        self.book.file(name, path, size)
        transport = self.random.choice(("http", "tls", "tls"))
        self.steps[client][number] += [
            {"op": "ask", "name": name, "types": ["A"]},
            {"op": "get", "name": name, "path": path, "size": size, "transport": transport, "tool": "python", "agent": AGENTS["noise"],
             "method": method}]

    def browsing(self, client, share):
        for number in range(self.rounds):
            if self.random.random() < share:
                for _ in range(self.random.randrange(3, 16)):
                    # Some names are on many pages.
                    name = self.pages[int(len(self.pages) * self.random.random() ** 2)]
                    part = self.random.choice(PARTS)
                    size = self.random.choice([900, 4_000, 20_000, 60_000, 700_000 if part == "film.mp4" else 30_000])
                    self.visit(client, number, name, part, size)

    def telemetry(self, client):
        """Names that are asked for at intervals, without a person."""
        for name in self.random.sample(self.noise, 8):
            period = self.random.randrange(3, 40)
            for number in range(self.random.randrange(period), self.rounds, period):
                self.visit(client, number, name, "data.json", self.random.choice([200, 1_000, 3_000]))

    def jobs(self):
        jobs = []
        for client, rounds in self.steps.items():
            steps = []
            for one in rounds:
                steps += [{"op": "round"}, *one]
            jobs.append({"client": client, "client6": f"2001:db8:100::{client.split('.')[-1]}", "delay_s": 0, "facts": {}, "steps": steps})
        return jobs


def main():
    options = arguments()
    total = {"endpoints": 0, "found": 0, "proposed": 0, "right": 0, "role_right": 0}
    for seed in options.seed:
        out = Path(options.out) / str(seed)
        out.mkdir(parents=True, exist_ok=True)
        if not options.again:
            play = Play(seed, options.products, options.rounds)
            (made if options.made else played)(play, out)
        result = judged(options.program, out, options.least)
        print(json.dumps({"seed": seed, **result}, indent=1), flush=True)
        total = {key: value + result[key] for key, value in total.items()}
    shares = {"recall": share(total["found"], total["endpoints"]), "precision": share(total["right"], total["proposed"])}
    print(json.dumps({"sum": total, **shares}))


def share(part, whole):
    return round(part / whole, 4) if whole else None


def played(play, out):
    """In network namespaces."""
    capture = out / "verification.pcap"
    with World(play.book) as world:
        with world.capture(capture):
            log = world.play(play.jobs(), len(play.steps), limit_s=2400)
    begun = [line["start"] for line in log if line["op"] == "round"]
    hard.spread_out(capture, hard.moved_by(begun, ROUND_S))
    told(play, out, begun[0], sum(line["op"] == "failed" for line in log))


def made(play, out):
    """As the records of a replay, in the order of their times."""
    begun, lines, number = 1_795_000_000, [], 0
    for client, rounds in play.steps.items():
        for at, steps in enumerate(rounds):
            now = begun + at * ROUND_S + play.random.random()
            for step in steps:
                number += 1
                now += step.get("seconds", play.random.random() * 0.3)
                lines += [(now, line) for line in records(play.book, client, step, now, number)]
    with open(out / "verification.jsonl", "w") as file:
        for _, line in sorted(lines, key=lambda one: one[0]):
            file.write(json.dumps(line) + "\n")
    told(play, out, begun, 0)


def records(book, client, step, now, number):
    """What a replay writes of a question or a transfer."""
    if step["op"] == "wait":
        return []
    name, time = step["name"], f"{datetime.datetime.fromtimestamp(now, datetime.UTC):%Y-%m-%dT%H:%M:%S.%f}+0000"
    target = f"e{list(book.addresses).index(name)}.edge.example"
    chain = [name, target] if sum(name.encode()) % 5 < 3 else [name]
    ends = {"timestamp": time, "flow_id": number, "src_ip": client, "dest_ip": book.addresses[name], "proto": "TCP"}
    if step["op"] == "ask":
        answers = [{"rrname": name, "rrtype": "CNAME", "ttl": 300, "rdata": target}] if len(chain) > 1 else []
        answers.append({"rrname": chain[-1], "rrtype": "A", "ttl": 20, "rdata": book.addresses[name]})
        dns = {"type": "response", "rcode": "NOERROR", "queries": [{"rrname": name, "rrtype": "A"}], "answers": answers}
        return [{**ends, "event_type": "dns", "src_ip": "192.0.2.53", "dest_ip": client, "dns": dns}]
    source = step["transport"]
    over = 300 if source == "http" else 3_000
    flow = {**ends, "event_type": "flow", "flow": {"start": time, "end": time},
            "patchspan": {"handshake": "complete", "fqdn": {"name": name, "source": source, "corroborated": True, "chain": chain},
                          "delivered": {"toserver": over + 200, "toclient": step["size"] + over}}}
    if source != "http":
        return [{**ends, "event_type": "tls", "tls": {"sni": name, "version": "TLS 1.3"}}, flow]
    http = {"hostname": name, "url": step["path"], "http_user_agent": step.get("agent", ""), "http_method": "GET", "status": 200,
            "length": step["size"], "http_content_type": "application/octet-stream"}
    return [{**ends, "event_type": "http", "http": http}, flow]


def told(play, out, begun, failed):
    """The actions file, and the truth."""
    with open(out / "actions.csv", "w") as file:
        file.write("time,host,what\n")
        for number, before, what in sorted(play.actions):
            start = datetime.datetime.fromtimestamp(begun + number * ROUND_S - before, datetime.UTC)
            file.write(f"{start:%Y-%m-%dT%H:%M:%SZ},{MANUAL},{what}\n")
    truth = {"auto": AUTO, "manual": MANUAL, "without": play.vendors, "failed": failed,
             "names": {name: sorted(roles) for name, roles in sorted(play.names.items())}}
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


def judged(program, out, least=None):
    """Recall and precision of what is learned."""
    truth = json.loads((out / "truth.json").read_text())
    (source,) = out.glob("verification.*")
    command = [program, "learn", "--auto", truth["auto"], "--manual", truth["manual"], "--actions", out / "actions.csv", "--format", "json",
               "--without", ",".join(truth["without"]), source]
    threshold = least if least is not None else learned_by(command)["least"]
    learned = learned_by([*command, "--least", "-1000"])
    proposed = [one for one in learned["candidates"] if one["score"] >= threshold]
    found = {name for one in proposed for name in one["names"]}
    right = [one for one in proposed if set(one["names"]) & set(truth["names"])]
    roles = [one for one in right if one["role"] in {role for name in one["names"] for role in truth["names"].get(name, [])} or one["by_volume"]]
    scores = {name: (one["score"], [f"{e['points']:+} {e['what']}" for e in one["evidence"]]) for one in learned["candidates"] for name in one["names"]}
    return {"endpoints": len(truth["names"]), "found": len(found & set(truth["names"])), "proposed": len(proposed), "right": len(right),
            "role_right": len(roles), "candidates": len(learned["candidates"]), "failed": truth["failed"],
            "missed": {name: scores.get(name) for name in truth["names"] if name not in found},
            "wrong": {one["pattern"]: scores[one["names"][0]] for one in proposed if one not in right},
            "least_right": min((scores[name][0] for name in truth["names"] if name in scores), default=None)}


def learned_by(command):
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["learn"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--made", action="store_true", help="make records without a network")
    parser.add_argument("--products", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=90)
    parser.add_argument("--again", action="store_true", help="judge what an earlier run left in DIR")
    parser.add_argument("--least", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    main()
