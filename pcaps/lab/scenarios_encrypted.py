"""Names out of sight: Encrypted ClientHello, DNS over HTTPS and over TLS; and TLS 1.3 with resumption and retry."""

import time

from browsers import Chromium, Firefox
from clients import curl
from scenario import scenario
from servers import publish
from stage import EDGE, MAR, OTHER_EDGE, RESOLVER, STORED_BYTES, UPDATE_XML, stage

COVER = "cover.lab-edge.example"
WELL_KNOWN_COVER = "cloudflare-ech.com"
DOH = "doh.lab-edge.example"


def chromium_with_ech(path, about, record, options=()):
    """Chromium opens one page behind a cover name; `record` makes the HTTPS record's text from ECHConfigList."""
    with stage(path, about, "chromium", "caddy") as s:
        server = s.caddy("aus5.mozilla.org", cover=COVER)
        other = s.lab.wan_host("other", OTHER_EDGE)
        stale = s.caddy("aus5.mozilla.org", host=other, cover=COVER).ech_configuration()
        s.servers.pop()
        https = record.format(current=server.ech_configuration(), stale=stale)
        s.resolve(f"aus5.mozilla.org. 300 A {EDGE}\naus5.mozilla.org. 300 HTTPS 1 . {https}\n{COVER}. 300 A {EDGE}")
        facts = {"public_name": COVER} if "ech=" in record else {}
        with s.lab.capture(path), Chromium(s.lab, s.client, s.authority, options) as browser:
            browser.load("https://aus5.mozilla.org/", **facts)


@scenario("ech.pcap")
def ech(path):
    """Chromium with Encrypted ClientHello, its key in the HTTPS record: on the wire stands the cover name alone"""
    chromium_with_ech(path, ech.__doc__, 'alpn="h2" ech="{current}"')


@scenario("ech-quic.pcap")
def ech_quic(path):
    """Chromium with Encrypted ClientHello over QUIC"""
    forced = ["--origin-to-force-quic-on=aus5.mozilla.org:443"]
    chromium_with_ech(path, ech_quic.__doc__, 'alpn="h3,h2" ech="{current}"', forced)


@scenario("ech-grease.pcap")
def ech_grease(path):
    """The same browser and server as in ech.pcap, but the HTTPS record has no key: a greased extension, and a true SNI"""
    chromium_with_ech(path, ech_grease.__doc__, 'alpn="h2"')


@scenario("ech-stale-key.pcap")
def ech_stale_key(path):
    """The HTTPS record has a key that the server lost: it answers as the cover name, and Chromium comes again without"""
    chromium_with_ech(path, ech_stale_key.__doc__, 'alpn="h2" ech="{stale}"')


def encrypted_resolver(s, records):
    """The campus resolver with DNS over TLS and over HTTPS beside plain DNS."""
    certificate, key = s.authority.issue(DOH, RESOLVER)
    s.lab.truth.notes["encrypted_dns"] = {"server": RESOLVER, "name": DOH, "ports": [443, 853]}
    return s.resolve(records, extra=f"""
  interface-automatic-ports: "53 443 853"
  https-port: 443
  tls-port: 853
  tls-service-key: "{key}"
  tls-service-pem: "{certificate}"
""")


@scenario("doh-curl.pcap")
def doh_curl(path):
    """curl asks over HTTPS: the resolver's own name is all that plain DNS shows"""
    with stage(path, doh_curl.__doc__, "curl", "nginx") as s:
        publish(s.root, MAR, STORED_BYTES)
        s.nginx("download.mozilla.org", plain=True)
        encrypted_resolver(s, f"download.mozilla.org. 300 A {EDGE}\n{DOH}. 300 A {RESOLVER}")
        options = ["-4", "--doh-url", f"https://{DOH}/dns-query"]
        with s.lab.capture(path):
            curl(s.lab, s.client, "https://download.mozilla.org" + MAR, options=options, authority=s.authority)
            curl(s.lab, s.client, "http://download.mozilla.org/", options=options, authority=s.authority)


@scenario("doh-firefox-ech.pcap")
def doh_firefox_ech(path):
    """Firefox with DNS over HTTPS and Encrypted ClientHello: no packet has the true name"""
    with stage(path, doh_firefox_ech.__doc__, "firefox", "caddy") as s:
        key = s.caddy("download.mozilla.org", cover=WELL_KNOWN_COVER).ech_configuration()
        publish(s.root, "/sample.html", STORED_BYTES)
        encrypted_resolver(s, f"""
download.mozilla.org. 300 A {EDGE}
download.mozilla.org. 300 HTTPS 1 . alpn="h2" ech="{key}"
{DOH}. 300 A {RESOLVER}
""")
        preferences = {"network.trr.mode": 3, "network.trr.uri": f"https://{DOH}/dns-query",
                       "network.trr.bootstrapAddr": RESOLVER, "network.trr.allow-rfc1918": True,
                       "network.dns.echconfig.enabled": True, "network.http.http3.enable": False}
        with s.lab.capture(path), Firefox(s.lab, s.client, s.authority, preferences) as browser:
            browser.load("https://download.mozilla.org/sample.html", s.edge, ech=True, public_name=WELL_KNOWN_COVER)


def forward_over_tls(s):
    """unbound on the client itself, which asks the campus resolver over TLS only."""
    configuration = s.lab.directory / "forwarder.conf"
    configuration.write_text(f"""
server:
  directory: "{s.lab.directory}"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  interface: 127.0.0.1
  module-config: "iterator"
  tls-cert-bundle: "{s.authority.certificate}"
forward-zone:
  name: "."
  forward-tls-upstream: yes
  forward-addr: {RESOLVER}@853#{DOH}
remote-control:
  control-enable: no
""")
    s.client.spawn(["unbound", "-d", "-c", configuration], ready="start of service")
    s.client.use_resolver("127.0.0.1")


@scenario("dot.pcap")
def dot(path):
    """DNS over TLS from a forwarder on the host, and by kdig; then a check over TLS and a download over HTTP"""
    with stage(path, dot.__doc__, "curl", "kdig", "nginx") as s:
        publish(s.root, MAR, STORED_BYTES)
        publish(s.root, "/update.xml", UPDATE_XML)
        s.nginx("download.mozilla.org", plain=True)
        encrypted_resolver(s, f"download.mozilla.org. 300 A {EDGE}\n{DOH}. 300 A {RESOLVER}")
        forward_over_tls(s)
        with s.lab.capture(path):
            s.client.run(["kdig", f"@{RESOLVER}", "+tls-ca=" + str(s.authority.certificate), f"+tls-hostname={DOH}",
                          "download.mozilla.org", "HTTPS"])
            curl(s.lab, s.client, "https://download.mozilla.org/update.xml", authority=s.authority)
            curl(s.lab, s.client, "http://download.mozilla.org" + MAR)


@scenario("tls-resumption.pcap")
def tls_resumption(path):
    """TLS 1.3 twice by curl, the second time resumed; then by openssl, resumed with the request as early data"""
    with stage(path, tls_resumption.__doc__, "curl", "openssl", "nginx") as s:
        publish(s.root, "/update.xml", UPDATE_XML)
        s.nginx("aus5.mozilla.org", protocols="TLSv1.3", extra="ssl_early_data on;")
        s.resolve(f"aus5.mozilla.org. 300 A {EDGE}")
        url = "https://aus5.mozilla.org/update.xml"
        with s.lab.capture(path):
            curl(s.lab, s.client, url, url, options=["-4", "--http1.1", "-H", "Connection: close"], authority=s.authority)
            openssl_resumed(s, "aus5.mozilla.org", "/update.xml")


def openssl_resumed(s, name, path):
    """A first connection that keeps its ticket, a second that sends the request before the handshake's end."""
    ticket, request = s.lab.directory / "ticket.pem", s.lab.directory / "request.txt"
    request.write_text(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")
    base = f"openssl s_client -connect {name}:443 -servername {name} -CAfile {s.authority.certificate} -ign_eof"
    for options in (f"-sess_out {ticket} < {request}", f"-sess_in {ticket} -early_data {request} < /dev/null"):
        start = time.time()
        printed = s.client.run(["sh", "-c", f"timeout 20 {base} {options}"])
        body = printed.partition("\r\n\r\n")[2].partition(UPDATE_XML.decode())[1]
        s.lab.truth.access(
            tool="openssl s_client", host=s.client.name, client=s.client.ipv4[0], name=name, server=s.edge.ipv4[0],
            server_port=443, transport="tls", http_version="1.1", method="GET", url=f"https://{name}{path}",
            status=int(printed.partition("HTTP/1.1 ")[2][:3]), bytes_received=len(body), start=round(start, 3),
            resumed="Reused, " in printed, early_data="Early data was accepted" in printed)


@scenario("tls-hello-retry.pcap")
def tls_hello_retry(path):
    """The server wants another key exchange group: two ClientHellos a connection, by curl and by Chromium"""
    with stage(path, tls_hello_retry.__doc__, "chromium", "curl", "nginx") as s:
        publish(s.root, "/update.xml", UPDATE_XML)
        s.nginx("aus5.mozilla.org", protocols="TLSv1.3", extra="ssl_ecdh_curve secp384r1;")
        s.resolve(f"aus5.mozilla.org. 300 A {EDGE}")
        with s.lab.capture(path):
            curl(s.lab, s.client, "https://aus5.mozilla.org/update.xml", authority=s.authority,
                 options=["-4", "--curves", "X25519:P-384"])
            with Chromium(s.lab, s.client, s.authority, ["--disable-quic"]) as browser:
                browser.load("https://aus5.mozilla.org/")
