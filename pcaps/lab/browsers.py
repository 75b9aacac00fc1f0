"""Browsers: Chromium, Firefox, and curl with a browser's hello.

Each browser is quiet: everything it does by itself is switched off, so that a capture holds what its scenario asked
for. Each access is noted as the browser's own network log tells it; the client's port comes from the server's log.
"""

import contextlib
import ctypes
import json
import os
import select
import socket
import threading
import time
from urllib.parse import urlsplit

from http3 import PYTHON, reports
from lab import LabError, check

PAGE_LIMIT_S = 30
CLONE_NEWNET = 0x40000000

CHROMIUM_QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-pings",
    "--no-default-browser-check", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--disable-domain-reliability", "--disable-breakpad",
    "--metrics-recording-only", "--password-store=basic",
    "--disable-features=OptimizationHints,MediaRouter,AutofillServerCommunication,InterestFeedContentSuggestions",
]

# What Chromium asks at its start all the same.
CHROMIUM_OWN_NAMES = ("accounts.google.com", "clients2.google.com", "update.googleapis.com")

FIREFOX_QUIET = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.chrome.site_icons": False,
    "browser.discovery.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.provider.google4.updateURL": "",
    "browser.safebrowsing.provider.mozilla.updateURL": "",
    "browser.search.update": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "browser.startup.homepage": "about:blank",
    "browser.topsites.contile.enabled": False,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "identity.fxaccounts.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-provider.enabled": False,
    "messaging-system.rsexperimentloader.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.prefetch-next": False,
    "network.trr.mode": 5,
    "security.OCSP.enabled": 0,
    "security.remote_settings.crlite_filters.enabled": False,
    "security.remote_settings.intermediates.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "",
    # A private authority is a third-party root; with one, Firefox would leave out HTTP/3 and encrypted hellos.
    "network.http.http3.disable_when_third_party_roots_found": False,
}

# Runs in the lab's environment: one request with the hello of a named browser, told as one REPORT line.
BROWSER_LIKE = """
import json, sys, time
from curl_cffi import CurlHttpVersion, requests
browser, version, authority, url = sys.argv[1:]
options = {"http_version": CurlHttpVersion.V3ONLY} if version == "3" else {}
start = time.time()
answer = requests.get(url, impersonate=browser, verify=authority, timeout=20, **options)
print("REPORT", json.dumps({
    "client": answer.local_ip, "client_port": answer.local_port, "server": answer.primary_ip,
    "server_port": answer.primary_port, "url": url, "status": answer.status_code, "bytes_received": len(answer.content),
    "start": round(start, 3), "http_version": {2: "1.1", 3: "2", 4: "2", 30: "3"}.get(answer.http_version)}))
"""


def browser_like(lab, client, authority, browser, url, quic=False):
    """curl_cffi with the ClientHello of `browser` (such as "chrome152"), over TCP or QUIC."""
    printed = client.run([PYTHON, "-c", BROWSER_LIKE, browser, "3" if quic else "2", authority.certificate, url])
    for told in reports(printed):
        lab.truth.access(tool=f"curl_cffi as {browser}", host=client.name, name=urlsplit(url).hostname,
                         transport="quic" if quic else "tls", method="GET", **told)


class Chromium:
    """A headless Chromium of its own profile, driven over the DevTools protocol on two named pipes.

    Even a quiet one asks a few names at its start; only those that a scenario serves are in `allow`.
    """

    def __init__(self, lab, client, authority, options=(), allow=()):
        self.lab = lab
        self.client = client
        self.directory = lab.directory / f"chromium-{client.name}-{len(lab.processes)}"
        self.pending = b""
        self.events = []
        self.number = 0
        store = self.directory / ".pki" / "nssdb"
        store.mkdir(parents=True)
        trust(store, authority)
        self._start(options, [name for name in CHROMIUM_OWN_NAMES if name not in allow])
        self.call("Browser.getVersion")

    def _start(self, options, denied):
        to_browser, from_browser = self.directory / "to", self.directory / "from"
        os.mkfifo(to_browser)
        os.mkfifo(from_browser)
        # Opened for both directions, so that neither side waits for the other to open its end.
        self.writer = os.open(to_browser, os.O_RDWR)
        self.reader = os.open(from_browser, os.O_RDWR)
        command = ["chromium", *CHROMIUM_QUIET, f"--user-data-dir={self.directory}/profile", "--remote-debugging-pipe"]
        command += options
        if denied:
            command.append("--host-resolver-rules=" + ",".join(f"MAP {name} ~NOTFOUND" for name in denied))
        # DevTools reads from descriptor 3 and writes to 4.
        self.process = self.client.spawn(
            ["sh", "-c", 'exec "$@" 3<"$TO" 4>"$FROM"', "chromium", *command, "about:blank"],
            env={**os.environ, "HOME": str(self.directory), "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": "",
                 "TO": str(to_browser), "FROM": str(from_browser)})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(LabError):
            self.call("Browser.close")
        with contextlib.suppress(Exception):
            self.process.wait(10)
        self.lab.stop(self.process)
        os.close(self.writer)
        os.close(self.reader)

    def load(self, url, **facts):
        """Opens a page in a new tab until nothing is on the way any more, and notes one access a response."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Network.enable", "Page.enable"):
            self.call(domain, session)
        first = len(self.events)
        self.call("Page.navigate", session, url=url)
        self._settle(session, first)
        self.call("Target.closeTarget", targetId=target)
        found = self._responses(self.events[first:])
        if not found:
            raise LabError(f"chromium loaded nothing from {url}: {self.events[first:]} {self.process.log_text()}")
        for access in found:
            self.lab.truth.access(**access, **facts)

    def _settle(self, session, first):
        """Until every request that was sent has ended, one way or the other."""
        deadline = time.monotonic() + PAGE_LIMIT_S
        while time.monotonic() < deadline:
            self._read(0.3)
            methods = [event["method"] for event in self.events[first:]]
            ended = methods.count("Network.loadingFinished") + methods.count("Network.loadingFailed")
            if "Page.loadEventFired" in methods and ended >= methods.count("Network.requestWillBeSent"):
                return
        raise LabError(f"the page did not settle: {self.events[first:]} {self.process.log_text()}")

    def _responses(self, events):
        """The network events of one page in the words of the truth file."""
        accesses = {}
        for event in events:
            told = event["params"]
            access = accesses.get(told.get("requestId"))
            if event["method"] == "Network.requestWillBeSent":
                accesses[told["requestId"]] = self._request(told)
            elif access is None:
                continue
            elif event["method"] == "Network.responseReceived":
                access.update(self._response(told["response"]))
            elif event["method"] == "Network.dataReceived":
                access["bytes_received"] += told["dataLength"]
            elif event["method"] == "Network.loadingFailed":
                access["error"] = told["errorText"]
        return list(accesses.values())

    def _request(self, told):
        url = told["request"]["url"]
        return {"tool": "chromium", "host": self.client.name, "client": self.client.ipv4[0],
                "name": urlsplit(url).hostname, "method": told["request"]["method"], "url": url,
                "bytes_received": 0, "start": round(told["wallTime"], 3)}

    def _response(self, response):
        security = response.get("securityDetails", {})
        version = {"h3": "3", "h2": "2"}.get(response["protocol"], "1.1")
        return {"server": response.get("remoteIPAddress", "").strip("[]"), "server_port": response.get("remotePort"),
                "transport": "quic" if version == "3" else "tls" if security else "http", "http_version": version,
                "status": response["status"], "key_exchange": security.get("keyExchangeGroup"),
                "ech": security.get("encryptedClientHello", False)}

    def call(self, method, session=None, **parameters):
        """One DevTools command; returns its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PAGE_LIMIT_S
        while time.monotonic() < deadline:
            for answer in self._read(0.3):
                if answer.get("id") != self.number:
                    continue
                if "error" in answer:
                    raise LabError(f"{method}: {answer['error']}")
                return answer["result"]
        raise LabError(f"{method}: no answer from chromium: {self.process.log_text()}")

    def _read(self, limit_s):
        """Takes what the browser said; returns answers, keeps events."""
        if not select.select([self.reader], [], [], limit_s)[0]:
            return []
        *messages, self.pending = (self.pending + os.read(self.reader, 1 << 20)).split(b"\0")
        messages = [json.loads(message) for message in messages]
        self.events += [message for message in messages if "method" in message]
        return [message for message in messages if "id" in message]


class Firefox:
    """A headless Firefox of its own profile, driven over Marionette."""

    PORT = 2828

    def __init__(self, lab, client, authority, preferences=None):
        self.lab = lab
        self.client = client
        self.directory = lab.directory / f"firefox-{client.name}-{len(lab.processes)}"
        profile = self.directory / "profile"
        profile.mkdir(parents=True)
        trust(profile, authority)
        wanted = {**FIREFOX_QUIET, **(preferences or {}), "marionette.port": self.PORT}
        (profile / "user.js").write_text("".join(
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in wanted.items()))
        command = ["firefox-esr", "--headless", "--no-remote", "--profile", profile, "--marionette",
                   "--remote-allow-system-access"]
        self.process = client.spawn(command, env={
            **os.environ, "HOME": str(self.directory), "MOZ_CRASHREPORTER_DISABLE": "1",
            # Without it Firefox keeps its remote settings server, whatever the preference says.
            "MOZ_REMOTE_SETTINGS_DEVTOOLS": "1"})
        self.socket = self._connect()
        self.pending = b""
        self.number = 0
        self._message()
        self.call("WebDriver:NewSession", capabilities={"alwaysMatch": {"pageLoadStrategy": "normal"}})

    def _connect(self):
        deadline = time.monotonic() + PAGE_LIMIT_S
        while True:
            try:
                return connect_inside(self.client, ("127.0.0.1", self.PORT))
            except OSError:
                if time.monotonic() > deadline or self.process.popen.poll() is not None:
                    raise LabError(f"firefox does not listen: {self.process.log_text()}") from None
                time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self.call("Marionette:Quit", flags=["eForceQuit"])
            self.process.wait(10)
        self.lab.stop(self.process)
        self.socket.close()

    def load(self, url, server, **facts):
        """Opens a page and notes one access, as the page's own timing entry tells it."""
        start = time.time()
        self.call("WebDriver:Navigate", url=url)
        status, size, protocol, shown = self.script(
            "const e = performance.getEntriesByType('navigation')[0];"
            "return [e.responseStatus, e.decodedBodySize, e.nextHopProtocol, document.documentURI];")
        if not shown.startswith(url.split("#")[0]):
            raise LabError(f"firefox shows {shown} instead of {url}")
        self._note(url, server, start, status, size, protocol, facts)

    def fetch(self, url, server, **facts):
        """Lets the page that is shown fetch a file, with its cookies, from a server that allows it."""
        start = time.time()
        status, size = self.script(
            f"return fetch({json.dumps(url)}, {{credentials: 'include'}})"
            ".then(answer => answer.arrayBuffer().then(body => [answer.status, body.byteLength]));")
        protocol = self.script("return performance.getEntriesByType('resource').pop().nextHopProtocol;")
        self._note(url, server, start, status, size, protocol, facts)

    def _note(self, url, server, start, status, size, protocol, facts):
        secure = url.startswith("https")
        version = {"h3": "3", "h2": "2"}.get(protocol, "1.1")
        self.lab.truth.access(
            tool="firefox", host=self.client.name, client=self.client.ipv4[0], server=server.ipv4[0],
            server_port=443 if secure else 80, name=urlsplit(url).hostname,
            transport="quic" if version == "3" else "tls" if secure else "http", http_version=version, method="GET",
            url=url, status=status, bytes_received=size, start=round(start, 3), **facts)

    def script(self, text, chrome=False):
        """Runs a function body in the page, or in the browser itself; waits where it returns a promise."""
        self.call("Marionette:SetContext", value="chrome" if chrome else "content")
        return self.call("WebDriver:ExecuteScript", script=text, args=[])["value"]

    def call(self, command, **parameters):
        """One Marionette command; returns its result."""
        self.number += 1
        message = json.dumps([0, self.number, command, parameters]).encode()
        self.socket.sendall(b"%d:%b" % (len(message), message))
        _, _, error, result = self._message()
        if error:
            raise LabError(f"{command}: {error['error']}: {error['message']}")
        return result

    def _message(self):
        """Reads `LENGTH:JSON`."""
        while b":" not in self.pending:
            self._receive()
        length, _, self.pending = self.pending.partition(b":")
        while len(self.pending) < int(length):
            self._receive()
        message, self.pending = self.pending[:int(length)], self.pending[int(length):]
        return json.loads(message)

    def _receive(self):
        received = self.socket.recv(65536)
        if not received:
            raise LabError(f"firefox closed its end: {self.process.log_text()}")
        self.pending += received


def trust(store, authority):
    """Makes a certificate store that trusts the private authority."""
    check(["certutil", "-N", "--empty-password", "-d", f"sql:{store}"])
    check(["certutil", "-A", "-d", f"sql:{store}", "-n", "laboratory", "-t", "C,,", "-i", authority.certificate])


def connect_inside(namespace, address):
    """A TCP connection made in a namespace; a socket stays where it was made, so only a thread has to go there."""
    made = []

    def make():
        with open(f"/run/netns/{namespace.netns}") as there:
            if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), CLONE_NEWNET):
                made.append(OSError(ctypes.get_errno(), "setns"))
                return
        try:
            made.append(socket.create_connection(address, PAGE_LIMIT_S))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def complete_accesses(lab, tool, *servers):
    """Completes a browser's accesses from the servers' logs: its ports, and the requests that it made by itself.

    Nothing but the browser speaks to these servers, and all they sent arrived.
    """
    logged = [request for server in servers for request in server.requests()]
    for access in lab.truth.accesses:
        request = next((request for request in logged if same_request(access, request)), None)
        if request:
            access.update(client=request["client"], client_port=request["client_port"])
            logged.remove(request)
    for request in logged:
        lab.truth.access(tool=tool, host=lab.hosts["client"].name, by_itself=True, **access_of(request))


def access_of(request):
    """A server's log line in the words of an access."""
    version = request["protocol"].removeprefix("HTTP/").removesuffix(".0")
    scheme = "https" if request["server_port"] == 443 else "http"
    same = ("client", "client_port", "server", "server_port", "name", "method", "status", "start")
    transport = "http" if scheme == "http" else "quic" if version == "3" else "tls"
    return {**{key: request[key] for key in same}, "transport": transport, "http_version": version,
            "url": f"{scheme}://{request['name']}{request['url']}", "bytes_received": request["body_bytes"]}


def same_request(access, request):
    """Whether a server's log line is the access that a client told of."""
    parts = urlsplit(access["url"])
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    same_port = access.get("client_port", request["client_port"]) == request["client_port"]
    return same_port and (request["name"], request["url"]) == (parts.hostname, path)
