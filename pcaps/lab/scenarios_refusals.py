"""Contacts with update servers that came to nothing, and responses that are no whole file.

What one client does with one product within a minute is one access, so there are several clients.
"""

import sys
from pathlib import Path

from clients import curl
from scenario import scenario
from scenarios_http import start_proxy
from servers import RESOLVER_IPV4, Nginx, publish
from standard import ADDRESSES, CHECK_PATH, MAR_PATH, UpdateLab

HERE = Path(__file__).resolve().parent
MAR_URL = "http://download.mozilla.org" + MAR_PATH
CHECK_URL = "https://aus5.mozilla.org" + CHECK_PATH
ARCHIVE = "ftp.jp.debian.org"
INDEX_URL = f"http://{ARCHIVE}/debian/dists/stable/InRelease"
ODD_SERVER = "203.0.113.40"
PROXY = "198.51.100.80"
GATEWAY_PORT = 3129
NOBODY = """import socket, sys, time
listener = socket.create_server((sys.argv[1], 8080))
print("listening")
time.sleep(60)"""
# How curl ends.
GIVEN_UP, TLS_FAILED, EMPTY, BROKEN, UNTRUSTED = 28, 35, 52, 56, 60


@scenario("refused-tls.pcap")
def refused_tls(path):
    """TLS handshakes broken off: untrusted certificates (1.3, 1.2), an alert of the server, a ClientHello reset, one dropped"""
    with UpdateLab(refused_tls.__doc__) as lab:
        untrusting, older, oldest, reset, dropped = clients(lab, 5)
        # Connections are made, and what bears data is stopped.
        filter_at(lab.router, f"flags & psh == psh ip saddr {reset.ipv4[0]} reject with tcp reset",
                  f"flags & psh == psh ip saddr {dropped.ipv4[0]} drop")
        lab.mirror("uplink")
        with lab.capture(path):
            # Without --cacert the laboratory's authority is a stranger.
            curl(lab, untrusting, CHECK_URL, options=["--tlsv1.3"], accept=(UNTRUSTED,))
            curl(lab, older, CHECK_URL, options=["--tls-max", "1.2"], accept=(UNTRUSTED,))
            curl(lab, oldest, CHECK_URL, options=["--tls-max", "1.1", "--tlsv1.1", "--ciphers", "DEFAULT@SECLEVEL=0"],
                 authority=lab.authority, accept=(TLS_FAILED,))
            curl(lab, reset, CHECK_URL, authority=lab.authority, accept=(TLS_FAILED,))
            curl(lab, dropped, CHECK_URL, options=["--max-time", "2"], authority=lab.authority, accept=(GIVEN_UP,))
        lab.finish(path, "curl", "nft")


@scenario("refused-proxy.pcap")
def refused_proxy(path):
    """Proxies that refuse: CONNECT by 403, absolute URIs by 502 and 504; then a CONNECT that works; seen before the proxies"""
    with UpdateLab(refused_proxy.__doc__) as lab:
        forbidden = lab.directory / "forbidden"
        forbidden.write_text("googleapis\n")
        host = start_proxy(lab, f'Filter "{forbidden}"\n')
        gateway = Nginx(lab, host, [
            f"server {{ listen {GATEWAY_PORT}; resolver {RESOLVER_IPV4} ipv6=off; proxy_connect_timeout 1s;"
            " location / { proxy_pass http://$http_host$request_uri; } }"])
        filter_at(lab.router, f"dport 80 ip daddr {ADDRESSES['download.mozilla.org']} reject with tcp reset",
                  f"dport 80 ip daddr {ADDRESSES[ARCHIVE]} drop")
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, "https://update.googleapis.com/service/update2", options=["--proxy", f"{PROXY}:3128"],
                 authority=lab.authority, accept=(BROKEN,))
            for url in (MAR_URL, INDEX_URL):
                curl(lab, lab.client, url, options=["--proxy", f"{PROXY}:{GATEWAY_PORT}"])
            curl(lab, lab.client, CHECK_URL, options=["--proxy", f"{PROXY}:3128"], authority=lab.authority)
        lab.truth.add(gateway)
        lab.finish(path, "curl", "nft", "tinyproxy")


@scenario("no-answer.pcap")
def no_answer(path):
    """HTTP requests that servers answer by closing, by a reset, and not at all"""
    extra = ("location /debian/dists/closed/ { return 444; }"
             "location /debian/dists/reset/ { reset_timedout_connection on; return 444; }")
    with UpdateLab(no_answer.__doc__, site_extra=extra) as lab:
        closed, reset, silent = clients(lab, 3)
        # The system of the server takes the connection and the request, and no program ever does.
        lab.web.spawn([sys.executable, "-u", "-c", NOBODY, ADDRESSES[ARCHIVE]], ready="listening")
        lab.mirror("uplink")
        with lab.capture(path):
            curl(lab, closed, f"http://{ARCHIVE}/debian/dists/closed/InRelease", accept=(EMPTY,))
            curl(lab, reset, f"http://{ARCHIVE}/debian/dists/reset/InRelease", accept=(BROKEN,))
            curl(lab, silent, f"http://{ARCHIVE}:8080/debian/dists/silent/InRelease", options=["--max-time", "2"],
                 accept=(GIVEN_UP,))
        lab.finish(path, "curl", "python3")


@scenario("parts.pcap")
def parts(path):
    """Responses that are no whole file: several ranges, a size unknown, 204, PUT, no length and a reset or an end, a page"""
    extra = "location /pub/none.mar { return 204; } location /pub/put/ { dav_methods PUT; create_full_put_path on; }"
    records = f"{ARCHIVE}. 60 A {ODD_SERVER}\n"
    with UpdateLab(parts.__doc__, records=records, site_extra=extra, skip=(ARCHIVE,)) as lab:
        host = lab.wan_host("archive", ODD_SERVER)
        host.spawn([sys.executable, "-u", HERE / "odd_server.py", ODD_SERVER], ready="listening")
        one, two, three, four = clients(lab, 4)
        sent = publish(lab.directory, "/sent.mar", 3_000)
        lab.mirror("uplink")
        with lab.capture(path):
            curl(lab, one, MAR_URL, options=["--range", "0-999,5000-5999"])
            curl(lab, one, package("unknown-size"), options=["--range", "0-1999"])
            curl(lab, two, "http://download.mozilla.org/pub/none.mar")
            curl(lab, two, package("reset"), accept=(BROKEN,))
            curl(lab, three, "http://download.mozilla.org/pub/put/sent.mar", options=["--upload-file", str(sent)])
            curl(lab, three, package("whole"))
            curl(lab, four, package("page"))
        lab.finish(path, "curl", "python3")


def package(word):
    """A package of the archive; the word tells its server what to do."""
    return f"http://{ARCHIVE}/debian/pool/main/s/sample/sample-{word}_1.0-1_amd64.deb"


def clients(lab, number):
    """The lab's client and others beside it."""
    others = [lab.campus_host(f"client{place}", f"198.51.100.{6 + place}") for place in range(2, number + 1)]
    for other in others:
        other.use_resolver(RESOLVER_IPV4)
    for one in (lab.client, *others):
        # The groups that hosts join as they begin: some reports come twice at once, like doubled frames.
        one.sysctl("net.ipv6.conf.all.disable_ipv6=1")
    return [lab.client, *others]


def filter_at(router, *rules):
    """Lets nft stop what these rules select on its way through the router."""
    router.run(["nft", "add table ip filter; add chain ip filter way { type filter hook forward priority 0; }; "
                + "; ".join(f"add rule ip filter way tcp {rule}" for rule in rules)])
