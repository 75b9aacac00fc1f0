"""How a client gets a server's address, and what follows or does not follow."""

from clients import curl
from scenario import scenario
from servers import RESOLVER_IPV4, RESOLVER_IPV6, Forwarder
from standard import ADDRESSES, CHECK_PATH, MAR_PATH, UpdateLab

MAR_URL = "http://download.mozilla.org" + MAR_PATH
CHECK_URL = "https://aus5.mozilla.org" + CHECK_PATH
SMALL = 4_000


def many(name, count, first=None):
    """Address records enough to overflow a datagram; only addresses of the documentation ranges."""
    numbers = [f"203.0.113.{100 + number}" if number < 150 else f"198.51.100.{number - 150 + 100}" for number in range(count)]
    if first:
        numbers[0] = first
    return "".join(f"{name}. 20 A {address}\n" for address in numbers)


@scenario("dns-tcp.pcap")
def dns_tcp(path):
    """An answer with 40 addresses is truncated over UDP; the C library asks again over TCP, then curl connects"""
    with UpdateLab(dns_tcp.__doc__, records=many("archive.mozilla.org", 40), body_bytes=SMALL) as lab:
        for number in range(40):
            lab.add_address(lab.web, f"203.0.113.{100 + number}")
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, "http://archive.mozilla.org" + MAR_PATH)
        lab.finish(path, "curl")


@scenario("dnssec.pcap")
def dnssec(path):
    """A signed zone: the answers carry RRSIG, because the client's own forwarder sets the DO bit"""
    signed = {"mozilla.org": f"aus5 300 CNAME balrog-aus5.services\nbalrog-aus5.services 60 A {ADDRESSES['aus5.mozilla.org']}\n"
                             f"download 60 A {ADDRESSES['download.mozilla.org']}\n"}
    with UpdateLab(dnssec.__doc__, signed=signed, body_bytes=SMALL) as lab:
        Forwarder(lab, lab.client)
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, CHECK_URL, authority=lab.authority)
            curl(lab, lab.client, MAR_URL)
        lab.finish(path, "curl", "ldns-signzone")


@scenario("dns-mixed-case.pcap")
def dns_mixed_case(path):
    """A forwarder that mixes upper and lower case in its questions, so that forged answers do not fit"""
    with UpdateLab(dns_mixed_case.__doc__, body_bytes=SMALL) as lab:
        Forwarder(lab, lab.client, mixed_case=True)
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, MAR_URL)
        lab.finish(path, "curl")


@scenario("dns-https-record.pcap")
def dns_https_record(path):
    """HTTPS records: one with address hints, which alone name the server; one alias; A is asked by nobody"""
    records = ("updates.lab.example. 60 HTTPS 1 . alpn=h2,http/1.1 ipv4hint=203.0.113.10 ipv6hint=2001:db8:113::10\n"
               "alias.lab.example. 60 HTTPS 0 updates.lab.example.\n")
    with UpdateLab(dns_https_record.__doc__, records=records, body_bytes=SMALL, http2=True, ipv6=True) as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            lab.client.run(["dig", "+tries=1", "+noall", "+answer", f"@{RESOLVER_IPV4}", "updates.lab.example", "HTTPS"])
            lab.client.run(["dig", "+tries=1", "+noall", "+answer", f"@{RESOLVER_IPV4}", "alias.lab.example", "HTTPS"])
            # The certificate is another name's, hence --insecure: what counts is that a hint brings the address.
            for address in ("203.0.113.10", "[2001:db8:113::10]"):
                curl(lab, lab.client, "https://updates.lab.example" + CHECK_PATH,
                     options=["--insecure", "--resolve", f"updates.lab.example:443:{address}"])
        lab.finish(path, "curl", "dig")


@scenario("dns-fragments.pcap")
def dns_fragments(path):
    """A large DNS answer over UDP in two IPv4 fragments; the address used stands in the second one"""
    fragmented(path, dns_fragments.__doc__, RESOLVER_IPV4)


@scenario("dns-fragments-ipv6.pcap")
def dns_fragments_ipv6(path):
    """A large DNS answer over UDP in two IPv6 fragments; the address used stands in the second one"""
    fragmented(path, dns_fragments_ipv6.__doc__, RESOLVER_IPV6)


def fragmented(path, about, resolver):
    records = many("archive.mozilla.org", 120)
    with UpdateLab(about, records=records, body_bytes=SMALL, udp_bytes=4096, ipv6=True) as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            answer = lab.client.run(["dig", "+tries=1", "+bufsize=4096", "+short", f"@{resolver}", "archive.mozilla.org", "A"])
            last = answer.split()[-1]
            lab.add_address(lab.web, last)
            curl(lab, lab.client, "http://archive.mozilla.org" + MAR_PATH,
                 options=["--resolve", f"archive.mozilla.org:80:{last}"])
        lab.finish(path, "curl", "dig")


@scenario("dual-stack.pcap")
def dual_stack(path):
    """A client with both address families asks over IPv6 and connects over IPv6; then once more over IPv4 only"""
    with UpdateLab(dual_stack.__doc__, ipv6=True, body_bytes=SMALL) as lab:
        lab.client.use_resolver(RESOLVER_IPV6)
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, CHECK_URL, authority=lab.authority)
            curl(lab, lab.client, MAR_URL)
            curl(lab, lab.client, MAR_URL, options=["--ipv4"])
        lab.finish(path, "curl")


@scenario("family-fallback.pcap")
def family_fallback(path):
    """IPv6 is refused, the client falls back to IPv4 at once; then IPv6 is silent, it falls back after 200 ms"""
    with UpdateLab(family_fallback.__doc__, ipv6=True, body_bytes=SMALL) as lab:
        refused, silent = ADDRESSES["aus5.mozilla.org"], ADDRESSES["download.mozilla.org"]
        # No service listens on this port over IPv6 any more: the reset comes from the server's own kernel.
        lab.web.ip("-6", "addr", "del", "2001:db8:113::11/128", "dev", "eth0")
        lab.web.ip("-6", "addr", "del", "2001:db8:113::10/128", "dev", "eth0")
        closed = lab.wan_host("closed", "2001:db8:113::f1")
        lab.router.ip("-6", "route", "del", "2001:db8:113::11/128", "dev", "wan")
        lab.add_address(closed, "2001:db8:113::11")
        lab.router.ip("-6", "route", "replace", "blackhole", "2001:db8:113::10/128")
        lab.truth.notes["refused"] = {"name": "aus5.mozilla.org", "address": "2001:db8:113::11", "fallback": refused}
        lab.truth.notes["silent"] = {"name": "download.mozilla.org", "address": "2001:db8:113::10", "fallback": silent}
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, CHECK_URL, authority=lab.authority)
            curl(lab, lab.client, MAR_URL)
        lab.finish(path, "curl")


@scenario("refused.pcap")
def refused_connection(path):
    """Connections refused: by a reset, and by an ICMP error of the router (administratively prohibited)"""
    with UpdateLab(refused_connection.__doc__, skip=["download.mozilla.org", "aus5.mozilla.org"], records=(
            f"download.mozilla.org. 60 A {ADDRESSES['download.mozilla.org']}\n"
            f"aus5.mozilla.org. 60 A {ADDRESSES['aus5.mozilla.org']}\n")) as lab:
        lab.wan_host("closed", ADDRESSES["download.mozilla.org"])
        # The router may not pass the other on, and says so. curl does not tell addresses that it did not reach.
        lab.router.ip("route", "replace", "prohibit", ADDRESSES["aus5.mozilla.org"])
        lab.truth.notes["refused"] = [
            {"name": "download.mozilla.org", "address": ADDRESSES["download.mozilla.org"], "port": 80, "by": "reset"},
            {"name": "aus5.mozilla.org", "address": ADDRESSES["aus5.mozilla.org"], "port": 443, "by": "icmp"}]
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, MAR_URL, accept=(7,))
            curl(lab, lab.client, CHECK_URL, accept=(7,))
        lab.finish(path, "curl")


@scenario("unanswered.pcap")
def unanswered(path):
    """A connection that nobody answers: the SYN is repeated until the client gives up"""
    with UpdateLab(unanswered.__doc__) as lab:
        lab.web.drop(["match", "ip", "dst", ADDRESSES["download.mozilla.org"] + "/32"])
        lab.truth.notes["unanswered"] = [
            {"name": "download.mozilla.org", "address": ADDRESSES["download.mozilla.org"], "port": 80}]
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, MAR_URL, options=["--connect-timeout", "4"], accept=(28,))
        lab.finish(path, "curl")


@scenario("resolved-only.pcap")
def resolved_only(path):
    """A name is asked and answered, but nobody connects; another is answered with 0.0.0.0; a third does not exist"""
    records = "sinkholed.lab.example. 60 A 0.0.0.0\nsinkholed.lab.example. 60 AAAA ::\n"
    with UpdateLab(resolved_only.__doc__, records=records, skip=["fe2.update.microsoft.com"]) as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            for name in ("download.windowsupdate.com", "sinkholed.lab.example", "fe2.update.microsoft.com"):
                lab.client.run(["getent", "ahosts", name], accept=(0, 2))
        lab.finish(path)


@scenario("shared-address.pcap")
def shared_address(path):
    """Two names of different makers stand on one address: DNS alone cannot tell which one a connection meant"""
    records = ("definitionupdates.microsoft.com. 60 CNAME shared.edge.example.\n"
               "ardownload.adobe.com. 60 CNAME shared.edge.example.\n"
               f"shared.edge.example. 20 A {ADDRESSES['download.mozilla.org']}\n")
    with UpdateLab(shared_address.__doc__, records=records, body_bytes=SMALL) as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            lab.client.run(["getent", "ahostsv4", "definitionupdates.microsoft.com"])
            curl(lab, lab.client, "http://ardownload.adobe.com" + MAR_PATH)
            # No server name in the hello: only DNS could name this one.
            curl(lab, lab.client, "https://203.0.113.10" + MAR_PATH, options=["--insecure"])
        lab.finish(path, "curl")
