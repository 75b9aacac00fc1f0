"""Plays a plan in the clients' namespace: many hosts, each an address, each a list of steps one after another.

A plan is a JSON list of {"client", "delay_s", "steps": [...]}; a step is a dictionary with the key "op". What each step asked and got is
one JSON line in the log, told by the client program that made it. Runs with the Python of the lab's environment (aioquic).
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
TYPES = {"A": 1, "AAAA": 28}
LIMIT_S = 60
QUIET_S = 0.6
RESOLVER = "192.0.2.53"
RESOLVER_IPV6 = "2001:db8:53::53"


def main():
    plan, log, concurrency = sys.argv[1:4]
    with open(log, "w", buffering=1) as out:
        asyncio.run(Player(out, int(concurrency)).play(json.loads(Path(plan).read_text())))


class Player:
    """Runs jobs, so many at once; a job that goes wrong says so in the log and ends."""

    def __init__(self, out, concurrency):
        self.out = out
        self.barrier = None
        self.free = asyncio.Semaphore(concurrency)

    async def play(self, jobs):
        self.barrier = asyncio.Barrier(max(1, len(jobs)))
        await asyncio.gather(*[self.job(job) for job in jobs])

    async def job(self, job):
        async with self.free:
            await asyncio.sleep(job.get("delay_s", 0))
            hands = Hands(job["client"], job.get("client6"), job.get("facts", {}), self)
            try:
                for step in job["steps"]:
                    await asyncio.wait_for(hands.do(step), LIMIT_S)
            except Exception as error:  # noqa: BLE001: the plan goes on, the log tells.
                self.tell({"op": "failed", "error": f"{type(error).__name__}: {error}", "client": job["client"], **job.get("facts", {})})
            finally:
                await hands.close()

    def tell(self, line):
        self.out.write(json.dumps(line) + "\n")


class Hands:
    """One client: its answers from DNS, and connections that it keeps."""

    def __init__(self, client, client6, facts, player):
        self.client, self.client6, self.facts, self.tell, self.player = client, client6, facts, player.tell, player
        self.answers = {}
        self.kept = {}

    async def do(self, step):
        await getattr(self, f"do_{step['op']}")(step)

    async def close(self):
        for _, writer in self.kept.values():
            writer.close()

    def note(self, step, **told):
        kept = {key: value for key, value in step.items() if key not in ("headers", "body")}
        self.tell({**self.facts, **kept, **told})

    async def do_wait(self, step):
        await asyncio.sleep(step["seconds"])

    async def do_round(self, step):
        """Waits until every client has come so far, and a moment longer: what is moved in time later must not overlap."""
        place = await self.player.barrier.wait()
        if place == 0:
            self.tell({"op": "round", "start": time.time() + QUIET_S * 0.8})
        await asyncio.sleep(QUIET_S)

    async def do_ask(self, step):
        """Asks the resolver; the answer is remembered for later steps."""
        start = time.time()
        for kind in step.get("types", ["A"]):
            ask = {"plain": lookup, "dot": lookup_by_tls}[step.get("by", "plain")]
            addresses = await ask(step.get("asker", self.client), step["name"], kind, step.get("resolver", RESOLVER))
            known = self.answers.setdefault(step["name"], [])
            known += [address for address in addresses if address not in known]
        self.note(step, client=step.get("asker", self.client), start=start, end=time.time(), addresses=self.answers.get(step["name"], []))

    def address(self, step):
        if "address" in step:
            return step["address"]
        wanted = [one for one in self.answers.get(step["name"], []) if (":" in one) == bool(step.get("ipv6"))]
        return wanted[step.get("which", 0) % len(wanted)]

    def source(self, address):
        return self.client6 if ":" in address else self.client

    async def do_get(self, step):
        address = self.address(step)
        how = {"curl": self.by_curl, "python": self.by_python, "quic": self.by_quic, "aioquic": self.by_quic}[step["tool"]]
        start = time.time()
        told = await how(step, address)
        self.note(step, client=self.source(address), address=address, start=told.pop("start", start), **told)

    async def do_knock(self, step):
        """A connection that nobody takes."""
        address = self.address(step)
        start = time.time()
        try:
            await asyncio.open_connection(address, step["server_port"], local_addr=(self.source(address), 0))
        except ConnectionRefusedError:
            self.note(step, client=self.source(address), address=address, start=start, end=time.time())
        else:
            raise ConnectionError("somebody took it")

    async def by_curl(self, step, address):
        tls = step["transport"] == "tls"
        port = step.get("server_port", 443 if tls else 80)
        literal = f"[{address}]" if ":" in address else address
        command = ["curl", "-q", "-sS", "-k", "-o", "/dev/null", "--max-time", "50", "--interface", self.source(address), "--resolve",
                   f"{step['name']}:{port}:{literal}", "-w", "%{json}"]
        command += [word for line in step.get("headers", []) for word in ("-H", line)]
        command += {"1.2": ["--tls-max", "1.2"], "1.3": ["--tlsv1.3"]}.get(step.get("tls"), [])
        command += ["--range", step["range"]] if "range" in step else []
        command += ["--data-binary", step["body"]] if "body" in step else []
        command += ["--head"] if step.get("method") == "HEAD" else []
        command += step.get("options", [])
        process = await asyncio.create_subprocess_exec(
            *command, f"http{'s' if tls else ''}://{step.get('bare', step['name'])}{step.get('url_port', '')}{step['path']}", stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        printed, _ = await process.communicate()
        end = time.time()
        told = json.loads(printed)
        whole = told["exitcode"] == 0
        return {"end": end, "status": told["http_code"], "bytes": told["size_download"], "whole": whole,
                "port": told["local_port"], "exit": told["exitcode"]}

    async def by_python(self, step, address):
        before = time.time()
        is_new = step.get("keep") not in self.kept
        reader, writer = await self.connection(step, address)
        # What an access begins with: the hello, or the request.
        start = before if is_new and step["transport"] != "http" else time.time()
        lines = [f"{step.get('method', 'GET')} {step['path']} HTTP/1.1", f"Host: {step.get('host', step['name'])}",
                 f"User-Agent: {step.get('agent', 'sample-updater/1.0')}", "Accept: */*", *step.get("headers", [])]
        lines += [f"Range: bytes={step['range']}"] if "range" in step else []
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split()[1])
        headers = {line.split(b":")[0].lower(): line.split(b":", 1)[1].strip() for line in head.split(b"\r\n")[1:] if b":" in line}
        length = 0 if status == 304 or step.get("method") == "HEAD" else int(headers.get(b"content-length", b"0"))
        wanted = min(length, step.get("stop_after", length))
        got = 0
        while got < wanted:
            piece = await reader.read(min(65536, wanted - got))
            if not piece:
                break
            got += len(piece)
        end = time.time()
        port = writer.get_extra_info("sockname")[1]
        if "keep" in step and got == length:
            self.kept[step["keep"]] = (reader, writer)
        else:
            self.kept.pop(step.get("keep"), None)
            if got < length:
                writer.transport.abort()
            else:
                writer.close()
        return {"start": start, "end": end, "status": status, "bytes": got, "whole": got == length, "length": length, "port": port}

    async def connection(self, step, address):
        if step.get("keep") in self.kept:
            return self.kept[step["keep"]]
        tls = step["transport"] in ("tls", "dns")
        context, name = None, None
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if step.get("tls") == "1.2":
                context.maximum_version = ssl.TLSVersion.TLSv1_2
            # An address as name: no SNI is sent.
            name = address if step["transport"] == "dns" else step.get("sni", step["name"])
        port = step.get("server_port", 443 if tls else 80)
        return await asyncio.open_connection(address, port, ssl=context, server_hostname=name, limit=1 << 16,
                                             local_addr=(self.source(address), step.get("local_port", 0)))

    async def by_quic(self, step, address):
        import quic
        how = quic.by_aioquic if step["tool"] == "aioquic" else quic.by_chrome
        return await how(self.source(address), address, step)


async def lookup(client, name, kind, resolver):
    """One question over UDP from this client's address; the addresses in the answer section."""
    loop = asyncio.get_running_loop()
    plain = socket.socket(socket.AF_INET6 if ":" in resolver else socket.AF_INET, socket.SOCK_DGRAM)
    plain.setblocking(False)
    with contextlib.closing(plain):
        plain.bind((client, 0))
        plain.connect((resolver, 53))
        number = plain.getsockname()[1] ^ (hash((client, name, kind)) & 0xFFFF)
        await loop.sock_sendall(plain, question(number & 0xFFFF, name, TYPES[kind]))
        return addresses_in(await asyncio.wait_for(loop.sock_recv(plain, 4096), 10), TYPES[kind])


async def lookup_by_tls(client, name, kind, resolver):
    """The same over TLS (RFC 7858)."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(resolver, 853, ssl=context, server_hostname=resolver, local_addr=(client, 0))
    message = question(1, name, TYPES[kind])
    writer.write(struct.pack("!H", len(message)) + message)
    answer = await reader.readexactly(struct.unpack("!H", await reader.readexactly(2))[0])
    writer.close()
    return addresses_in(answer, TYPES[kind])


def question(number, name, kind):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def addresses_in(message, kind):
    answers, offset = struct.unpack_from("!H", message, 6)[0], 12
    offset = after_name(message, offset) + 4
    found = []
    for _ in range(answers):
        offset = after_name(message, offset)
        is_kind = struct.unpack_from("!H", message, offset)[0] == kind
        size = struct.unpack_from("!H", message, offset + 8)[0]
        data = message[offset + 10:offset + 10 + size]
        if is_kind:
            found.append(socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, data))
        offset += 10 + size
    return found


def after_name(message, offset):
    while message[offset]:
        if message[offset] >= 0xC0:
            return offset + 2
        offset += 1 + message[offset]
    return offset + 1


if __name__ == "__main__":
    main()
