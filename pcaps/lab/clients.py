"""Client programs of the lab, run as a host would run them, each telling what it really received."""

import json
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent


def curl(lab, client, *urls, options=(), authority=None, accept=(0,), tool="curl"):
    """Runs curl once over all `urls` and notes one access a transfer, as curl itself reports it.

    Several URLs share a connection where the server keeps it. `accept` are the exit codes that are no error here.
    """
    command = ["curl", "--silent", "--show-error", "--max-time", "50", "--write-out", "%{stderr}REPORT %{json}\n"]
    command += ["--cacert", str(authority.certificate)] if authority else []
    command += list(options)
    for url in urls:
        command += ["--output", "/dev/null", url]
    start = time.time()
    printed = client.run(["sh", "-c", 'exec "$@" 2>&1', "curl", *command], accept=accept)
    for line in printed.splitlines():
        if line.startswith("REPORT "):
            report = json.loads(line[len("REPORT "):])
            lab.truth.access(**curl_access(client, report, start, tool))
            start += report["time_total"]
    return printed


def curl_access(client, report, start, tool):
    """Curl's report of one transfer in the words of the truth file."""
    url = report["url_effective"] or report["url"]
    access = {
        "tool": tool, "host": client.name, "client": report["local_ip"], "client_port": report["local_port"],
        "server": report["remote_ip"], "server_port": report["remote_port"],
        "name": urlsplit(url).hostname,
        "transport": {"HTTP": "http", "HTTPS": "tls"}.get(report["scheme"], (report["scheme"] or "none").lower()),
        "http_version": report["http_version"], "method": report["method"], "url": url,
        "status": report["http_code"], "bytes_received": report["size_download"],
        "start": round(start, 3), "seconds": report["time_total"], "new_connections": report["num_connects"],
    }
    if report["exitcode"]:
        access["error"] = report["errormsg"]
    return access


def accesses_from_server(lab, nginx, tool, host, since=0.0):
    """For programs without a report of their own: the server's log, all of which the client took."""
    for request in nginx.requests():
        if request["start"] < since:
            continue
        lab.truth.access(
            tool=tool, host=host.name, client=request["client"], client_port=request["client_port"],
            server=request["server"], server_port=request["server_port"], name=request["name"],
            transport="tls" if request["tls"] else "http", method=request["method"], url=request["url"],
            status=request["status"], bytes_received=request["body_bytes"], start=request["start"])


def pipelined(lab, client, server, port, requests, wait_for_each=False):
    """Sends hand-written HTTP requests over one connection and notes what came back.

    All at once in one segment, or each after the response before it with `wait_for_each`.
    """
    command = [sys.executable, "-u", HERE / "http_client.py", server, port, "one-by-one" if wait_for_each else "at-once"]
    start = round(time.time(), 3)
    for line in client.run(command, input=json.dumps(requests).encode()).splitlines():
        report = json.loads(line)
        lab.truth.access(tool="http_client.py", host=client.name, server=server, server_port=port, transport="http",
                         start=start, **report)
