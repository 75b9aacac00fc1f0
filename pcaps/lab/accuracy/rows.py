"""Rows of the catalogue to play: names, roles and paths, drawn from a random source.

Reads catalogue/*.toml by itself, with its own few lines for patterns, so that what is played does not rest on the program under test.
"""

import re
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path

CATALOGUE = Path(__file__).resolve().parents[3] / "catalogue"
ANTIVIRUS = {"avira", "bitdefender", "clamav", "crowdstrike", "emsisoft", "eset", "gen-digital", "kaspersky", "malwarebytes",
             "panda-watchguard", "sophos", "superantispyware", "trellix", "trend-micro", "withsecure-f-secure", "broadcom"}
LINUX = {"almalinux", "alpine-linux", "arch-linux", "canonical", "centos", "debian", "fedora", "gentoo", "kali", "linux-mint",
         "raspberry-pi", "red-hat", "rocky-linux", "suse", "japanese-mirrors"}
OWN_FAMILIES = ("microsoft", "apple", "google", "mozilla", "adobe")
FAMILIES = (*OWN_FAMILIES, "antivirus", "linux", "other")
THRESHOLD = 262_144


@dataclass
class Endpoint:
    """One entry of the catalogue."""

    vendor: str
    product: str
    id: str
    role: str
    patterns: list
    by_volume: bool = False
    shared_host: bool = False
    paths: list = field(default_factory=list)
    alternatives: list = field(default_factory=list)
    # The entry whose names it has: its own requests are told by the paths there.
    host: object = None

    @property
    def key(self):
        return f"{self.vendor}/{self.product}"

    @property
    def rule(self):
        return f"{self.key}/{self.id}"

    @property
    def family(self):
        return family_of(self.vendor)

    def entry_of(self, path, agent=""):
        """The first entry of `paths` that a request on plain HTTP matches, or `None`."""
        path = path.split("?")[0]
        for entry in self.paths:
            path_fits = fits(path, entry["path"]) if "path" in entry else True
            agent_fits = fits(agent, entry["agent"]) if "agent" in entry else True
            if path_fits and agent_fits:
                return entry
        return None

    def role_of(self, path):
        """The role of a request on plain HTTP: that of the first entry that fits, else the endpoint's."""
        entry = self.entry_of(path)
        return entry["role"] if entry else self.role

    def keeps(self, path, role):
        """Whether such a request has this role, and belongs to this endpoint and no other."""
        entry = self.entry_of(path)
        belongs = entry["rule"] if entry and "rule" in entry else (self.host or self).rule
        return self.role_of(path) == role and belongs == self.rule


def fits(text, pattern):
    """A pattern in which a star stands for anything."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text, re.DOTALL) is not None


def family_of(vendor):
    if vendor in OWN_FAMILIES:
        return vendor
    return "antivirus" if vendor in ANTIVIRUS else "linux" if vendor in LINUX else "other"


class Rows:
    """The whole catalogue."""

    def __init__(self, directory=CATALOGUE):
        self.endpoints = []
        for path in sorted(Path(directory).glob("*.toml")):
            data = tomllib.loads(path.read_text())
            for product in data.get("product", []):
                for row in product.get("endpoint", []):
                    known = {key: row[key] for key in ("by_volume", "shared_host", "paths", "alternatives") if key in row}
                    self.endpoints.append(Endpoint(data["vendor"]["id"], product["id"], row["id"], row["role"],
                                                   row.get("patterns", []), **known))
        self._exact, self._globs, self._suffixes = {}, [], {}
        for endpoint in self.endpoints:
            for pattern in endpoint.patterns:
                self._learn(pattern, endpoint)
        self._globs.sort(key=lambda glob: -glob[0])

    def _learn(self, pattern, endpoint):
        if pattern.startswith("*.") and "*" not in pattern[2:]:
            self._suffixes[pattern[2:]] = endpoint
        elif "*" in pattern:
            text = re.escape(pattern).replace(r"\*", "[^.]*")
            self._globs.append((len(pattern.replace("*", "")), re.compile(text), endpoint))
        else:
            self._exact[pattern] = endpoint

    def find(self, name):
        """The entry that a name belongs to: exact, then the glob with most letters, then the longest suffix."""
        if name in self._exact:
            return self._exact[name]
        for _, glob, endpoint in self._globs:
            if glob.fullmatch(name):
                return endpoint
        labels = name.split(".")
        for start in range(1, len(labels)):
            found = self._suffixes.get(".".join(labels[start:]))
            if found:
                return found
        return None

    def at_host(self, endpoint):
        """An entry without names, at a host whose paths lead to it."""
        for host in self.endpoints:
            if host.patterns and any(entry.get("rule") == endpoint.rule and entry["role"] == endpoint.role for entry in host.paths):
                return replace(endpoint, patterns=host.patterns, paths=host.paths, host=host)
        return endpoint

    def names(self, endpoint, random, most=3):
        """Names that lead to this entry and no other."""
        found = []
        for pattern in random.sample(endpoint.patterns, len(endpoint.patterns)):
            word = random.choice(["a", "eu1", "dl-7", "cdn2", "1"])
            name = f"{word}.{pattern[2:]}" if pattern.startswith("*.") else pattern.replace("*", random.choice(["", "1"]))
            leads = self.find(name) is (endpoint.host or endpoint)
            if leads and ".." not in name and not name.startswith(".") and name not in found:
                found.append(name)
        return found[:most]

    def pairs(self, family, shared_host=False):
        """Products of a family as (check entry, download entry), where one entry may be both."""
        by_product = {}
        for endpoint in self.endpoints:
            endpoint = endpoint if endpoint.patterns else self.at_host(endpoint)
            is_plain = not endpoint.alternatives and endpoint.patterns
            if endpoint.family == family and is_plain and (shared_host or not endpoint.shared_host):
                by_product.setdefault(endpoint.key, []).append(endpoint)
        pairs = []
        for endpoints in by_product.values():
            checks = [one for one in endpoints if one.role == "check"]
            downloads = [one for one in endpoints if one.role == "download"]
            pairs += [(check, download) for check in checks if not check.by_volume for download in downloads]
            pairs += [(check, check) for check in checks if check.by_volume]
        return pairs


def path_for(endpoint, role, random):
    """A path that such a request has at this entry, and its payload ids; raises `LookupError` where the entry knows none."""
    for _ in range(40):
        path, payloads = payload_path(endpoint, random) if role == "download" else (check_path(endpoint, random), [])
        if endpoint.keeps(path, role):
            return path, payloads
    for entry in endpoint.paths:
        path = entry.get("path", "*").replace("*", f"/x{random.randrange(10**6)}/")
        path = re.sub("/+", "/", path if path.startswith("/") else f"/{path}")
        path += "index" if path.endswith("/") else ""
        if endpoint.keeps(path, role):
            return path, []
    raise LookupError(f"{endpoint.rule}: no path for {role}")


def check_path(endpoint, random):
    """A path as a check has it; at entries with paths, one that they call a check."""
    number = random.randrange(10**6)
    if endpoint.paths:
        return random.choice([f"/debian/dists/stable-{number}/InRelease", f"/x/dists/s{number}/main/binary-amd64/Packages.xz",
                              f"/linux/{number}/repodata/repomd.xml"])
    return random.choice({
        "microsoft": [f"/v6/ClientWebService/client-{number}.asmx", f"/SelfUpdate/WSUS3/x64/{number}/wuident.xml"],
        "mozilla": [f"/update/6/Firefox/128.{number}/20260101000000/WINNT_x86_64/en-US/release/update.xml"],
        "apple": [f"/content/catalogs/others/index-{number}.merged-1.sucatalog", f"/v2/assets-{number}"],
        "google": [f"/service/update2/json-{number}?cup2key=1:2"],
    }.get(endpoint.vendor, [f"/update/{number}/version.xml", f"/latest/{number}.json?v=1.2.3", f"/sig/{number}/manifest.ver"]))


def payload_path(endpoint, random):
    """A path as an update's file has it, and its payload ids."""
    number = random.randrange(10**6, 10**7)
    if endpoint.paths:
        return random.choice([
            (f"/debian/pool/main/t/tool/tool-{number}_1.{number}-2_amd64.deb", [("deb", f"tool-{number}_1.{number}-2_amd64")]),
            (f"/pub/pool/u/unit_{number}%2b1_all.deb", [("deb", f"unit_{number}+1_all")]),
            (f"/releases/40/Packages/z/zlib-{number}.fc40.x86_64.rpm", [("rpm", f"zlib-{number}.fc40.x86_64")]),
        ])
    kinds = {
        "microsoft": [
            (f"/c/msdownload/update/software/secu/2026/08/windows10.0-kb{number}-x64_{number:040x}.cab", [("kb", f"KB{number}")]),
            (f"/d/msdownload/update/software/updt/2026/01/Windows11.0-KB{number}-arm64.msu", [("kb", f"KB{number}")]),
            (f"/filestreamingservice/files/3d6a1f0e-5b7c-4c1d-9e2f-{number:012x}?P1=1795600000&P2=404",
             [("delivery_optimization", f"3d6a1f0e-5b7c-4c1d-9e2f-{number:012x}")]),
        ],
        "mozilla": [(f"/pub/firefox/releases/{number}/update/win64/ja/firefox-{number}.complete.mar",
                     [("mar", f"firefox-{number}.complete")])],
        "apple": [(f"/content/downloads/{number}/macOSUpd-{number}.pkg", []), (f"/{number}/com_apple_update.zip", [])],
        "google": [(f"/edgedl/release2/chrome/{number}_chrome_installer.exe", []), (f"/edgedl/{number}.crx3", [])],
        "adobe": [(f"/pub/adobe/reader/win/AcrobatDC/{number}/AcroRdrDCUpd{number}.msp", [])],
    }
    return random.choice(kinds.get(endpoint.vendor, [
        (f"/updates/{number}/setup-{number}.exe", []), (f"/defs/{number}/full-{number}.vdb", []), (f"/dl/{number}.zip?x=1", [])]))
