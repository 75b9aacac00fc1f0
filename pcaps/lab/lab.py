"""A small network inside one machine, and a mirror port that shows its traffic.

    campus hosts --- br-campus (switch) --- router --- br-wan (switch) --- servers
                          |  tc mirred copies both directions of a port
                        span0 --- [relay] --- tap0 (sensor: tcpdump)

Every host is a network namespace with one veth. Nothing has a route out of the machine: the router knows only the
hosts that were made, and has no default route. Everything is torn down when the `Lab` closes, and only processes that
this lab started are ended, each by its own process id. Needs root, iproute2, ethtool and tcpdump; Python standard
library only.
"""

import contextlib
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMAND_LIMIT_S = 60
# No proxy settings, start-up files or languages of the machine: a capture must not depend on who makes it.
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
CAMPUS_GATEWAY = "198.51.100.1"
WAN_GATEWAY = "203.0.113.1"
LINK_LOCAL_GATEWAY = "fe80::1"
# Of a live sensor beside tcpdump.
SENSOR_CONFIG = """
http.query = "keep"
[[output]]
kind = "file"
path = {path}
records = ["dns", "tls", "quic", "http", "flow", "update", "update_session", "client_binding", "coverage", "stats", "patchspan_stats", "loss"]
purpose = "a laboratory's own traffic"
"""


class LabError(Exception):
    """A command of the lab failed; the text says which and what it printed."""


class Lab:
    """The network. Use it as a context manager: `with Lab() as lab: ...`."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="lab-"))
        self.prefix = f"lab{os.getpid()}-"
        self.hosts = {}
        self.processes = []
        self.namespaces = []
        self.spans = {}
        self.truth = Truth()
        self._next_mac = 1
        self._mirrored = set()
        self._relays = []

    def __enter__(self):
        try:
            self._build_backbone()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def campus_host(self, name, *addresses):
        """A host on the campus side; `addresses` are IPv4 and IPv6 in any order."""
        return self._host(name, "campus", addresses)

    def wan_host(self, name, *addresses):
        """A host behind the router."""
        return self._host(name, "wan", addresses)

    def span(self, name="span0", relay=None):
        """Makes a mirror port; with `relay`, its frames pass relay.py with these arguments first."""
        tap = name.replace("span", "tap")
        if relay is None:
            self._veth(self.switch, name, self.sensor, tap)
        else:
            between = self._namespace(f"relay-{name}", mute=True)
            self._veth(self.switch, name, between, "in0")
            self._veth(between, "out0", self.sensor, tap, mtu=9000)
            counters = self.directory / f"relay-{name}.json"
            command = [sys.executable, str(HERE / "relay.py"), "--in", "in0", "--out", "out0"]
            command += ["--counters", str(counters)] + [str(word) for word in relay]
            self._relays.append(between.spawn(command, ready="relaying"))
            self.truth.relays[name] = (relay, counters)
        self.spans[name] = tap

    def mirror(self, port, directions="both", span="span0"):
        """Copies what passes a switch port to a mirror port.

        `port` is a host, or "uplink" (switch to router) or "router-wan". Directions are seen from the host that is
        plugged in there: "from" it, "to" it, or "both".
        """
        if span not in self.spans:
            self.span(span)
        device = port.port if isinstance(port, Namespace) else port
        if device not in self._mirrored:
            self.switch.run(["tc", "qdisc", "add", "dev", device, "clsact"])
            self._mirrored.add(device)
        hooks = {"from": ["ingress"], "to": ["egress"], "both": ["ingress", "egress"]}[directions]
        for hook in hooks:
            # u32 with an empty mask matches every frame; this kernel family may lack `matchall`.
            self.switch.run(["tc", "filter", "add", "dev", device, hook, "protocol", "all", "u32", "match", "u32", "0", "0",
                             "action", "mirred", "egress", "mirror", "dev", span])

    @contextlib.contextmanager
    def capture(self, path, options=(), interfaces=("tap0",), settle_s=0.3):
        """Captures with tcpdump while the body runs, and writes `path`, compressed where its suffix says so.

        Fails if the kernel dropped a frame: a capture with holes of its own shows nothing.
        """
        raw = self.directory / "capture.pcap"
        command = ["tcpdump", "-Z", "root", "-n", "-U", "--immediate-mode", "-B", "65536", "-w", str(raw)]
        for interface in interfaces:
            command += ["-i", interface]
        tcpdump = self.sensor.spawn(command + list(options), ready="listening on")
        sensor = self._start_sensor(interfaces)
        try:
            yield
            # The last acknowledgements are still on their way when a client program ends.
            time.sleep(settle_s)
        finally:
            self.stop(tcpdump, signal.SIGINT)
            if sensor:
                self.stop(sensor, signal.SIGTERM)
                shutil.move(self._live_records(), path.with_name(path.name.split(".")[0] + ".live.jsonl"))
        if ", 0 packets dropped" not in tcpdump.log_text().replace("\n", ", "):
            raise LabError(f"tcpdump lost frames: {tcpdump.log_text()}")
        store(raw, path)

    def _start_sensor(self, interfaces):
        """Where PATCHSPAN_SENSOR names a command (the program and flags of `run`), a live sensor listens beside tcpdump.

        Its records go to `NAME.live.jsonl` in the folder of the capture, once it has ended: it is not root while it runs.
        """
        command = os.environ.get("PATCHSPAN_SENSOR", "").split()
        if not command:
            return None
        program, *flags = command
        config = self.directory / "sensor.toml"
        config.write_text(SENSOR_CONFIG.format(path=json.dumps(str(self._live_records()))))
        folder = self._live_records().parent
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        self.directory.chmod(0o711)
        command = [program, "run", "--config", str(config), *flags]
        for interface in interfaces:
            command += ["--interface", interface]
        return self.sensor.spawn(command, ready="listening on")

    def _live_records(self):
        return self.directory / "live" / "records.jsonl"

    @contextlib.contextmanager
    def capture_dumpcap(self, path, interfaces):
        """As `capture`, but by dumpcap: a pcapng with one interface block for each interface."""
        raw = self.directory / "capture.pcapng"
        command = ["dumpcap", "-q", "-B", "16", "-w", str(raw)]
        for interface in interfaces:
            command += ["-i", interface]
        dumpcap = self.sensor.spawn(command, ready="File:")
        try:
            yield
            time.sleep(1.0)
        finally:
            self.stop(dumpcap, signal.SIGINT)
        store(raw, path)

    def stop(self, process, how=signal.SIGTERM):
        """Ends one process that this lab started, together with the children in its session."""
        if process in self.processes:
            self.processes.remove(process)
        process.end(how)

    def stop_relays(self):
        """Ends the relays, which write their counters then."""
        for relay in self._relays:
            self.stop(relay)
        self._relays.clear()

    def close(self):
        """Ends every process, removes every namespace and file. Never raises for what is gone already."""
        for process in reversed(self.processes):
            process.end()
        self.processes.clear()
        for namespace in reversed(self.namespaces):
            subprocess.run(["ip", "netns", "del", namespace.netns], capture_output=True, timeout=COMMAND_LIMIT_S)
            shutil.rmtree(Path("/etc/netns") / namespace.netns, ignore_errors=True)
        self.namespaces.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _build_backbone(self):
        self.switch = self._namespace("switch", mute=True)
        self.sensor = self._namespace("sensor", mute=True)
        self.router = self._namespace("router")
        for bridge in ("br-campus", "br-wan"):
            # Snooping off: a bridge that asks for multicast members would add frames of its own.
            self.switch.ip("link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
            self.switch.ip("link", "set", bridge, "up")
        self._plug(self.router, "campus", "uplink", "campus")
        self._plug(self.router, "wan", "router-wan", "wan")
        self.router.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self.router.ip("addr", "add", f"{CAMPUS_GATEWAY}/32", "dev", "campus")
        self.router.ip("addr", "add", f"{WAN_GATEWAY}/32", "dev", "wan")
        for leg in ("campus", "wan"):
            self.router.ip("addr", "add", f"{LINK_LOCAL_GATEWAY}/64", "dev", leg)

    def _namespace(self, name, mute=False):
        namespace = Namespace(self, name)
        self.namespaces.append(namespace)
        namespace.create()
        if mute:
            # A mirror port must carry copies only, so nothing on the way may speak by itself.
            namespace.sysctl("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        return namespace

    def _host(self, name, side, addresses):
        host = self._namespace(name)
        self.hosts[name] = host
        host.port = f"p-{name}"[:15]
        self._plug(host, side, host.port, "eth0")
        for address in addresses:
            self.add_address(host, address)
        return host

    def add_address(self, host, address):
        """Gives a host one more address, and tells the router where it is; the first of a family brings the way out."""
        if ":" in address:
            host.ip("addr", "add", f"{address}/128", "dev", "eth0", "nodad")
            self.router.ip("-6", "route", "add", f"{address}/128", "dev", host.side)
            if not host.ipv6:
                host.ip("-6", "route", "add", "default", "via", LINK_LOCAL_GATEWAY, "dev", "eth0", "src", address)
            host.ipv6.append(address)
        else:
            host.ip("addr", "add", f"{address}/32", "dev", "eth0")
            self.router.ip("route", "add", f"{address}/32", "dev", host.side)
            if not host.ipv4:
                gateway = CAMPUS_GATEWAY if host.side == "campus" else WAN_GATEWAY
                host.ip("route", "add", "default", "via", gateway, "dev", "eth0", "onlink", "src", address)
            host.ipv4.append(address)

    def _plug(self, namespace, side, port, device):
        namespace.side = side
        self._veth(self.switch, port, namespace, device)
        self.switch.ip("link", "set", port, "master", f"br-{side}")

    def _veth(self, near, near_device, far, far_device, mtu=None):
        near.ip("link", "add", near_device, "type", "veth", "peer", "name", far_device, "netns", far.netns)
        for namespace, device in ((near, near_device), (far, far_device)):
            namespace.ip("link", "set", device, "address", self._mac())
            if mtu:
                namespace.ip("link", "set", device, "mtu", str(mtu))
            # With offloads on the mirror shows 64 KB frames and unfinished checksums that no wire carries.
            namespace.run(["ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off", "tx", "off", "rx", "off"])
            namespace.ip("link", "set", device, "up")

    def _mac(self):
        self._next_mac += 1
        return f"02:00:5e:00:00:{self._next_mac:02x}"


class Namespace:
    """One network namespace: a host, the router, the switch or the sensor."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.netns = lab.prefix + name
        self.port = None
        self.side = None
        self.ipv4 = []
        self.ipv6 = []
        self._drops = False

    def create(self):
        """Makes the namespace; a name server is set only later, by `use_resolver`."""
        etc = Path("/etc/netns") / self.netns
        etc.mkdir(parents=True, exist_ok=True)
        # `ip netns exec` mounts these over /etc, so no host file of the machine is ever touched or asked.
        (etc / "resolv.conf").write_text("")
        (etc / "hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
        check(["ip", "netns", "add", self.netns])
        # No router advertisements, no duplicate address detection: hosts are configured by hand and at once.
        self.sysctl("net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.accept_ra=0",
                    "net.ipv6.conf.default.router_solicitations=0")
        self.ip("link", "set", "lo", "up")

    def use_resolver(self, *addresses, options=""):
        """Writes the host's resolv.conf."""
        lines = [f"nameserver {address}" for address in addresses]
        lines += [f"options {options}"] if options else []
        (Path("/etc/netns") / self.netns / "resolv.conf").write_text("\n".join(lines) + "\n")

    def ip(self, *words):
        return check(["ip", "-n", self.netns, *words])

    def sysctl(self, *settings):
        return self.run(["sysctl", "-qw", *settings])

    def run(self, command, limit_s=COMMAND_LIMIT_S, accept=(0,), **options):
        """Runs a program to its end in here and returns its standard output."""
        return check(["ip", "netns", "exec", self.netns, *map(str, command)], limit_s, accept, **options)

    def spawn(self, command, ready=None, **options):
        """Starts a program in here; waits for the text `ready` in what it prints."""
        process = Process(["ip", "netns", "exec", self.netns, *map(str, command)], self.lab.directory, **options)
        self.lab.processes.append(process)
        if ready:
            process.wait_for(ready)
        return process

    def pace(self, rate="200mbit"):
        """Lets this host send no faster than a line of this rate.

        At full speed frames are lost inside the machine, and a receiver acknowledges dozens of segments at once.
        """
        self.run(["tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "6k", "latency", "400ms"])

    def drop(self, match, hook="ingress"):
        """Silently drops the IPv4 packets at this host's interface that these u32 words select.

        The kernel may lack `gact`, so what is to be dropped is sent into a veth that leads nowhere.
        """
        if not self._drops:
            # Its other end stays down, so whatever goes in is gone.
            self.ip("link", "add", "nowhere", "type", "veth", "peer", "name", "nowhere0")
            self.ip("link", "set", "nowhere", "up")
            self.run(["tc", "qdisc", "add", "dev", "eth0", "clsact"])
            self._drops = True
        self.run(["tc", "filter", "add", "dev", "eth0", hook, "protocol", "ip", "u32", *match,
                  "action", "mirred", "egress", "redirect", "dev", "nowhere"])



class Process:
    """A program that runs beside the scenario; its output goes to a file of its own."""

    count = 0

    def __init__(self, command, directory, **options):
        Process.count += 1
        self.command = command
        self.log = directory / f"process-{Process.count}.log"
        options.setdefault("env", ENVIRONMENT)
        with open(self.log, "wb") as log:
            self.popen = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                          start_new_session=True, **options)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_for(self, text, limit_s=20):
        deadline = time.monotonic() + limit_s
        while text not in self.log_text():
            if self.popen.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"{self.command} did not say {text!r}: {self.log_text()}")
            time.sleep(0.02)

    def wait(self, limit_s=COMMAND_LIMIT_S):
        return self.popen.wait(limit_s)

    def end(self, how=signal.SIGTERM):
        """Asks, waits five seconds, then insists. The session is ours, so its group holds only our children."""
        for number in (how, signal.SIGKILL):
            if self.popen.poll() is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(5)


class Truth:
    """What clients and servers really did, to compare a sensor's output with."""

    def __init__(self):
        self.accesses = []
        self.lookups = []
        self.requests = []
        self.relays = {}
        self.notes = {}

    def access(self, **fields):
        self.accesses.append(fields)

    def add(self, server):
        """Takes over what a server logged: a resolver's lookups, a web server's requests."""
        if hasattr(server, "lookups"):
            self.lookups += server.lookups()
        if hasattr(server, "requests"):
            self.requests += server.requests()

    def write(self, path, **head):
        """One JSON object; keys are explained in the README beside the captures."""
        relays = {}
        for span, (arguments, counters) in self.relays.items():
            counted = json.loads(counters.read_text()) if counters.exists() else {}
            relays[span] = {"arguments": [str(word) for word in arguments], **counted}
        body = {**head, **self.notes}
        if relays:
            body["relays"] = relays
        body["accesses"] = self.accesses
        body["server_requests"] = self.requests
        body["lookups"] = self.lookups
        path.write_text(json_text(body))


def json_text(body):
    """JSON with one list element a line, so that a change shows as few changed lines."""
    parts = []
    for key, value in body.items():
        if isinstance(value, list) and value:
            value = "[\n  " + ",\n  ".join(json.dumps(element) for element in value) + "\n ]"
        else:
            value = json.dumps(value)
        parts.append(f" {json.dumps(key)}: {value}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def check(command, limit_s=COMMAND_LIMIT_S, accept=(0,), **options):
    """Runs a command to its end; raises `LabError` with its output when the exit code is not an accepted one."""
    options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
    options.setdefault("env", ENVIRONMENT)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit_s, **options)
    if accept is not None and done.returncode not in accept:
        raise LabError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout.decode(errors='replace')}"
                       f"{done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace")


def store(raw, path):
    """Moves a finished capture to its place, compressed as the name's suffix says."""
    path = Path(path)
    if path.suffix == ".gz":
        # No time and no file name in the header, so equal captures give equal files.
        with open(path, "wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
            packed.write(Path(raw).read_bytes())
    elif path.suffix == ".zst":
        check(["zstd", "-q", "-f", "--ultra", "-22", "--long=24", str(raw), "-o", str(path)], limit_s=600)
    elif path.suffix == ".xz":
        path.write_bytes(check_bytes(["xz", "-9", "-c", str(raw)]))
    else:
        shutil.copyfile(raw, path)


def check_bytes(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=COMMAND_LIMIT_S).stdout
