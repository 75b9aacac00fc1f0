"""Copies frames from one interface to another and changes them as a switch or a bad mirror would.

Stands between the mirror port and the sensor. One AF_PACKET socket reads, one writes. All chance comes from a fixed
seed. The counters written at the end are part of a capture's truth.
"""

import argparse
import json
import random
import select
import signal
import socket
import struct
import time
from pathlib import Path

ETHERTYPE_ALL = 3
SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23
SO_RCVBUFFORCE = 33
SO_SNDBUFFORCE = 32
RECEIVE_BUFFER_BYTES = 64 << 20
# A held frame leaves after this time even when no later frame pushes it out.
HOLD_LIMIT_S = 0.02
COLLECTOR_MAC = bytes.fromhex("02005e00ff02")
EXPORTER_MAC = bytes.fromhex("02005e00ff01")
EXPORTER = "192.0.2.201"
COLLECTOR = "192.0.2.202"


def main():
    options = parse_arguments()
    relay = Relay(options)
    signal.signal(signal.SIGTERM, lambda *_: relay.finish())
    print("relaying", flush=True)
    relay.run()


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--in", dest="source", required=True)
    parser.add_argument("--out", dest="sink", required=True)
    parser.add_argument("--counters", required=True)
    parser.add_argument("--tag", action="append", default=[], metavar="TPID:ID", help="outermost first, like 88a8:7")
    parser.add_argument("--tag-from", metavar="MAC", help="tag only the frames of this sender")
    parser.add_argument("--tunnel", choices=["vxlan", "geneve", "gtpu", "erspan1", "erspan2", "erspan3"])
    parser.add_argument("--loss", type=float, default=0.0, help="share of the frames that get no copy")
    parser.add_argument("--reorder", type=float, default=0.0, help="share of the frames that leave three frames late")
    parser.add_argument("--double", action="store_true", help="every frame twice")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


class Relay:
    def __init__(self, options):
        self.options = options
        self.chance = random.Random(options.seed)
        self.source = packet_socket(options.source)
        self.sink = packet_socket(options.sink)
        self.tag_from = bytes.fromhex(options.tag_from.replace(":", "")) if options.tag_from else None
        self.held = []
        self.sequence = 0
        self.counters = {"frames_in": 0, "frames_out": 0, "lost": 0, "late": 0, "doubled": 0}

    def run(self):
        while True:
            readable, _, _ = select.select([self.source], [], [], HOLD_LIMIT_S)
            if readable:
                self.frame(self.source.recv(65535))
            self.release(time.monotonic())

    def frame(self, frame):
        self.counters["frames_in"] += 1
        if self.chance.random() < self.options.loss:
            self.counters["lost"] += 1
            return
        if self.chance.random() < self.options.reorder:
            self.counters["late"] += 1
            self.held.append([3, time.monotonic() + HOLD_LIMIT_S, frame])
            return
        self.send(frame)
        for waiting in self.held:
            waiting[0] -= 1

    def release(self, now):
        for waiting in [w for w in self.held if w[0] <= 0 or w[1] <= now]:
            self.held.remove(waiting)
            self.send(waiting[2])

    def send(self, frame):
        tagged = self.tag_from in (None, frame[6:12])
        for tag in reversed(self.options.tag if tagged else []):
            tpid, identifier = tag.split(":")
            frame = frame[:12] + struct.pack("!HH", int(tpid, 16), int(identifier)) + frame[12:]
        if self.options.tunnel:
            self.sequence += 1
            frame = wrap(self.options.tunnel, frame, self.sequence)
        self.sink.send(frame)
        self.counters["frames_out"] += 1
        if self.options.double:
            self.sink.send(frame)
            self.counters["frames_out"] += 1
            self.counters["doubled"] += 1

    def finish(self):
        for waiting in self.held:
            self.send(waiting[2])
        Path(self.options.counters).write_text(json.dumps(self.counters))
        raise SystemExit(0)


def packet_socket(interface):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, RECEIVE_BUFFER_BYTES)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.bind((interface, ETHERTYPE_ALL))
    return sock


def wrap(tunnel, frame, sequence):
    if tunnel == "vxlan":
        # RFC 7348: flags with the I bit, VNI 42; the source port carries the inner flow's entropy.
        return datagram(4789, struct.pack("!II", 0x08000000, 42 << 8) + frame, frame, sequence)
    if tunnel == "geneve":
        # RFC 8926: version 0, two words of options, inner Ethernet; then VNI 42 and an option of class 0x0103.
        header = struct.pack("!BBHIHBBI", 2, 0, 0x6558, 42 << 8, 0x0103, 1, 1, 7)
        return datagram(6081, header + frame, frame, sequence)
    if tunnel == "gtpu":
        # TS 29.281: version 1, GTP, sequence number present; message 255 carries an IP packet without Ethernet.
        packet = frame[14:]
        header = struct.pack("!BBHIHBB", 0x32, 255, len(packet) + 4, 0x1001, sequence & 0xFFFF, 0, 0)
        return datagram(2152, header + packet, frame, sequence)
    if tunnel == "erspan1":
        # Type I: bare GRE, protocol 0x88be, no sequence number, no ERSPAN header.
        return outer(47, struct.pack("!HH", 0, 0x88BE) + frame, sequence)
    if tunnel == "erspan2":
        # Type II: GRE with a sequence number, then version 1, session 9, port index 3.
        gre = struct.pack("!HHI", 0x1000, 0x88BE, sequence)
        return outer(47, gre + struct.pack("!HHI", 1 << 12 | 1, 9, 3) + frame, sequence)
    # Type III: protocol 0x22eb, version 2, a 32-bit timestamp; granularity 100 microseconds, no platform subheader.
    gre = struct.pack("!HHI", 0x1000, 0x22EB, sequence)
    stamp = int(time.time() * 10_000) & 0xFFFFFFFF
    return outer(47, gre + struct.pack("!HHIHH", 2 << 12 | 1, 9, stamp, 0, 0) + frame, sequence)


def datagram(port, payload, frame, sequence):
    """An outer UDP datagram; its source port comes from the inner addresses, as switches do it."""
    source = 49152 + sum(frame[26:34]) % 16384
    return outer(17, struct.pack("!HHHH", source, port, 8 + len(payload), 0) + payload, sequence)


def outer(protocol, payload, identification):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), identification & 0xFFFF, 0x4000, 64, protocol, 0,
                         socket.inet_aton(EXPORTER), socket.inet_aton(COLLECTOR))
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return COLLECTOR_MAC + EXPORTER_MAC + b"\x08\x00" + header + payload


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


if __name__ == "__main__":
    main()
