"""A very small HTTP client for what curl does not do: pipelined requests, and HEAD amid others on one connection.

Reads a JSON list of whole requests from standard input; prints one JSON line a response. Bodies need a
Content-Length.
"""

import json
import socket
import sys


def main():
    server, port, order = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    requests = json.load(sys.stdin)
    connection = socket.create_connection((server, port), timeout=20)
    responses = connection.makefile("rb")
    if order == "at-once":
        connection.sendall("".join(requests).encode())
    for request in requests:
        if order == "one-by-one":
            connection.sendall(request.encode())
        print(json.dumps(report(connection, request, responses)))
    connection.close()


def report(connection, request, responses):
    """Reads one response and tells of it as a truth file does."""
    method, target, _ = request.split("\r\n")[0].split(" ")
    headers = dict(line.split(": ", 1) for line in request.split("\r\n")[1:] if ": " in line)
    status = int(responses.readline().split()[1])
    length = 0
    while (line := responses.readline().strip()):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    received = 0 if method == "HEAD" or status in (204, 304) else len(responses.read(length))
    client, client_port = connection.getsockname()[:2]
    return {"client": client, "client_port": client_port, "name": headers["Host"], "method": method, "url": target,
            "range": headers.get("Range", ""), "status": status, "bytes_received": received}


if __name__ == "__main__":
    main()
