"""A small HTTP/3 server and client on aioquic, for the cases in which browsers give no choice.

Runs with the Python of the lab's virtual environment: `quic_peer.py server ...` or `quic_peer.py client ... URL...`.
The server writes one JSON line a request into its log, the client prints one line a response after the word REPORT.
"""

import argparse
import asyncio
import functools
import json
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

CLIENT_LIMIT_S = 30
# RFC 9000 section 15: versions of this form are reserved to make peers answer with a version negotiation.
GREASED_VERSION = 0x1A2A3A4A
VERSIONS = {"v1": 0x00000001, "v2": 0x6B3343CF, "greased": GREASED_VERSION}


def main():
    options = parse_arguments()
    if options.role == "server":
        asyncio.run(run_server(options))
    else:
        asyncio.run(asyncio.wait_for(run_client(options), CLIENT_LIMIT_S))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    server = roles.add_parser("server")
    server.add_argument("--certificate", required=True)
    server.add_argument("--key", required=True)
    server.add_argument("--address", required=True)
    server.add_argument("--root", required=True)
    server.add_argument("--log", required=True)
    server.add_argument("--retry", action="store_true")
    server.add_argument("--versions", default="v1,v2")
    client = roles.add_parser("client")
    client.add_argument("--authority", required=True)
    client.add_argument("--source", required=True, help="the local address")
    client.add_argument("--versions", default="v1", help="in order of preference")
    client.add_argument("--first-version", help="the version of the first Initial")
    client.add_argument("--withhold", type=int, help="never send the first copy of the datagram with this number")
    client.add_argument("--long-hello", action="store_true", help="a ClientHello too long for one datagram")
    client.add_argument("--move", action="store_true", help="change the local port after the first response")
    client.add_argument("--resume", action="store_true", help="a connection for each URL, resumed with early data")
    client.add_argument("urls", nargs="+")
    return parser.parse_args()


async def run_server(options):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
    configuration.supported_versions = [VERSIONS[name] for name in options.versions.split(",")]
    configuration.load_cert_chain(options.certificate, options.key)
    tickets = {}
    with open(options.log, "a", buffering=1) as log:
        await serve(options.address, 443, configuration=configuration, retry=options.retry,
                    create_protocol=functools.partial(Served, root=Path(options.root), log=log),
                    session_ticket_fetcher=lambda label: tickets.pop(label, None),
                    session_ticket_handler=lambda ticket: tickets.__setitem__(ticket.ticket, ticket))
        print("serving", flush=True)
        await asyncio.Event().wait()


class Served(QuicConnectionProtocol):
    """One connection at the server: answers with files below `root`."""

    def __init__(self, *arguments, root, log, **options):
        super().__init__(*arguments, **options)
        self.root = root
        self.log = log
        self.http = None

    def quic_event_received(self, event):
        self.http = self.http or H3Connection(self._quic)
        for told in self.http.handle_event(event):
            if isinstance(told, HeadersReceived):
                self.answer(told.stream_id, {key: value.decode() for key, value in told.headers})

    def answer(self, stream, headers):
        path = self.root / (headers[b":path"].lstrip("/") or "index.html")
        status, body = (200, path.read_bytes()) if path.is_file() else (404, b"not here\n")
        answer = [(b":status", b"%d" % status), (b"content-length", b"%d" % len(body))]
        self.http.send_headers(stream, answer)
        self.http.send_data(stream, body, end_stream=True)
        address = self._quic._network_paths[0].addr
        self.log.write(json.dumps({
            "start": round(time.time(), 3), "client": address[0], "client_port": address[1],
            "name": headers[b":authority"], "method": headers[b":method"], "url": headers[b":path"], "status": status,
            "body_bytes": len(body), "protocol": "HTTP/3.0", "early_data": self._quic.tls.early_data_accepted,
            "resumed": self._quic.tls.session_resumed}) + "\n")


class Asking(QuicConnectionProtocol):
    """One connection at the client."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.http = None
        self.responses = {}

    def quic_event_received(self, event):
        if self.http is None:
            return
        for told in self.http.handle_event(event):
            response = self.responses.get(getattr(told, "stream_id", None))
            if response is None:
                continue
            if isinstance(told, HeadersReceived):
                response["status"] = int(dict(told.headers)[b":status"])
            if isinstance(told, DataReceived):
                response["bytes_received"] += len(told.data)
            if getattr(told, "stream_ended", False):
                response["done"].set_result(None)

    def ask(self, url):
        """Sends one request; returns the response, whose future `done` tells when it is complete."""
        self.http = self.http or H3Connection(self._quic)
        stream = self._quic.get_next_available_stream_id()
        response = {"url": url.geturl(), "start": round(time.time(), 3), "bytes_received": 0,
                    "done": self._loop.create_future()}
        self.responses[stream] = response
        self.http.send_headers(stream, [
            (b":method", b"GET"), (b":scheme", b"https"), (b":authority", url.hostname.encode()),
            (b":path", (url.path or "/").encode()), (b"user-agent", b"quic-peer")], end_stream=True)
        self.transmit()
        return response


class Withholding:
    """A transport that loses the datagram of one number before it is sent, so that nobody ever sees it."""

    def __init__(self, transport, number):
        self.transport = transport
        self.number = number
        self.sent = 0

    def sendto(self, datagram, address):
        self.sent += 1
        if self.sent != self.number:
            self.transport.sendto(datagram, address)

    def __getattr__(self, name):
        return getattr(self.transport, name)


async def run_client(options):
    urls = [urlsplit(url) for url in options.urls]
    tickets = []
    if options.resume:
        for url in urls:
            await one_connection(options, [url], tickets)
    else:
        await one_connection(options, urls, tickets)


async def one_connection(options, urls, tickets):
    """Fetches the URLs one after another over one connection to the first one's host."""
    name = urls[0].hostname
    peer = await address_of(name)
    configuration = client_configuration(options, name)
    resumed = bool(tickets)
    if resumed:
        configuration.session_ticket = tickets[-1]
    connection = QuicConnection(configuration=configuration, session_ticket_handler=tickets.append)
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Asking(connection), local_addr=(options.source, 0))
    if options.withhold:
        protocol._transport = Withholding(transport, options.withhold)
    # Early data has to be there when the first flight is built, so with a ticket the first request comes before it.
    protocol.connect(peer, transmit=not resumed)
    if not resumed:
        await protocol.wait_connected()
    for number, url in enumerate(urls):
        if options.move and number:
            await move(protocol, options.source)
        response = protocol.ask(url)
        await response["done"]
        report(options, protocol, peer, response)
    protocol.close()
    await protocol.wait_closed()
    protocol._transport.close()


def client_configuration(options, name):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=list(H3_ALPN), server_name=name)
    configuration.supported_versions = [VERSIONS[word] for word in options.versions.split(",")]
    if options.first_version:
        configuration.original_version = VERSIONS[options.first_version]
    if options.long_hello:
        # Post-quantum key shares are what makes real hellos long; a list of unused protocols fills as well.
        configuration.alpn_protocols += [f"unused-protocol-{number:03}" for number in range(80)]
    configuration.load_verify_locations(cafile=options.authority)
    return configuration


async def address_of(name):
    found = await asyncio.get_running_loop().getaddrinfo(name, 443, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    return found[0][4]


async def move(protocol, source):
    """Goes on from another local port with another connection id, as a client behind a new address does."""
    await protocol.ping()
    protocol._transport.close()
    protocol.change_connection_id()
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: protocol, local_addr=(source, 0))


def report(options, protocol, peer, response):
    local = protocol._transport.get_extra_info("sockname")
    done = {key: value for key, value in response.items() if key != "done"}
    print("REPORT", json.dumps({
        **done, "client": local[0], "client_port": local[1], "server": peer[0], "server_port": peer[1],
        "quic_version": f"0x{protocol._quic._version:08x}", "early_data": protocol._quic.tls.early_data_accepted,
        "resumed": protocol._quic.tls.session_resumed}), flush=True)


if __name__ == "__main__":
    main()
