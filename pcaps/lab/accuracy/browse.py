"""Many short connections of many clients to many names, in the clients' namespace. Prints how many of each kind there were, as JSON."""

import collections
import json
import multiprocessing
import random
import socket
import ssl
import sys
import threading
from pathlib import Path

from play import RESOLVER, addresses_in, question

PROCESSES, THREADS = 3, 6
# Shares of small, middle, large and very large transfers; where each begins in the list of sizes.
SHARES = [(0.9887, 0, 9), (0.01, 10, 14), (0.0012, 14, 16), (0.0001, 16, 18)]
CATALOGUE_SHARE = 0.4


def main():
    plan = json.loads(Path(sys.argv[1]).read_text())
    each = plan["flows"] // PROCESSES
    with multiprocessing.Pool(PROCESSES) as pool:
        parts = pool.starmap(process, [(plan, each, plan["seed"] * 10 + number) for number in range(PROCESSES)])
    total = collections.Counter()
    for part in parts:
        total.update(part)
    print(json.dumps(total))


def process(plan, flows, seed):
    counts, lock = collections.Counter(), threading.Lock()
    threads = [threading.Thread(target=run, args=(plan, flows // THREADS, seed * 10 + number, counts, lock)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts


def run(plan, flows, seed, counts, lock):
    draw = random.Random(seed)
    unrelated = [one for one in plan["names"] if one["kind"] == "unrelated"]
    known = [one for one in plan["names"] if one["kind"] != "unrelated"]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    asked = set()
    for _ in range(flows):
        one = draw.choice(known if draw.random() < CATALOGUE_SHARE else unrelated)
        client = draw.choice(plan["clients"])
        try:
            if (client, one["name"]) not in asked:
                asked.add((client, one["name"]))
                ask(client, one["name"], draw)
            is_tls = draw.random() < one["tls"]
            got = fetch(client, one, is_tls, context, draw, plan["sizes"])
            words = [one["kind"], f"{one['kind']}/{'tls' if is_tls else 'http'}", *[f"bytes/{size}" for size in got]]
        except OSError as error:
            words = [f"failed/{type(error).__name__}"]
        with lock:
            counts.update(words)


def ask(client, name, draw):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.settimeout(5)
        plain.bind((client, 0))
        plain.sendto(question(draw.randrange(65536), name, 1), (RESOLVER, 53))
        addresses_in(plain.recv(4096), 1)


def fetch(client, one, is_tls, context, draw, sizes):
    """One connection with one to three requests; the sizes that it asked for."""
    wanted = [size_of(draw, sizes) for _ in range(draw.choice([1, 1, 1, 2, 3]))]
    plain = socket.create_connection((one["address"], 443 if is_tls else 80), 30, (client, 0))
    connection = context.wrap_socket(plain, server_hostname=one["name"]) if is_tls else plain
    with connection:
        for number, size in enumerate(wanted):
            last = number == len(wanted) - 1
            connection.sendall(f"GET {draw.choice(one['paths'])} HTTP/1.1\r\nHost: {one['name']}\r\nX-Size: {size}\r\n"
                               f"User-Agent: Mozilla/5.0\r\nConnection: {'close' if last else 'keep-alive'}\r\n\r\n".encode())
            take(connection, size)
    return wanted


def size_of(draw, sizes):
    at = draw.random()
    for share, first, last in SHARES:
        if at < share:
            break
        at -= share
    return sizes[first + int((last - first) * draw.random() ** 1.3)]


def take(connection, size):
    """Reads one response whose body has this size."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("closed")
        data += piece
    left = size - (len(data) - data.index(b"\r\n\r\n") - 4)
    while left > 0:
        piece = connection.recv(min(left, 262144))
        if not piece:
            raise ConnectionError("closed")
        left -= len(piece)


if __name__ == "__main__":
    main()
