"""Reads and writes classic pcap files, for the few scenarios that change what was captured.

Knows little-endian files with microseconds or nanoseconds, as tcpdump writes them on this machine.
"""

import struct
from pathlib import Path

ETHERNET = 1
RAW = 101
MICROSECONDS = 0xA1B2C3D4
NANOSECONDS = 0xA1B23C4D


def read(path):
    """A list of (nanoseconds since 1970, frame). Every frame must be whole."""
    data = Path(path).read_bytes()
    unit = {MICROSECONDS: 1000, NANOSECONDS: 1}[struct.unpack_from("<I", data)[0]]
    frames, offset = [], 24
    while offset < len(data):
        seconds, part, captured, length = struct.unpack_from("<IIII", data, offset)
        if captured != length:
            raise ValueError(f"{path}: a frame was cut")
        frames.append((seconds * 1_000_000_000 + part * unit, data[offset + 16:offset + 16 + captured]))
        offset += 16 + captured
    return frames


def write(path, frames, link_type=ETHERNET):
    """Writes frames with microsecond time stamps."""
    parts = [struct.pack("<IHHiIII", MICROSECONDS, 2, 4, 0, 0, 262144, link_type)]
    for time_ns, frame in frames:
        seconds, rest = divmod(time_ns, 1_000_000_000)
        parts += [struct.pack("<IIII", seconds, rest // 1000, len(frame), len(frame)), frame]
    Path(path).write_bytes(b"".join(parts))


class Tcp:
    """The few fields of an Ethernet, IPv4, TCP frame that scenarios look at; `of` gives None for other frames."""

    def __init__(self, frame):
        header = 14 + (frame[14] & 15) * 4
        self.source = ".".join(map(str, frame[26:30]))
        self.target = ".".join(map(str, frame[30:34]))
        self.source_port, self.target_port = struct.unpack_from("!HH", frame, header)
        self.sequence = struct.unpack_from("!I", frame, header + 4)[0]
        self.flags = frame[header + 13]
        total = struct.unpack_from("!H", frame, 16)[0]
        self.payload_bytes = 14 + total - header - (frame[header + 12] >> 4) * 4
        self.syn = bool(self.flags & 2)
        self.fin = bool(self.flags & 1)
        self.ack = bool(self.flags & 16)
        self.pure_ack = self.flags & 0x17 == 0x10 and self.payload_bytes == 0

    @staticmethod
    def of(frame):
        return Tcp(frame) if frame[12:14] == b"\x08\x00" and frame[23] == 6 else None


def moved(frame, server, distance):
    """The frame with `server`'s TCP sequence numbers, and what acknowledges them, moved; the checksum follows."""
    tcp = Tcp.of(frame)
    if tcp is None or server not in (tcp.source, tcp.target) or (tcp.target == server and not tcp.ack):
        return frame
    frame = bytearray(frame)
    header = 14 + (frame[14] & 15) * 4
    at = header + (4 if tcp.source == server else 8)
    number = (struct.unpack_from("!I", frame, at)[0] + distance) & 0xFFFFFFFF
    checksum = struct.unpack_from("!H", frame, header + 16)[0]
    # RFC 1624: the complement of the sum without the old words and with the new ones.
    total = (~checksum & 0xFFFF) + sum(~word & 0xFFFF for word in struct.unpack_from("!HH", frame, at))
    struct.pack_into("!I", frame, at, number)
    total += sum(struct.unpack_from("!HH", frame, at))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("!H", frame, header + 16, ~total & 0xFFFF)
    return bytes(frame)
