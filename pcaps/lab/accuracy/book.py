"""What a seed draws: addresses of names, files on servers, clients; and the steps of one client's session."""

import random

from rows import FAMILIES, Rows, path_for

CLIENTS = [f"198.51.100.{number}" for number in range(10, 250) if number != 80]
SERVERS = [f"203.0.113.{number}" for number in range(2, 254)] + [f"192.0.2.{number}" for number in range(60, 250)]
MOST_PRODUCTS = 12
SPARE_FAMILIES = ("other", "linux", "antivirus", "microsoft", "google")
VISIBLE = ("http", "tls", "quic")


class Book:
    """Everything that one seed draws, before anything runs."""

    def __init__(self, seed, rows=None):
        self.random = random.Random(seed)
        self.rows = rows or Rows()
        self.free = list(SERVERS)
        self.random.shuffle(self.free)
        self.addresses = {}
        self.addresses6 = {}
        self.more_addresses = {}
        self.files = {}
        self.records = ""
        self.used = set()
        self.fixed = {}
        self.pairs, self.spare = {}, []
        for family in FAMILIES:
            self._choose(family)
        self.random.shuffle(self.spare)

    def _choose(self, family):
        """The products of this seed; what is left over is for scenarios that give names an address by themselves."""
        one_product = {}
        pairs = self.rows.pairs(family)
        for pair in self.random.sample(pairs, len(pairs)):
            if self._is_playable(pair):
                one_product.setdefault(pair[0].key, pair)
        chosen = list(one_product.values())
        most = min(MOST_PRODUCTS, len(chosen) if family not in SPARE_FAMILIES else max(1, len(chosen) * 3 // 4))
        self.pairs[family] = chosen[:most]
        self.spare += [pair for pair in chosen[most:] if pair[0].family in SPARE_FAMILIES]

    def _is_playable(self, pair):
        """Whether both entries have a name and a path of their own."""
        try:
            for row, role in zip(pair, ("check", "download")):
                path_for(row, role, random.Random(0))
                self.name_of(row)
        except LookupError:
            return False
        return True

    def name_of(self, endpoint):
        """A name of this entry: one for each entry, so that few addresses are needed."""
        if endpoint.rule not in self.fixed:
            names = self.rows.names(endpoint, self.random)
            if not names:
                raise LookupError(endpoint.rule)
            self.fixed[endpoint.rule] = names[0]
        return self.fixed[endpoint.rule]

    def host(self, name, address=None):
        """Gives a name an address of its own, or this one."""
        if name not in self.addresses:
            self.addresses[name] = address or self.free.pop()
            if address is None and self.random.random() < 0.2 and len(self.free) > 100:
                self.more_addresses[name] = self.free.pop()
            self.addresses6[name] = "2001:db8:113::" + self.addresses[name].replace(".", ":")
        return self.addresses[name]

    def file(self, name, path, size):
        self.files[name, path.split("?")[0]] = size
        return size

    def check_size(self):
        return int(200 * (150 ** self.random.random()))

    def payload_size(self, quick=False):
        """Mostly half a megabyte, now and then many."""
        if not quick and self.random.random() < 0.01:
            return self.random.randrange(5_000_000, 20_000_000)
        return self.random.randrange(400_000, 700_000)

    def client_for(self, scenario, product):
        """A client that has nothing to do with this product in this scenario yet."""
        free = [one for one in CLIENTS if (scenario, one, product) not in self.used]
        client = self.random.choice(free)
        self.used.add((scenario, client, product))
        return client

    def zone(self):
        """One CNAME and one address a name."""
        lines = []
        for number, (name, address) in enumerate(self.addresses.items()):
            target = f"e{number}.edge.example."
            chained = self.random.random() < 0.6
            owner = target if chained else f"{name}."
            if chained:
                lines.append(f"{name}. 300 CNAME {target}")
            lines.append(f"{owner} 20 A {address}\n{owner} 20 AAAA {self.addresses6[name]}")
            if name in self.more_addresses:
                lines.append(f"{owner} 20 A {self.more_addresses[name]}")
        return "\n".join(lines) + "\n"


class Session:
    """One client and one product in one scenario: collects steps."""

    def __init__(self, book, scenario, check, download=None, transport="http", **facts):
        self.book, self.random, self.transport = book, book.random, transport
        self.check_row, self.download_row = check, download
        self.client = facts.pop("client", None) or book.client_for(scenario, check.key)
        self.facts = {"scenario": scenario, "family": check.family, "product": check.key, **facts}
        if self.hides(download) and facts.get("offered") == "yes":
            self.facts["offered"] = ["yes", "unknown"]
        self.ipv6 = False
        self.asks = True
        self.steps = []
        self.options = {}
        self.resolver = {}

    def job(self, delay_s=0.0):
        number = self.client.split(".")[-1]
        return {"client": self.client, "client6": f"2001:db8:100::{number}", "delay_s": delay_s, "facts": self.facts,
                "steps": self.steps}

    def hides(self, row):
        """Whether only a path tells that something is of this entry, and nothing shows the path."""
        return row is not None and row.host is not None and self.transport != "http"

    def row_facts(self, row, is_asked=False):
        hidden = self.hides(row) or (is_asked and row.host is not None)
        return {"rule": row.rule, "endpoint_role": row.role, **({"expect": "cannot_tell"} if hidden else {})}

    def ask(self, row, **more):
        name = self.book.name_of(row)
        self.book.host(name)
        kinds = self.random.choice([["A"], ["A", "AAAA"], ["AAAA", "A"]]) if not self.ipv6 else ["AAAA", "A"]
        step = {"op": "ask", "name": name, "types": kinds, "client": self.client, **self.row_facts(row, is_asked=True), **self.resolver, **more}
        if self.ipv6:
            step |= {"resolver": "2001:db8:53::53"}
        self.steps.append(step)

    def wait(self, seconds):
        self.steps.append({"op": "wait", "seconds": seconds})

    def reach(self, row, path, size, role, **more):
        """A transfer from this entry."""
        name = self.book.name_of(row)
        self.book.host(name)
        self.book.file(name, path, size)
        if self.asks:
            self.ask(row)
        step = {"op": "get", "name": name, "path": path, "size": size, "role": role, "transport": self.transport,
                "tool": self.tool(more), **self.row_facts(row), **self.options, **more}
        if not self.asks and "address" not in step:
            addresses = self.book.addresses6 if self.ipv6 else self.book.addresses
            step["address"] = addresses[name]
        if self.ipv6:
            step["ipv6"] = True
        if self.transport == "tls" and "tls" not in step:
            step["tls"] = self.random.choice(["1.2", "1.3"])
        if row.entry_of(path):
            step["by_path"] = True
        self.steps.append(step)

    def tool(self, more):
        by_hand = {"keep", "stop_after", "host", "sni", "local_port"} & set(more)
        if self.transport == "quic":
            return "aioquic" if self.random.random() < 0.1 else "quic"
        return "python" if self.transport == "dns" or by_hand or self.random.random() < 0.4 else "curl"

    def check(self, size=None, **more):
        row = self.check_row
        path, _ = path_for(row, "check", self.random)
        self.reach(row, path, size or self.book.check_size(), "check", **more)

    def download(self, size=None, **more):
        row = self.download_row
        path, payloads = path_for(row, "download", self.random)
        size = size or self.book.payload_size(quick=self.transport in ("quic", "dns"))
        self.reach(row, path, size, "download", payloads=payloads, **more)
        return path, size, payloads
