"""A web server that gives no whole file; a word in the path says what it does instead: ADDRESS."""

import re
import socket
import struct
import sys
import threading
import time

BODY = b"no whole file, nothing to install here.\n" * 100
PAGE = b"<!doctype html><title>Sample</title><p>Log in first.</p>\n"


def main():
    listener = socket.create_server((sys.argv[1], 80))
    print("listening", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def serve(connection):
    request = connection.recv(65536).decode()
    if "unknown-size" in request:
        first, last = map(int, re.search(r"bytes=(\d+)-(\d+)", request).groups())
        answer(connection, "206 Partial Content", BODY[first:last + 1], f"Content-Range: bytes {first}-{last}/*",
               f"Content-Length: {last + 1 - first}")
    elif "page" in request:
        answer(connection, "200 OK", PAGE, "Content-Type: text/html", f"Content-Length: {len(PAGE)}")
    elif "reset" in request:
        answer(connection, "200 OK", BODY[:len(BODY) // 2])
        # The client has read it by then.
        time.sleep(0.2)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        answer(connection, "200 OK", BODY)
    connection.close()


def answer(connection, status, body, *headers):
    head = "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *headers, "", ""])
    connection.sendall(head.encode() + body)


if __name__ == "__main__":
    main()
