"""Looks at a page in a headless Chromium: browser.py CHROMIUM PAGE [--axe FILE] [--shots DIR]; prints what it found as one JSON object.

Loads the page at 360 and 1440 pixels, in light and dark, and on paper. Tells errors on the console, requests for anything but the page, what is
wider than the window, text with less contrast than WCAG AA asks for, text that is too small, and what a reader without eyes would miss:
headings that skip a level, tables without headings, drawings and links without a name, ids that stand twice. With axe-core at hand, its
findings too. Speaks the DevTools protocol over two pipes: no port, no other program.
"""

import argparse
import base64
import json
import os
import pathlib
import subprocess
import tempfile

OWN = (pathlib.Path(__file__).parent / "look.js").read_text()


class Browser:
    def __init__(self, program, folder):
        to_browser, self.writing = os.pipe()
        self.reading, from_browser = os.pipe()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}",
                 "--disable-background-networking", "--disable-component-update", "--no-first-run", "--disable-sync",
                 "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars"]

        def pipes():
            os.dup2(to_browser, 63)
            os.dup2(from_browser, 64)
            os.dup2(63, 3)
            os.dup2(64, 4)

        self.process = subprocess.Popen([program, *flags, "about:blank"], preexec_fn=pipes, close_fds=False,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.rest, self.number, self.events = b"", 0, []

    def message(self):
        while b"\0" not in self.rest:
            read = os.read(self.reading, 1 << 20)
            if not read:
                raise EOFError("the browser ended")
            self.rest += read
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, session=None, **parameters):
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        if session:
            request["sessionId"] = session
        os.write(self.writing, json.dumps(request).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.message())

    def close(self):
        try:
            self.call("Browser.close")
        except (EOFError, OSError):
            pass
        self.process.wait(20)


def evaluate(browser, session, source):
    result = browser.call("Runtime.evaluate", session, expression=source, awaitPromise=True, returnByValue=True)
    if "exceptionDetails" in result:
        raise RuntimeError(result["exceptionDetails"])
    return result["result"].get("value")


def look(browser, page, width, scheme, arguments):
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    browser.events.clear()
    for domain in ("Page", "Runtime", "Log", "Network"):
        browser.call(f"{domain}.enable", session)
    browser.call("Emulation.setDeviceMetricsOverride", session, width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
    browser.call("Emulation.setEmulatedMedia", session, features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.call("Page.navigate", session, url=page.resolve().as_uri())
    browser.wait("Page.loadEventFired")
    found = evaluate(browser, session, OWN)
    if arguments.axe:
        evaluate(browser, session, pathlib.Path(arguments.axe).read_text() + ";0")
        axe = evaluate(browser, session, "axe.run().then(r => r.violations.map(v => v.id + ': ' + v.nodes.length + ' ' + v.nodes[0].html.slice(0, 200)))")
        found["problems"] += [f"axe {one}" for one in axe]
        found["axe"] = True
    if arguments.shots:
        name = f"{page.stem}-{width}-{scheme}"
        shot(browser, session, pathlib.Path(arguments.shots) / f"{name}.png", width, 900)
        shot(browser, session, pathlib.Path(arguments.shots) / f"{name}-whole.png", width, min(found["height"], 14000))
    found["console"], found["requests"] = [], []
    for event in browser.events:
        method, told = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown" or (method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning")):
            found["console"].append(json.dumps(told)[:300])
        if method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            found["console"].append(json.dumps(told)[:300])
        if method == "Network.requestWillBeSent" and told["request"]["url"] != page.resolve().as_uri():
            found["requests"].append(told["request"]["url"][:200])
    if arguments.shots and width > 1000 and scheme == "light":
        paper = browser.call("Page.printToPDF", session, printBackground=False, paperWidth=8.27, paperHeight=11.69)
        (pathlib.Path(arguments.shots) / f"{page.stem}.pdf").write_bytes(base64.b64decode(paper["data"]))
    browser.call("Target.closeTarget", targetId=target)
    return found


def shot(browser, session, path, width, height):
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    image = browser.call("Page.captureScreenshot", session, format="png", clip=clip, captureBeyondViewport=True)
    path.write_bytes(base64.b64decode(image["data"]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("chromium")
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--axe")
    parser.add_argument("--shots")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="patchspan-browser-", ignore_cleanup_errors=True) as folder:
        browser = Browser(arguments.chromium, folder)
        try:
            all_found = {f"{width} {scheme}": look(browser, arguments.page, width, scheme, arguments)
                         for width in (360, 1440) for scheme in ("light", "dark")}
        finally:
            browser.close()
    print(json.dumps(all_found, indent=1))


main()
