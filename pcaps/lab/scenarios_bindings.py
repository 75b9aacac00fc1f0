"""Which host has an address, over changes of addresses: leases, both families, addresses that are swapped, routers, NAT."""

import signal
import time

from clients import curl
from scenario import scenario
from scenarios_hosts import CHECK_URL, MAR_URL, SMALL, mac_of
from servers import RESOLVER_IPV4
from standard import UpdateLab

FIRST, SECOND_ADDRESS = "198.51.100.101", "198.51.100.102"
LEASE_SCRIPT = """#!/bin/sh
case "$1" in
bound) ip addr add $ip/24 dev eth0; ip route replace default via $router dev eth0 ;;
deconfig) ip -4 addr flush dev eth0 scope global ;;
esac
"""


@scenario("binding-leases.pcap")
def binding_leases(path):
    """DHCP gives a host another address, and its first address to another host; both check and download before and after"""
    with UpdateLab(binding_leases.__doc__, body_bytes=SMALL, client_addresses=["198.51.100.9"]) as lab:
        mover, heir = newcomer(lab, "mover"), newcomer(lab, "heir")
        lab.router.ip("addr", "add", "198.51.100.3/24", "dev", "campus")
        script = lab.directory / "lease.sh"
        script.write_text(LEASE_SCRIPT)
        script.chmod(0o755)
        with lab.capture(path):
            server = address_server(lab, {mover: FIRST})
            lease = take_lease(mover, script)
            update(lab, mover)
            # It gives the address back, and another one is reserved for it.
            lab.stop(lease, signal.SIGTERM)
            lab.stop(server)
            address_server(lab, {mover: SECOND_ADDRESS, heir: FIRST})
            take_lease(heir, script)
            take_lease(mover, script)
            forget_neighbours(lab)
            update(lab, heir)
            update(lab, mover)
        tell_hosts(lab, [(mover, FIRST, "dhcp"), (heir, FIRST, "dhcp"), (mover, SECOND_ADDRESS, "dhcp")])
        lab.finish(path, "curl", "dnsmasq", "udhcpc")


@scenario("binding-families.pcap")
def binding_families(path):
    """A host with a leased IPv4 address, an IPv6 address of its own making and two privacy addresses, one after the other"""
    with UpdateLab(binding_families.__doc__, body_bytes=SMALL, ipv6=True, client_addresses=["198.51.100.9"]) as lab:
        host = newcomer(lab, "host")
        lab.router.ip("addr", "add", "198.51.100.3/24", "dev", "campus")
        lab.router.ip("addr", "add", "2001:db8:100::3/64", "dev", "campus", "nodad")
        script = lab.directory / "lease.sh"
        script.write_text(LEASE_SCRIPT)
        script.chmod(0o755)
        with lab.capture(path):
            address_server(lab, {host: FIRST}, "dhcp-range=2001:db8:100::,ra-only\nenable-ra")
            begin_ipv6(host)
            take_lease(host, script)
            first = privacy_addresses(host)
            curl(lab, host, CHECK_URL, authority=lab.authority, options=["--ipv6", "--interface", f"host!{first[0]}"])
            curl(lab, host, MAR_URL, options=["--ipv4"])
            # Tomorrow's privacy address, today.
            host.sysctl("net.ipv6.conf.eth0.use_tempaddr=0")
            host.ip("-6", "addr", "del", f"{first[0]}/64", "dev", "eth0")
            host.sysctl("net.ipv6.conf.eth0.use_tempaddr=2")
            renew_ipv6(host)
            second = [address for address in privacy_addresses(host) if address not in first]
            curl(lab, host, MAR_URL, options=["--ipv6", "--interface", f"host!{second[0]}"])
        tell_hosts(lab, [(host, FIRST, "dhcp"), (host, first[0], "ndp"), (host, second[0], "ndp")])
        lab.finish(path, "curl", "dnsmasq", "udhcpc")


@scenario("binding-swap.pcap")
def binding_swap(path):
    """Two hosts with fixed addresses swap them, and announce that by ARP; both check and download before and after"""
    with UpdateLab(binding_swap.__doc__, body_bytes=SMALL, client_addresses=["198.51.100.9"]) as lab:
        one, other = lab.campus_host("one", FIRST), lab.campus_host("other", SECOND_ADDRESS)
        for host in (one, other):
            host.use_resolver(RESOLVER_IPV4)
            # What systems do whose network begins: they announce their address.
            host.sysctl("net.ipv4.conf.eth0.arp_notify=1")
            lab.mirror(host)
        with lab.capture(path):
            for host in (one, other):
                update(lab, host)
            for host, before in ((one, FIRST), (other, SECOND_ADDRESS)):
                host.ip("addr", "del", f"{before}/32", "dev", "eth0")
            for host, after in ((one, SECOND_ADDRESS), (other, FIRST)):
                host.ip("link", "set", "eth0", "down")
                host.ip("addr", "add", f"{after}/32", "dev", "eth0")
                host.ip("link", "set", "eth0", "up")
                host.ip("route", "add", "default", "via", "198.51.100.1", "dev", "eth0", "onlink", "src", after)
            forget_neighbours(lab)
            time.sleep(0.5)
            for host in (one, other):
                update(lab, host)
        tell_hosts(lab, [(one, FIRST, "arp"), (other, SECOND_ADDRESS, "arp"), (one, SECOND_ADDRESS, "arp"), (other, FIRST, "arp")])
        lab.finish(path, "curl")


@scenario("binding-routed.pcap")
def binding_routed(path):
    """The mirror is behind the router: three hosts come with its MAC address alone, which is nobody's"""
    with UpdateLab(binding_routed.__doc__, body_bytes=SMALL, client_addresses=["198.51.100.9"]) as lab:
        hosts = [lab.campus_host(f"host{number}", f"198.51.100.{20 + number}") for number in range(3)]
        lab.mirror("router-wan")
        with lab.capture(path):
            for host in hosts:
                host.use_resolver(RESOLVER_IPV4)
                update(lab, host)
        lab.truth.notes["hosts"] = {host.name: None for host in hosts}
        lab.truth.notes["routers"] = [mac_of(lab.router, "wan")]
        lab.finish(path, "curl")


@scenario("binding-nat.pcap")
def binding_nat(path):
    """A router with address translation (nftables) on the campus: two hosts of two systems behind one address"""
    with UpdateLab(binding_nat.__doc__, body_bytes=SMALL, client_addresses=["198.51.100.9"]) as lab:
        box = lab.campus_host("box", FIRST)
        box.sysctl("net.ipv4.ip_forward=1")
        box.run(["nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
                 "add rule ip nat post oifname eth0 masquerade"])
        inner = [behind(lab, box, number) for number in range(2)]
        # The other one sends as Windows does: 128 hops, no time stamps.
        inner[1].sysctl("net.ipv4.ip_default_ttl=128", "net.ipv4.tcp_timestamps=0")
        lab.mirror(box)
        with lab.capture(path):
            for _ in range(2):
                for host in inner:
                    update(lab, host)
                # One connection proves nothing, nor do many within seconds.
                time.sleep(11)
        for access in lab.truth.accesses:
            access["client"] = FIRST
        lab.truth.notes["hosts"] = {host.name: mac_of(box) for host in inner}
        lab.truth.notes["nat"] = [FIRST]
        lab.truth.notes["bindings"] = [{"host": "box", "mac": mac_of(box), "address": FIRST, "source": "arp"}]
        lab.finish(path, "curl", "nft")


def newcomer(lab, name):
    """A host without addresses, whose port is mirrored."""
    host = lab.campus_host(name)
    host.use_resolver(RESOLVER_IPV4)
    lab.mirror(host)
    return host


def behind(lab, box, number):
    """A host behind `box`, on a link of its own."""
    host = lab._namespace(f"inner{number}")
    lab._veth(box, f"inner{number}", host, "eth0")
    gateway, own = f"192.0.2.{193 + 8 * number}", f"192.0.2.{194 + 8 * number}"
    box.ip("addr", "add", f"{gateway}/29", "dev", f"inner{number}")
    host.ip("addr", "add", f"{own}/29", "dev", "eth0")
    host.ip("route", "add", "default", "via", gateway)
    host.use_resolver(RESOLVER_IPV4)
    return host


def address_server(lab, reserved, more=""):
    """dnsmasq on the router, with an address for each host."""
    configuration = lab.directory / "dnsmasq.conf"
    (lab.directory / "leases").unlink(missing_ok=True)
    hosts = "\n".join(f"dhcp-host={mac_of(host)},{address}" for host, address in reserved.items())
    configuration.write_text(f"""
port=0
interface=campus
bind-interfaces
dhcp-range=198.51.100.100,198.51.100.120,255.255.255.0,1h
{hosts}
dhcp-option=option:router,198.51.100.1
dhcp-leasefile={lab.directory}/leases
dhcp-authoritative
no-ping
{more}
""")
    return lab.router.spawn(["dnsmasq", "--keep-in-foreground", "--user=root", "--log-facility=-",
                             f"--conf-file={configuration}"], ready="started")


def take_lease(host, script):
    """udhcpc, until it is told to go: then it gives the address back."""
    return host.spawn(["udhcpc", "-i", "eth0", "-f", "-R", "-t", "5", "-T", "1", "-x", f"hostname:{host.name}-pc",
                       "-s", script], ready="lease of")


def begin_ipv6(host):
    host.sysctl("net.ipv6.conf.eth0.accept_ra=1", "net.ipv6.conf.eth0.accept_dad=1", "net.ipv6.conf.eth0.use_tempaddr=2",
                "net.ipv6.conf.eth0.router_solicitations=3", "net.ipv6.conf.eth0.router_solicitation_delay=0")
    renew_ipv6(host)


def renew_ipv6(host):
    """The interface begins anew; IPv4 stays as it is."""
    before = host.ip("-4", "route", "show", "default").strip()
    host.sysctl("net.ipv6.conf.eth0.disable_ipv6=1")
    host.sysctl("net.ipv6.conf.eth0.disable_ipv6=0")
    settled = "ip -6 addr show dev eth0 scope global temporary | grep -v tentative | grep -q inet6"
    host.run(["sh", "-c", f"for attempt in $(seq 80); do {settled} && exit 0; sleep 0.1; done; exit 1"])
    assert before == host.ip("-4", "route", "show", "default").strip()


def privacy_addresses(host):
    lines = host.ip("-6", "-o", "addr", "show", "dev", "eth0", "scope", "global", "temporary").splitlines()
    return [line.split()[3].split("/")[0] for line in lines]


def forget_neighbours(lab):
    lab.router.ip("neigh", "flush", "dev", "campus")


def update(lab, host):
    """A check, and the download after it."""
    curl(lab, host, CHECK_URL, authority=lab.authority)
    curl(lab, host, MAR_URL)


def tell_hosts(lab, bindings):
    lab.truth.notes["hosts"] = {host.name: mac_of(host) for host, _, _ in bindings}
    lab.truth.notes["bindings"] = [{"host": host.name, "mac": mac_of(host), "address": address, "source": source}
                                   for host, address, source in bindings]
