"""A resolver and servers in a network namespace: every name leads here, and every connection gets SIZE bytes.

Arguments: address, size, certificate, key. Ports: DNS 53, HTTP 80, HTTPS 443, and 9000, which sends at once, in no protocol.
"""

import http.server
import socket
import ssl
import struct
import sys
import threading

address, size, certificate, key = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
PIECE = bytes(range(256)) * 64


def send(write):
    for at in range(0, size, len(PIECE)):
        write(PIECE[:min(len(PIECE), size - at)])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        send(self.wfile.write)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass


def serve_dns():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    while True:
        query, client = server.recvfrom(512)
        end = query.index(b"\0", 12) + 5
        is_a = query[end - 4:end - 2] == b"\0\1"
        answer = query[:2] + struct.pack(">5H", 0x8180, 1, int(is_a), 0, 0) + query[12:end]
        if is_a:
            answer += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
        server.sendto(answer, client)


def serve_bytes():
    server = socket.create_server((address, 9000))
    while True:
        connection, _ = server.accept()
        threading.Thread(target=give, args=(connection,), daemon=True).start()


def give(connection):
    with connection:
        try:
            send(connection.sendall)
        except OSError:
            pass


secure = Server((address, 443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
secure.socket = context.wrap_socket(secure.socket, server_side=True)
for serve in (serve_dns, serve_bytes, secure.serve_forever):
    threading.Thread(target=serve, daemon=True).start()
plain = Server((address, 80), Handler)
print("ready", flush=True)
plain.serve_forever()
