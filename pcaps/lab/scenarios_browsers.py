"""Browsers over TCP and QUIC: long post-quantum hellos, and what browsers ask by themselves."""

from browsers import Chromium, Firefox, browser_like
from scenario import scenario
from servers import Nginx, publish, site
from stage import COMPONENT, EDGE, EDGE_IPV6, ICON, LARGE_BYTES, OTHER_EDGE, STORED_BYTES, UPDATE_XML, page_with, stage

# What Chromium asks by itself where these scenarios serve it.
OWN = ("clients2.google.com", "update.googleapis.com")


@scenario("chromium-tcp.pcap")
def chromium_tcp(path):
    """Chromium over TCP: post-quantum ClientHello in two segments, TLS 1.3, HTTP/2, a check and a small component"""
    with stage(path, chromium_tcp.__doc__, "chromium", "nginx", "caddy") as s:
        other = s.lab.wan_host("other", OTHER_EDGE)
        publish(s.root, "/service/update2/check.html", f"<!doctype html>{ICON}<title>No update</title>\n".encode())
        publish(s.root, COMPONENT, STORED_BYTES)
        page_with(s.root, "/component.html", COMPONENT)
        s.nginx("update.googleapis.com", "clients2.google.com", plain=True)
        s.caddy("edgedl.me.gvt1.com", host=other)
        s.resolve(f"""
update.googleapis.com. 300 A {EDGE}
clients2.google.com. CNAME clients.l.google.com.
clients.l.google.com. 300 A {EDGE}
edgedl.me.gvt1.com. 300 A {OTHER_EDGE}
""")
        with s.lab.capture(path), Chromium(s.lab, s.client, s.authority, ["--disable-quic"], OWN) as browser:
            browser.load("https://update.googleapis.com/service/update2/check.html")
            browser.load("https://edgedl.me.gvt1.com/component.html")
            browser.load("https://clients2.google.com/")


def chromium_over_quic(path, about, size):
    """A check and a component of `size` bytes over QUIC."""
    with stage(path, about, "chromium", "caddy") as s:
        publish(s.root, COMPONENT, size)
        page_with(s.root, "/component.html", COMPONENT)
        s.caddy("edgedl.me.gvt1.com", "update.googleapis.com")
        s.resolve(f"edgedl.me.gvt1.com. 300 A {EDGE}\nupdate.googleapis.com. 300 A {EDGE}")
        forced = ["--origin-to-force-quic-on=edgedl.me.gvt1.com:443,update.googleapis.com:443"]
        with s.lab.capture(path), Chromium(s.lab, s.client, s.authority, forced, ["update.googleapis.com"]) as browser:
            browser.load("https://update.googleapis.com/")
            browser.load("https://edgedl.me.gvt1.com/component.html")


@scenario("chromium-quic.pcap")
def chromium_quic(path):
    """Chromium over QUIC: a ClientHello in shuffled CRYPTO frames over two Initials, a check and a small component"""
    chromium_over_quic(path, chromium_quic.__doc__, STORED_BYTES)


@scenario("chromium-quic-download.pcap", large=True)
def chromium_quic_download(path):
    """Chromium downloads 1 MiB over QUIC"""
    chromium_over_quic(path, chromium_quic_download.__doc__, LARGE_BYTES)


@scenario("chromium-ipv6.pcap")
def chromium_ipv6(path):
    """Chromium on a host with both families: IPv6 is preferred, over TCP and over QUIC"""
    with stage(path, chromium_ipv6.__doc__, "chromium", "caddy", ipv6=True) as s:
        s.caddy("edgedl.me.gvt1.com", "download.mozilla.org")
        s.resolve("".join(f"{name}. 300 A {EDGE}\n{name}. 300 AAAA {EDGE_IPV6}\n"
                          for name in ("edgedl.me.gvt1.com", "download.mozilla.org")))
        forced = ["--origin-to-force-quic-on=edgedl.me.gvt1.com:443"]
        with s.lab.capture(path), Chromium(s.lab, s.client, s.authority, forced) as browser:
            browser.load("https://edgedl.me.gvt1.com/")
            browser.load("https://download.mozilla.org/")


@scenario("firefox.pcap")
def firefox(path):
    """Firefox ESR: its own portal check over HTTP, a check at aus5 over TLS 1.3 and HTTP/2"""
    with stage(path, firefox.__doc__, "firefox", "nginx") as s:
        aus = "/update/6/Firefox/153.7.0/20261101000000/Linux_x86_64-gcc3/en-US/esr/Linux/default/default/update.xml"
        publish(s.root, aus, UPDATE_XML)
        publish(s.root, "/canonical.html", b"<!doctype html><title>Online</title>\n")
        s.serve(Nginx, [s.site("aus5.mozilla.org"), site(s.root, "detectportal.firefox.com")])
        s.resolve(f"""
aus5.mozilla.org. CNAME balrog.lab-edge.example.
balrog.lab-edge.example. 60 A {EDGE}
detectportal.firefox.com. CNAME detectportal.lab-edge.example.
detectportal.lab-edge.example. 60 A {EDGE}
""")
        preferences = {"network.captive-portal-service.enabled": True}
        with s.lab.capture(path), Firefox(s.lab, s.client, s.authority, preferences) as browser:
            browser.load("https://aus5.mozilla.org" + aus, s.edge)


# What Firefox itself runs once a day: asks aus5 for plug-ins, falls back to its own list, downloads the first.
PLUGIN_UPDATE = """
const { GMPInstallManager } = ChromeUtils.importESModule("resource://gre/modules/GMPInstallManager.sys.mjs");
const manager = new GMPInstallManager();
return manager.checkForAddons().then(found => manager.installAddon(found.addons[0])).catch(error => String(error));
"""
# The file that Firefox's own list names; another version of Firefox may ask for another one.
PLUGIN = "/openh264-linux64-652bdb7719f30b52b08e506645a7322ff1b2cc6f.zip"


@scenario("firefox-plugin.pcap")
def firefox_plugin(path):
    """Firefox's own updater asks aus5 for plug-ins, downloads one and refuses it: no install follows this download"""
    with stage(path, firefox_plugin.__doc__, "firefox", "nginx") as s:
        other = s.lab.wan_host("other", OTHER_EDGE)
        publish(s.root, "/update.xml", UPDATE_XML)
        publish(s.root, PLUGIN, 2 * STORED_BYTES)
        s.nginx("aus5.mozilla.org", extra="location /update/3/ { try_files /update.xml =404; }")
        s.nginx("ciscobinary.openh264.org", host=other)
        s.resolve(f"aus5.mozilla.org. 60 A {EDGE}\nciscobinary.openh264.org. 60 A {OTHER_EDGE}")
        preferences = {"media.gmp-manager.updateEnabled": True, "media.gmp-provider.enabled": True,
                       "media.gmp-gmpopenh264.visible": True, "media.gmp-gmpopenh264.enabled": True}
        with s.lab.capture(path), Firefox(s.lab, s.client, s.authority, preferences) as browser:
            s.lab.truth.notes["plugin"] = browser.script(PLUGIN_UPDATE, chrome=True)


@scenario("firefox-quic.pcap")
def firefox_quic(path):
    """Firefox ESR over QUIC, which an HTTPS record announces"""
    with stage(path, firefox_quic.__doc__, "firefox", "caddy") as s:
        s.caddy("download.mozilla.org")
        publish(s.root, "/sample.html", STORED_BYTES)
        s.resolve(f'download.mozilla.org. 300 A {EDGE}\ndownload.mozilla.org. 300 HTTPS 1 . alpn="h3,h2"')
        with s.lab.capture(path), Firefox(s.lab, s.client, s.authority) as browser:
            browser.load("https://download.mozilla.org/sample.html", s.edge)


@scenario("http2-coalescing.pcap")
def http2_coalescing(path):
    """Two names share a certificate and an address: Firefox downloads from the second over the first one's connection"""
    with stage(path, http2_coalescing.__doc__, "firefox", "nginx") as s:
        publish(s.root, "/sample.mar", STORED_BYTES)
        allowed = ('add_header Access-Control-Allow-Origin https://www.campus.example;'
                   'add_header Access-Control-Allow-Credentials true; add_header Timing-Allow-Origin *;')
        s.nginx("www.campus.example", "download.mozilla.org", extra=allowed)
        s.resolve(f"www.campus.example. 300 A {EDGE}\ndownload.mozilla.org. 300 A {EDGE}")
        with s.lab.capture(path), Firefox(s.lab, s.client, s.authority) as browser:
            browser.load("https://www.campus.example/", s.edge)
            browser.fetch("https://download.mozilla.org/sample.mar", s.edge, coalesced_with="www.campus.example")


@scenario("browser-hellos.pcap")
def browser_hellos(path):
    """The hellos of Chrome, Firefox and Safari as curl_cffi imitates them, over TCP and over QUIC"""
    with stage(path, browser_hellos.__doc__, "curl_cffi", "caddy") as s:
        s.caddy("download.mozilla.org")
        s.resolve(f"download.mozilla.org. 300 A {EDGE}")
        url = "https://download.mozilla.org/"
        with s.lab.capture(path):
            for browser in ("chrome152", "firefox155", "safari270", "edge101"):
                browser_like(s.lab, s.client, s.authority, browser, url)
            for browser in ("chrome152", "firefox147", "safari270"):
                browser_like(s.lab, s.client, s.authority, browser, url, quic=True)
