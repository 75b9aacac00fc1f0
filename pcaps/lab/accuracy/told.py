"""Logs of other programs, as lines of the form that `truth.py` reads: truth files of stored captures, apt-get by the server's log."""

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

PCAPS = Path(__file__).resolve().parents[2]
# Stored captures in which real programs act and the mirror shows both directions: browsers, apt-get, encrypted names and questions.
STORED = {
    "apt": "yes", "apt-unchanged": "no", "chromium-tcp": None, "chromium-quic": None, "curl-http": None,
    "curl-tls12": None, "curl-tls13": None, "ech": None, "ech-quic": None, "ech-grease": None, "doh-curl": None, "dot": None,
    "firefox": None, "firefox-quic": None, "wget": None, "windows-update": None, "windows-unchanged": None,
    "http-keepalive": None, "http-pipelined": None, "http-chunked": None, "retransmitted": None, "reordered": None, "doubled": None,
    "dns-tcp": None, "dnssec": None, "vlan": None, "qinq": None, "tls-resumption": None,
}


def stored(rows):
    """(capture, log) of each stored capture."""
    for name, offered in STORED.items():
        (capture,) = [path for path in PCAPS.glob(f"{name}.pcap*") if ".truth" not in path.name]
        accesses = json.loads((PCAPS / f"{name}.truth.json").read_text())["accesses"]
        yield capture, list(as_log(accesses, rows, "stored", offered))


def as_log(accesses, rows, scenario, offered=None):
    """What is in the catalogue of these transfers."""
    for access in accesses:
        row = rows.find(access.get("name") or "")
        if row is None or access["transport"] == "none":
            continue
        path = urlsplit(access["url"]).path or "/"
        whole = "error" not in access
        size = access["bytes_received"] if whole else access["bytes_received"] + 1
        first, size = span(access.get("range"), size)
        entry = row.entry_of(path)
        # Behind encryption the path does not tell that it is another product's, or nobody's.
        hidden = entry and access["transport"] != "http" and (entry.get("rule", row.rule) != row.rule or entry["role"] == "ignore")
        role = entry["role"] if entry and not (hidden and entry["role"] == "ignore") else row.role
        if entry and "rule" in entry:
            row = next(one for one in rows.endpoints if one.rule == entry["rule"])
        line = {"op": "get", "scenario": scenario, "family": row.family, "product": row.key, "rule": row.rule, "endpoint_role": row.role,
                "role": role, "client": access["client"], "name": access["name"], "path": path, "size": size, "from": first,
                "transport": access["transport"], "status": access.get("status") or 0, "bytes": access["bytes_received"], "whole": whole,
                "method": access.get("method", "GET"), "start": access["start"], "end": access["start"] + access.get("seconds", 0),
                "payloads": payloads(path), "by_path": entry is not None}
        if hidden:
            line["expect"] = "cannot_tell"
        if offered:
            line["offered"] = offered
        yield line


def span(text, size):
    """Where a range begins, and how large the file is at least."""
    found = re.fullmatch(r"(?:bytes=)?(\d+)-(\d+)", text or "")
    return (int(found[1]), 0) if found else (0, size)


def payloads(path):
    """Ids by the names of files, as their makers write them."""
    file = unquote(path.split("/")[-1])
    found = re.search(r"kb(\d{6,8})", file, re.IGNORECASE)
    if found:
        return [("kb", f"KB{found[1]}")]
    if "/filestreamingservice/files/" in path:
        return [("delivery_optimization", path.split("/filestreamingservice/files/")[1].split("/")[0])]
    for ending in ("deb", "rpm", "mar"):
        if file.endswith(f".{ending}"):
            return [(ending, file[: -len(ending) - 1])]
    return []


def of_server(requests, rows, scenario, facts):
    """nginx's log of clients whose addresses are keys of `facts`, which tell whether an update was offered."""
    accesses = [{"name": one["name"], "transport": "tls" if one["tls"] else "http", "url": one["url"], "client": one["client"],
                 "status": one["status"], "bytes_received": one["body_bytes"], "start": one["start"], "method": one["method"]}
                for one in requests if one["client"] in facts]
    for access in accesses:
        yield from as_log([access], rows, scenario, facts[access["client"]])
