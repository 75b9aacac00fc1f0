"""What hides traffic from a sensor: tunnels, other clients as sources, a mirror that does not show the clients' lookups, loss."""

import contextlib
import json
import sys
import textwrap

from clients import curl
from scenario import scenario
from servers import RESOLVER_IPV4, publish
from standard import ADDRESSES, CHECK_BODY, CHECK_PATH, CLIENT_IPV4, MAR_PATH, UpdateLab

GATEWAY = "203.0.113.40"
PEER = "198.51.100.9"
FORWARDER = "198.51.100.53"
# Inside the tunnels; no packet with these addresses is on the mirror.
INSIDE_GATEWAY = "10.9.0.1"
INSIDE_CLIENT = "10.9.0.2"
HIDDEN_NAME = "download.mozilla.org"
HIDDEN_BYTES = 40_000
WIREGUARD_PORT = 51_820
# Not the usual one: the shape of the handshake is what tells.
OPENVPN_PORT = 5_000
PEER_PORT = 7_680
PEER_BYTES = 25_000
LISTENING = "for attempt in $(seq 100); do {probe} && exit 0; sleep 0.1; done; exit 1"


@scenario("vpn-wireguard.pcap")
def vpn_wireguard(path):
    """A check in the open, then a download through WireGuard: of it the mirror shows datagrams to one gateway"""
    through_tunnel(path, vpn_wireguard.__doc__, wireguard, "wireguard-go")


@scenario("vpn-openvpn.pcap")
def vpn_openvpn(path):
    """A check in the open, then a download through OpenVPN over UDP"""
    through_tunnel(path, vpn_openvpn.__doc__, openvpn, "openvpn")


def through_tunnel(path, about, tunnel, program):
    """A client that checks in the open, brings a tunnel up and downloads through it."""
    with UpdateLab(about) as lab:
        gateway = lab.wan_host("gateway", GATEWAY)
        publish(lab.root, CHECK_PATH, CHECK_BODY)
        publish(lab.directory / "hidden", MAR_PATH, HIDDEN_BYTES)
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, f"http://aus5.mozilla.org{CHECK_PATH}")
            with tunnel(lab, gateway) as facts:
                gateway.spawn([sys.executable, "-u", "-m", "http.server", "--bind", INSIDE_GATEWAY, "--directory", lab.directory / "hidden", "80"],
                              ready="Serving")
                lab.client.run(["curl", "--silent", "--show-error", "--fail", "--max-time", "50", "--output", "/dev/null",
                                "--resolve", f"{HIDDEN_NAME}:80:{INSIDE_GATEWAY}", f"http://{HIDDEN_NAME}{MAR_PATH}"])
        lab.truth.notes["tunnel"] = {**facts, "client": CLIENT_IPV4, "gateway": GATEWAY, "name_inside": HIDDEN_NAME,
                                     "bytes_inside": HIDDEN_BYTES}
        lab.finish(path, "curl", program)


@contextlib.contextmanager
def wireguard(lab, gateway):
    """A tunnel of WireGuard between client and gateway, by wireguard-go in both."""
    keys = {host: key_pair(host) for host in (lab.client, gateway)}
    ends = [(lab.client, gateway, INSIDE_CLIENT, ["endpoint", f"{GATEWAY}:{WIREGUARD_PORT}"]), (gateway, lab.client, INSIDE_GATEWAY, [])]
    for number, (host, peer, address, endpoint) in enumerate(ends):
        # The control socket goes by the device's name, and both hosts share the machine's files.
        device = f"wgl{number}"
        host.spawn(["env", "WG_PROCESS_FOREGROUND=1", "wireguard-go", "--foreground", device])
        host.run(["sh", "-c", LISTENING.format(probe=f"test -S /var/run/wireguard/{device}.sock")])
        secret = lab.directory / f"{device}.key"
        secret.write_text(keys[host][0])
        host.run(["wg", "set", device, "listen-port", WIREGUARD_PORT, "private-key", secret, "peer", keys[peer][1],
                  "allowed-ips", "10.9.0.0/24", *endpoint])
        host.ip("addr", "add", f"{address}/24", "dev", device)
        host.ip("link", "set", device, "up", "mtu", "1380")
    yield {"kind": "wireguard", "port": WIREGUARD_PORT}


def key_pair(host):
    """A private key of WireGuard and its public one."""
    private = host.run(["wg", "genkey"]).strip()
    return private + "\n", host.run(["sh", "-c", f"echo {private} | wg pubkey"]).strip()


@contextlib.contextmanager
def openvpn(lab, gateway):
    """A tunnel of OpenVPN between client and gateway, which know each other by their certificates' fingerprints."""
    ends = {host: self_signed(lab, host) for host in (lab.client, gateway)}

    def options(host, peer):
        certificate, key, _ = ends[host]
        return ["--dev-type", "tun", "--data-ciphers", "AES-256-GCM", "--cert", certificate, "--key", key, "--peer-fingerprint", ends[peer][2],
                "--disable-dco", "--verb", "3"]

    server = gateway.spawn(["openvpn", "--dev", "ovl0", *options(gateway, lab.client), "--port", OPENVPN_PORT, "--tls-server", "--dh", "none",
                            "--ifconfig", INSIDE_GATEWAY, INSIDE_CLIENT], ready="link remote")
    client = lab.client.spawn(["openvpn", "--dev", "ovl1", *options(lab.client, gateway), "--remote", GATEWAY, OPENVPN_PORT, "udp4", "--nobind",
                               "--tls-client", "--ifconfig", INSIDE_CLIENT, INSIDE_GATEWAY], ready="Initialization Sequence Completed")
    yield {"kind": "openvpn", "port": OPENVPN_PORT}
    lab.stop(client)
    lab.stop(server)


def self_signed(lab, host):
    """A certificate of a host by itself: its path, its key's, and its fingerprint."""
    certificate, key = lab.directory / f"{host.name}-vpn.pem", lab.directory / f"{host.name}-vpn.key"
    host.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "825", "-subj",
              f"/CN={host.name}.lab.example", "-keyout", key, "-out", certificate])
    told = host.run(["openssl", "x509", "-fingerprint", "-sha256", "-noout", "-in", certificate])
    return certificate, key, told.strip().split("=")[1]


PEER_SERVER = textwrap.dedent("""
    import socket, sys
    server = socket.create_server((sys.argv[1], int(sys.argv[2])))
    print("listening", flush=True)
    connection, _ = server.accept()
    connection.recv(64)
    connection.sendall(b"\\x0eSwarm protocol" + bytes(int(sys.argv[3])))
    connection.close()
""")
PEER_CLIENT = textwrap.dedent("""
    import json, socket, sys
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    connection.sendall(b"\\x0eSwarm protocol" + bytes(32))
    received = 0
    while data := connection.recv(65536):
        received += len(data)
    print(json.dumps({"client_port": connection.getsockname()[1], "bytes_received": received}))
""")


@scenario("peer-cache.pcap")
def peer_cache(path):
    """Parts of an update from another client on the campus (TCP 7680, played), and a check in the open"""
    with UpdateLab(peer_cache.__doc__) as lab:
        peer = lab.campus_host("peer", PEER)
        peer.spawn([sys.executable, "-c", PEER_SERVER, PEER, PEER_PORT, PEER_BYTES], ready="listening")
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, f"https://fe2.update.microsoft.com{MAR_PATH}", authority=lab.authority)
            told = json.loads(lab.client.run([sys.executable, "-c", PEER_CLIENT, PEER, PEER_PORT]))
        lab.truth.notes["peer"] = {"client": CLIENT_IPV4, "server": PEER, "server_port": PEER_PORT, **told}
        lab.finish(path, "curl", "python3")


@scenario("resolver-mirror.pcap")
def resolver_mirror(path):
    """A mirror behind the campus resolver: lookups are the resolver's, and two names share an address that is used without SNI"""
    shared = ADDRESSES["download.mozilla.org"]
    with UpdateLab(resolver_mirror.__doc__, records=f"addons.mozilla.org. 300 A {shared}\n") as lab:
        forwarder = lab.campus_host("forwarder", FORWARDER)
        # Neighbours on the campus reach each other without the router.
        lab.client.ip("route", "add", f"{FORWARDER}/32", "dev", "eth0")
        forwarder.ip("route", "add", f"{CLIENT_IPV4}/32", "dev", "eth0")
        lab.client.use_resolver(FORWARDER)
        forwarder.spawn(["dnsmasq", "--keep-in-foreground", "--user=root", "--log-facility=-", "--conf-file=/dev/null", "--no-resolv",
                         "--no-hosts", "--cache-size=0", f"--server={RESOLVER_IPV4}", "--pid-file="], ready="started")
        lab.mirror("uplink")
        with lab.capture(path):
            curl(lab, lab.client, f"http://aus5.mozilla.org{MAR_PATH}")
            for name in ("addons.mozilla.org", "download.mozilla.org"):
                lab.client.run(["getent", "ahostsv4", name])
            curl(lab, lab.client, f"https://{shared}{MAR_PATH}", options=["--insecure"])
        lab.finish(path, "curl", "dnsmasq")


@scenario("loss-heavy.pcap")
def loss_heavy(path):
    """A fifth of the mirror's copies is missing: more than what acknowledgements can make good"""
    with UpdateLab(loss_heavy.__doc__, body_bytes=45_000) as lab:
        lab.span("span0", relay=["--loss", "0.2", "--seed", "5"])
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, f"http://download.mozilla.org{MAR_PATH}")
            curl(lab, lab.client, f"https://aus5.mozilla.org{MAR_PATH}", authority=lab.authority)
        lab.finish(path, "curl", "python3")
