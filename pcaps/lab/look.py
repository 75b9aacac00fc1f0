#!/usr/bin/env python3
"""Says in one line a capture how tshark sees it: `look.py [FILE...]`."""

import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent
UNPACK = {".gz": ["gzip", "-dc"], ".zst": ["zstd", "-dcq"], ".xz": ["xz", "-dc"]}
COLUMNS = ["frame.number", "_ws.col.Protocol", "dns.flags.response", "dns.qry.name", "tls.handshake.extensions_server_name",
           "http.request.method", "http.host", "http.response.code", "tcp.analysis.retransmission", "tcp.analysis.lost_segment",
           "tcp.analysis.out_of_order", "tcp.checksum.status", "frame.cap_len"]


def main():
    files = [Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.pcap*"))
    for path in files:
        print(f"{path.name}: {describe(path)}", flush=True)


def describe(path):
    """Frames, DNS, names in hellos, requests, and what tshark finds odd."""
    with tempfile.NamedTemporaryFile(suffix=".pcap") as plain:
        if path.suffix in UNPACK:
            plain.write(subprocess.run([*UNPACK[path.suffix], str(path)], check=True, stdout=subprocess.PIPE).stdout)
            plain.flush()
            path_read = plain.name
        else:
            path_read = str(path)
        command = ["tshark", "-r", path_read, "-T", "fields", "-E", "occurrence=a", "-o", "tcp.check_checksum:TRUE"]
        for column in COLUMNS:
            command += ["-e", column]
        printed = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120).stdout.decode()
    rows = [dict(zip(COLUMNS, line.split("\t"))) for line in printed.splitlines()]
    return summary(rows)


def summary(rows):
    def having(column):
        return [row[column] for row in rows if row.get(column)]

    def several(values):
        return " ".join(sorted(set(",".join(values).split(","))))

    words = [f"{len(rows)} frames"]
    responses = [row for row in rows if row.get("dns.flags.response") in ("1", "True")]
    queries = [row for row in rows if row.get("dns.flags.response") in ("0", "False")]
    if queries or responses:
        words.append(f"dns {len(queries)}+{len(responses)} ({several(row['dns.qry.name'] for row in queries or responses)})")
    if having(COLUMNS[4]):
        words.append(f"sni {len(having(COLUMNS[4]))} ({several(having(COLUMNS[4]))})")
    if having("http.request.method"):
        words.append(f"http {len(having('http.request.method'))} ({several(having('http.request.method'))};"
                     f" {several(having('http.host'))}; {several(having('http.response.code'))})")
    elif having("http.response.code"):
        words.append(f"http responses ({several(having('http.response.code'))})")
    for column, word in (("tcp.analysis.retransmission", "retransmissions"), ("tcp.analysis.lost_segment", "lost segments"),
                         ("tcp.analysis.out_of_order", "out of order")):
        if having(column):
            words.append(f"{len(having(column))} {word}")
    bad = [row for row in rows if row.get("tcp.checksum.status") in ("0", "Bad")]
    if bad:
        words.append(f"{len(bad)} bad checksums")
    return ", ".join(words)


if __name__ == "__main__":
    main()
