"""A Windows host's update traffic, played by curl with the names, paths, headers and order that Windows uses."""

from clients import curl
from scenario import scenario
from servers import publish
from standard import UpdateLab

UPDATE_AGENT = "Windows-Update-Agent/10.0.10011.16384 Client-Protocol/2.50"
DELIVERY = "Microsoft-Delivery-Optimization/10.1"
CRYPTO_API = "Microsoft-CryptoAPI/10.0"
CAB = ("/c/msdownload/update/software/secu/2018/08/"
       "windows10.0-kb4343899-x64_5f0a1b2c3d4e5f60718293a4b5c6d7e8f9012345.cab")
TRUST_LIST = "/msdownload/update/v3/static/trustedr/en/disallowedcertstl.cab"
FILE = "/filestreamingservice/files/3d6a1f0e-5b7c-4c1d-9e2f-0a1b2c3d4e5f"
QUERY = "?P1=1795600000&P2=404&P3=2&P4=ZXhhbXBsZSBzaWduYXR1cmUgb2YgdGhlIHNhbXBsZQ%3d%3d"
STREAM_NAME = "tlu.dl.delivery.mp.microsoft.com"
CONNECT_TEST = "203.0.113.18"
CACHE = "203.0.113.90"
PIECE = 131_072
PIECES = 4


@scenario("windows-update.pcap.zst")
def windows_update(path):
    """Windows Update: connectivity check, certificate list, check over TLS, a KB cab in ranges"""
    with windows_lab(windows_update.__doc__) as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            connectivity(lab)
            curl(lab, lab.client, f"http://ctldl.windowsupdate.com{TRUST_LIST}?0a1b2c3d4e5f6071",
                 options=["--user-agent", CRYPTO_API, "--header", "Cache-Control: max-age = 3600"])
            check_for_updates(lab)
            ranges(lab, f"http://download.windowsupdate.com{CAB}", ["--user-agent", "Microsoft BITS/7.8"])
        lab.finish(path, "curl")


@scenario("delivery-optimization.pcap.zst")
def delivery_optimization(path):
    """Delivery Optimization: ranges of one file, first by name; another file from a cache whose Host is a bare address"""
    with windows_lab(delivery_optimization.__doc__) as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            ranges(lab, f"http://{STREAM_NAME}{FILE}{QUERY}", ["--user-agent", DELIVERY])
            # The cache's address comes from a service over TLS, so no question names it.
            ranges(lab, f"http://{CACHE}{FILE}b{QUERY}&cacheHostOrigin={STREAM_NAME}", ["--user-agent", DELIVERY])
        lab.finish(path, "curl")


@scenario("windows-unchanged.pcap")
def windows_unchanged(path):
    """A Windows host that only checks: connectivity check, certificate list not modified, small check over TLS"""
    with windows_lab(windows_unchanged.__doc__) as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            connectivity(lab)
            curl(lab, lab.client, f"http://ctldl.windowsupdate.com{TRUST_LIST}?0a1b2c3d4e5f6071",
                 options=["--user-agent", CRYPTO_API, "--time-cond", "Fri, 01 Jan 2038 00:00:00 GMT"])
            check_for_updates(lab)
        lab.finish(path, "curl")


def windows_lab(about):
    """The standard network, with what Windows asks for on its servers."""
    extra = ("if_modified_since before; add_header X-CID 7; keepalive_requests 100;"
             "location /v6/ { error_page 404 405 =200 /answer.xml; }")
    return WindowsLab(about, site_extra=extra, records=f"www.msftconnecttest.com. 60 A {CONNECT_TEST}\n")


class WindowsLab(UpdateLab):
    """`UpdateLab` with two more addresses and Windows's files."""

    def _furnish(self):
        super()._furnish()
        for address in (CONNECT_TEST, CACHE):
            self.add_address(self.web, address)
        publish(self.root, "/ncsi.txt", b"Microsoft NCSI")
        publish(self.root, "/connecttest.txt", b"Microsoft Connect Test")
        publish(self.root, "/answer.xml", b"<s:Envelope>" + b"<Update/>" * 600 + b"</s:Envelope>")
        publish(self.root, TRUST_LIST, b"MSCF" + bytes(4_700))
        for target in (CAB, FILE, FILE + "b"):
            publish(self.root, target, b"MSCF" + bytes(PIECE * PIECES - 4))

def connectivity(lab):
    for url in ("http://www.msftconnecttest.com/connecttest.txt", "http://www.msftncsi.com/ncsi.txt"):
        curl(lab, lab.client, url, options=["--user-agent", "Microsoft NCSI"])


def check_for_updates(lab):
    """A SOAP call as the update agent makes it; nginx answers any POST there with one fixed body."""
    curl(lab, lab.client, "https://fe2.update.microsoft.com/v6/ClientWebService/client.asmx", authority=lab.authority,
         options=["--user-agent", UPDATE_AGENT, "--header", "Content-Type: text/xml; charset=utf-8",
                  "--data", "<s:Envelope/>" * 40])


def ranges(lab, url, options):
    """A file in pieces, each a request of its own on a connection of its own, as a paused download makes them."""
    curl(lab, lab.client, url, options=[*options, "--head"])
    for number in range(PIECES):
        curl(lab, lab.client, url, options=[*options, "--range", f"{number * PIECE}-{(number + 1) * PIECE - 1}"])
