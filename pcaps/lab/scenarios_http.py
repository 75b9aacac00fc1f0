"""curl as an update client: HTTP and TLS in the forms that update traffic takes."""

import sys
import threading
from pathlib import Path

from clients import curl, pipelined
from scenario import scenario
from servers import RESOLVER_IPV4
from standard import BODY_BYTES, CHECK_PATH, MAR_PATH, UpdateLab

HERE = Path(__file__).resolve().parent
MAR_URL = "http://download.mozilla.org" + MAR_PATH
CHECK_URL = "https://aus5.mozilla.org" + CHECK_PATH


@scenario("curl-http.pcap")
def curl_http(path):
    """curl downloads one file over HTTP, after a DNS answer with a CNAME"""
    with UpdateLab(curl_http.__doc__) as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, MAR_URL)
        lab.finish(path, "curl")


@scenario("curl-tls12.pcap")
def curl_tls12(path):
    """curl over TLS 1.2 only: a small check, then a download on a second connection"""
    with UpdateLab(curl_tls12.__doc__, tls="TLSv1.2") as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            check_and_download(lab)
        lab.finish(path, "curl")


@scenario("curl-tls13.pcap")
def curl_tls13(path):
    """curl over TLS 1.3 with HTTP/2 in ALPN: a small check, then a download on a second connection"""
    with UpdateLab(curl_tls13.__doc__, tls="TLSv1.3", http2=True) as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            check_and_download(lab)
        lab.finish(path, "curl")


@scenario("http-keepalive.pcap")
def http_keepalive(path):
    """Several requests on one connection: three by curl; then four by hand, with a HEAD amid them"""
    with UpdateLab(http_keepalive.__doc__, body_bytes=12_000) as lab:
        lab.mirror(lab.client)
        base = "http://download.mozilla.org"
        with lab.capture(path):
            curl(lab, lab.client, base + CHECK_PATH, base + MAR_PATH, base + "/gone.mar")
            # curl would send HEAD for all URLs of a run.
            pipelined(lab, lab.client, "203.0.113.10", 80, [
                request("GET", MAR_PATH), request("HEAD", MAR_PATH), request("GET", CHECK_PATH), request("GET", "/gone.mar")],
                wait_for_each=True)
        lab.finish(path, "curl", "python3")


@scenario("http-pipelined.pcap")
def http_pipelined(path):
    """Three HTTP requests sent in one segment before the first response; the third body is a download"""
    with UpdateLab(http_pipelined.__doc__) as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            lab.client.run(["getent", "ahostsv4", "download.mozilla.org"])
            pipelined(lab, lab.client, "203.0.113.10", 80,
                      [request("GET", CHECK_PATH), request("HEAD", MAR_PATH), request("GET", MAR_PATH)])
        lab.finish(path, "python3")


@scenario("http-ranges.pcap")
def http_ranges(path):
    """One file in four ranges over three connections, two of them at the same time"""
    with UpdateLab(http_ranges.__doc__) as lab:
        lab.mirror(lab.client)
        quarter = BODY_BYTES // 4
        parts = [f"{number * quarter}-{(number + 1) * quarter - 1}" for number in range(4)]
        with lab.capture(path):
            together = [threading.Thread(target=curl, args=(lab, lab.client, MAR_URL), kwargs={"options": ["--range", part]})
                        for part in parts[:2]]
            for thread in together:
                thread.start()
            for thread in together:
                thread.join()
            pipelined(lab, lab.client, "203.0.113.10", 80,
                      [request("GET", MAR_PATH, f"Range: bytes={part}") for part in parts[2:]], wait_for_each=True)
        lab.finish(path, "curl", "python3")


@scenario("http-partial.pcap")
def http_partial(path):
    """A download that the client gives up in the middle: both sides close in order, most of the body is missing"""
    with UpdateLab(http_partial.__doc__, body_bytes=400_000, site_extra="limit_rate 20k; limit_rate_after 20k;") as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, MAR_URL, options=["--max-time", "1"], accept=(28,))
        lab.finish(path, "curl")


@scenario("http-reset.pcap")
def http_reset(path):
    """A download that the client gives up with data unread: it resets the connection"""
    with UpdateLab(http_reset.__doc__, body_bytes=400_000) as lab:
        # A small buffer that a slow reader keeps full.
        lab.client.sysctl("net.ipv4.tcp_rmem=4096 16384 16384")
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, MAR_URL, options=["--max-time", "1", "--limit-rate", "20k"], accept=(28,))
        lab.finish(path, "curl")


@scenario("http-answers.pcap")
def http_answers(path):
    """Answers that are no download: 304 after a date and after an ETag, a redirect followed, HEAD, 404, 503"""
    # curl sends a date in the future and would take a 200 for a 304 by itself; nginx must answer 304.
    extra = ("if_modified_since before; location = /moved { return 302 http://download.windowsupdate.com" + MAR_PATH + "; }"
             "location = /busy { return 503; }")
    with UpdateLab(http_answers.__doc__, body_bytes=6_000, site_extra=extra) as lab:
        lab.mirror(lab.client)
        etags = lab.directory / "etag.txt"
        with lab.capture(path):
            curl(lab, lab.client, MAR_URL, options=["--etag-save", str(etags)])
            curl(lab, lab.client, MAR_URL, options=["--etag-compare", str(etags)])
            curl(lab, lab.client, MAR_URL, options=["--time-cond", "Fri, 01 Jan 2038 00:00:00 GMT"])
            curl(lab, lab.client, MAR_URL, options=["--head"])
            curl(lab, lab.client, "http://download.mozilla.org/moved", options=["--location"])
            curl(lab, lab.client, "http://download.mozilla.org/gone.mar")
            curl(lab, lab.client, "http://download.mozilla.org/busy")
        lab.finish(path, "curl")


@scenario("http-chunked.pcap")
def http_chunked(path):
    """Bodies without a Content-Length: chunked with gzip, and one that the server ends by closing (HTTP/1.0)"""
    extra = "gzip on; gzip_types *; gzip_min_length 10;"
    with UpdateLab(http_chunked.__doc__, site_extra=extra) as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, MAR_URL, options=["--header", "Accept-Encoding: gzip"])
            curl(lab, lab.client, MAR_URL, options=["--http1.0"])
        lab.finish(path, "curl")


@scenario("proxy.pcap")
def proxy(path):
    """Through an HTTP proxy on the campus: absolute URI, then CONNECT with TLS inside; seen between client and proxy"""
    with UpdateLab(proxy.__doc__) as lab:
        start_proxy(lab)
        lab.mirror(lab.client)
        with lab.capture(path):
            use_proxy(lab)
        lab.finish(path, "curl", "tinyproxy")


@scenario("proxy-both-legs.pcap")
def proxy_both_legs(path):
    """The same, with the proxy's own way to the servers on the mirror too: every transfer is there twice, by two hosts"""
    with UpdateLab(proxy_both_legs.__doc__) as lab:
        host = start_proxy(lab)
        # The proxy's port alone shows both legs; the client's port would show its leg a second time.
        lab.mirror(host)
        with lab.capture(path):
            use_proxy(lab)
        lab.finish(path, "curl", "tinyproxy")


@scenario("tiny-segments.pcap")
def tiny_segments(path):
    """A ClientHello and an HTTP request in many tiny segments: the servers announce an MSS of 100"""
    with UpdateLab(tiny_segments.__doc__, body_bytes=3_000) as lab:
        lab.web.ip("route", "replace", "default", "via", "203.0.113.1", "dev", "eth0", "onlink", "advmss", "100")
        lab.mirror(lab.client)
        with lab.capture(path):
            curl(lab, lab.client, CHECK_URL, authority=lab.authority)
            curl(lab, lab.client, MAR_URL, options=["--user-agent", "updater/1.0 " + "x" * 300])
        lab.finish(path, "curl")


@scenario("starttls.pcap")
def starttls(path):
    """Mail over SMTP with STARTTLS: TLS that does not begin at the connection's first byte"""
    records = "smtp.lab.example. 60 A 203.0.113.30\n"
    with UpdateLab(starttls.__doc__, records=records) as lab:
        mail = lab.wan_host("mail", "203.0.113.30")
        certificate, key = lab.authority.issue("smtp.lab.example")
        mail.spawn([sys.executable, "-u", HERE / "smtp_server.py", "203.0.113.30", certificate, key], ready="listening")
        message = lab.directory / "message.txt"
        message.write_text("Subject: sample\r\n\r\nNothing to update.\r\n")
        lab.mirror(lab.client)
        with lab.capture(path):
            lab.client.run(["curl", "-sS", "--max-time", "20", "--ssl-reqd", "--cacert", lab.authority.certificate,
                            "--url", "smtp://smtp.lab.example:25", "--mail-from", "sender@lab.example",
                            "--mail-rcpt", "receiver@lab.example", "--upload-file", message])
        lab.finish(path, "curl", "python3")


def check_and_download(lab):
    curl(lab, lab.client, CHECK_URL, authority=lab.authority)
    curl(lab, lab.client, "https://download.mozilla.org" + MAR_PATH, authority=lab.authority)


def request(method, target, *headers):
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: download.mozilla.org", "User-Agent: updater/1.0", *headers, "", ""])


def start_proxy(lab, settings=""):
    """tinyproxy on a campus host of its own, with these settings too; returns the host."""
    host = lab.campus_host("proxy", "198.51.100.80")
    host.use_resolver(RESOLVER_IPV4)
    configuration = lab.directory / "tinyproxy.conf"
    configuration.write_text("Port 3128\nListen 198.51.100.80\nTimeout 30\nAllow 198.51.100.0/24\nConnectPort 443\n"
                             f"MaxClients 20\nLogLevel Info\n{settings}")
    host.spawn(["tinyproxy", "-d", "-c", configuration], ready="Accepting connections")
    return host


def use_proxy(lab):
    options = ["--proxy", "http://198.51.100.80:3128"]
    curl(lab, lab.client, MAR_URL, options=options)
    curl(lab, lab.client, CHECK_URL, options=options, authority=lab.authority)
