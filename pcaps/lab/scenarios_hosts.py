"""What ties flows to hosts and to each other: leases and neighbours, reused ports, gaps in time, servers on the campus."""

import re
import time

import pcapfile
from clients import curl, pipelined
from scenario import scenario
from scenarios_http import request
from servers import RESOLVER_IPV4, Nginx, publish, site
from standard import ADDRESSES, CHECK_PATH, MAR_PATH, UpdateLab

MAR_URL = "http://download.mozilla.org" + MAR_PATH
CHECK_URL = "https://aus5.mozilla.org" + CHECK_PATH
SMALL = 4_000
SECOND = 1_000_000_000
LEASED = "198.51.100.100"
HOST_NAME = "room-12-pc-3"


@scenario("host-evidence.pcap")
def host_evidence(path):
    """A host begins: DHCP with a host name, router advertisement, duplicate address detection, ARP; then it downloads"""
    with UpdateLab(host_evidence.__doc__, body_bytes=SMALL, ipv6=True, client_addresses=["198.51.100.9"]) as lab:
        newcomer = lab.campus_host("newcomer")
        newcomer.use_resolver(RESOLVER_IPV4)
        start_address_server(lab, newcomer)
        lab.mirror(newcomer)
        with lab.capture(path):
            begin(lab, newcomer)
            curl(lab, newcomer, CHECK_URL, authority=lab.authority, options=["--ipv6"])
            curl(lab, newcomer, MAR_URL, options=["--ipv4"])
        lab.truth.notes["host"] = {"mac": mac_of(newcomer), "name": HOST_NAME, "leased": LEASED,
                                   "ipv6": slaac_address(newcomer)}
        lab.finish(path, "curl", "dnsmasq", "udhcpc")


def start_address_server(lab, newcomer):
    """dnsmasq on the router: one lease, and router advertisements for the campus prefix."""
    lab.router.ip("addr", "add", "198.51.100.3/24", "dev", "campus")
    lab.router.ip("addr", "add", "2001:db8:100::3/64", "dev", "campus", "nodad")
    configuration = lab.directory / "dnsmasq.conf"
    configuration.write_text(f"""
port=0
interface=campus
bind-interfaces
dhcp-range=198.51.100.100,198.51.100.120,255.255.255.0,1h
dhcp-host={mac_of(newcomer)},{LEASED}
dhcp-option=option:router,198.51.100.1
dhcp-option=option:dns-server,{RESOLVER_IPV4}
dhcp-option=option:domain-name,campus.lab.example
dhcp-range=2001:db8:100::,ra-only
dhcp-leasefile={lab.directory}/leases
dhcp-authoritative
no-ping
""")
    lab.router.spawn(["dnsmasq", "--keep-in-foreground", "--user=root", "--log-facility=-", f"--conf-file={configuration}"],
                     ready="started")


def begin(lab, newcomer):
    """Switches the host's interface on as a starting system does, and waits until both families have an address."""
    script = lab.directory / "lease.sh"
    script.write_text('#!/bin/sh\n[ "$1" = bound ] || exit 0\nip addr add $ip/24 dev eth0\n'
                      "ip route add default via $router dev eth0\n")
    script.chmod(0o755)
    newcomer.sysctl("net.ipv6.conf.eth0.accept_ra=1", "net.ipv6.conf.eth0.accept_dad=1",
                    "net.ipv6.conf.eth0.router_solicitations=3", "net.ipv6.conf.eth0.router_solicitation_delay=0")
    newcomer.ip("link", "set", "eth0", "down")
    newcomer.ip("link", "set", "eth0", "up")
    newcomer.run(["udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "5", "-T", "1", "-x", f"hostname:{HOST_NAME}", "-s", script])
    settled = "ip -6 addr show dev eth0 scope global | grep -v tentative | grep -q inet6"
    newcomer.run(["sh", "-c", f"for attempt in $(seq 50); do {settled} && exit 0; sleep 0.1; done; exit 1"])


def mac_of(host, device="eth0"):
    return re.search(r"ether (\S+)", host.ip("link", "show", device)).group(1)


def slaac_address(host):
    return re.search(r"inet6 (\S+)/64", host.ip("-6", "addr", "show", "dev", "eth0", "scope", "global")).group(1)


@scenario("shared-by-server.pcap")
def shared_by_server(path):
    """One host asks for a name and connects; another connects to the same server without a question and without SNI"""
    with UpdateLab(shared_by_server.__doc__, body_bytes=SMALL) as lab:
        silent = lab.campus_host("silent", "198.51.100.8")
        lab.mirror(lab.client)
        lab.mirror(silent)
        with lab.capture(path):
            curl(lab, lab.client, CHECK_URL, authority=lab.authority)
            curl(lab, silent, f"https://{ADDRESSES['aus5.mozilla.org']}{CHECK_PATH}", options=["--insecure"])
        lab.finish(path, "curl")


@scenario("port-reuse.pcap")
def port_reuse(path):
    """The same five-tuple twice within two seconds, with another name the second time"""
    records = "".join(f"{name}. 60 A {ADDRESSES['download.mozilla.org']}\n" for name in
                      ("definitionupdates.microsoft.com", "ardownload.adobe.com"))
    with UpdateLab(port_reuse.__doc__, records=records, body_bytes=SMALL) as lab:
        # One port to choose from; it may be used again a second after its last connection ended.
        lab.client.sysctl("net.ipv4.ip_local_port_range=40000 40000", "net.ipv4.tcp_tw_reuse=1")
        lab.mirror(lab.client)
        with lab.capture(path):
            for name in ("definitionupdates.microsoft.com", "ardownload.adobe.com"):
                curl(lab, lab.client, f"http://{name}{MAR_PATH}")
                time.sleep(1.3)
        lab.finish(path, "curl")


@scenario("late-use.pcap")
def late_use(path):
    """An address is used 40 minutes after an answer with a TTL of one minute (times set by a script), without SNI"""
    records = f"addons.mozilla.org. 60 A {ADDRESSES['download.mozilla.org']}\n"
    with UpdateLab(late_use.__doc__, records=records, body_bytes=SMALL) as lab:
        lab.mirror(lab.client)
        raw = lab.directory / "before.pcap"
        with lab.capture(raw):
            lab.client.run(["getent", "ahostsv4", "addons.mozilla.org"])
            curl(lab, lab.client, f"https://{ADDRESSES['download.mozilla.org']}{MAR_PATH}", options=["--insecure"])
        delay(raw, path, 40 * 60, lambda tcp: tcp.syn)
        lab.truth.accesses[0]["start"] += 40 * 60
        lab.finish(path, "curl")


@scenario("keepalive-gap.pcap")
def keepalive_gap(path):
    """A check, then 90 seconds later a download on the same connection (times set by a script)"""
    with UpdateLab(keepalive_gap.__doc__, body_bytes=30_000) as lab:
        lab.mirror(lab.client)
        raw = lab.directory / "before.pcap"
        first, second = request("GET", CHECK_PATH), request("GET", MAR_PATH)
        with lab.capture(raw):
            lab.client.run(["getent", "ahostsv4", "download.mozilla.org"])
            pipelined(lab, lab.client, ADDRESSES["download.mozilla.org"], 80, [first, second], wait_for_each=True)
        # The second request stands alone in its frame.
        delay(raw, path, 90, lambda tcp: tcp.target_port == 80 and tcp.payload_bytes == len(second))
        lab.truth.accesses[1]["start"] += 90
        lab.finish(path, "python3")


def delay(source, target, seconds, first):
    """Moves the first frame of which `first` holds, and all after it, that much later."""
    shift, moved = 0, []
    for time_ns, frame in pcapfile.read(source):
        tcp = pcapfile.Tcp.of(frame)
        if not shift and tcp and first(tcp):
            shift = seconds * SECOND
        moved.append((time_ns + shift, frame))
    pcapfile.write(target, moved)


@scenario("hello-two-records.pcap")
def hello_two_records(path):
    """A ClientHello split over two TLS records, by openssl s_client with fragments of 512 bytes"""
    with UpdateLab(hello_two_records.__doc__) as lab:
        lab.mirror(lab.client)
        name = "aus5.mozilla.org"
        protocols = ",".join(f"sample-protocol-{number:02d}" for number in range(20)) + ",http/1.1"
        with lab.capture(path):
            lab.client.run(["getent", "ahostsv4", name])
            lab.client.run(["openssl", "s_client", "-quiet", "-ign_eof", "-connect", f"{ADDRESSES[name]}:443",
                            "-servername", name, "-max_send_frag", "512", "-alpn", protocols,
                            "-CAfile", lab.authority.certificate],
                           input=f"GET {CHECK_PATH} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        for entry in lab.nginx.requests():
            lab.truth.access(tool="openssl s_client", host="client", client=entry["client"], client_port=entry["client_port"],
                             server=entry["server"], server_port=443, name=name, transport="tls", method="GET", url=CHECK_PATH,
                             status=entry["status"], bytes_received=entry["body_bytes"], start=entry["start"])
        lab.finish(path, "openssl")


@scenario("wsus.pcap.zst")
def wsus(path):
    """Windows Update from a server of the campus (WSUS, port 8530): self-update check, SOAP call, a cab in two ranges"""
    server = "198.51.100.85"
    with UpdateLab(wsus.__doc__, records=f"wsus.lab.example. 60 A {server}\n") as lab:
        host = lab.campus_host("wsus", server)
        root = lab.directory / "wsus"
        cab = "/Content/A5/5F0A1B2C3D4E5F60718293A4B5C6D7E8F90123A5.cab"
        publish(root, "/selfupdate/wuident.cab", b"MSCF" + bytes(26_000))
        publish(root, "/answer.xml", b"<s:Envelope>" + b"<Update/>" * 600 + b"</s:Envelope>")
        publish(root, cab, b"MSCF" + bytes(600_000 - 4))
        nginx = Nginx(lab, host, [site(root, "wsus.lab.example", port=8530,
                                       extra="location /ClientWebService/ { error_page 404 405 =200 /answer.xml; }")])
        agent = ["--user-agent", "Windows-Update-Agent/10.0.10011.16384 Client-Protocol/2.50"]
        base = "http://wsus.lab.example:8530"
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, f"{base}/selfupdate/wuident.cab?2601010000", options=[*agent, "--head"])
            curl(lab, lab.client, f"{base}/ClientWebService/client.asmx",
                 options=[*agent, "--header", "Content-Type: text/xml; charset=utf-8", "--data", "<s:Envelope/>" * 40])
            for part in ("0-299999", "300000-599999"):
                curl(lab, lab.client, base + cab, options=["--user-agent", "Microsoft BITS/7.8", "--range", part])
        lab.truth.add(nginx)
        lab.finish(path, "curl")
