"""Servers of HTTP/3: caddy, which also does Encrypted ClientHello, and the aioquic server and client of quic_peer.py."""

import base64
import json
import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from lab import LabError
from servers import wait_for_file

HERE = Path(__file__).resolve().parent
# Where install_browsers.sh puts the Python packages: aioquic, curl_cffi and caddy's program.
ENVIRONMENT = Path(os.environ.get("LAB_ENVIRONMENT", "/opt/patchspan-lab"))
PYTHON = ENVIRONMENT / "bin" / "python"
CADDY = ENVIRONMENT / "bin" / "caddy"


class Caddy:
    """caddy on one host: HTTP/1.1, HTTP/2 and HTTP/3 on port 443, with an ECH key when `cover` names an outer name."""

    def __init__(self, lab, host, authority, names, root, cover=None):
        self.host = host
        self.directory = lab.directory / f"caddy-{host.name}"
        self.directory.mkdir()
        self.log = self.directory / "access.log"
        self.messages = self.directory / "caddy.log"
        sites = "".join(self._site(authority, name, root) for name in [*names, *([cover] if cover else [])])
        (self.directory / "Caddyfile").write_text(f"""{{
	admin off
	auto_https off
	persist_config off
	storage file_system {self.directory}/storage
	{f"ech {cover}" if cover else ""}
	log {{
		output file {self.messages}
	}}
}}
{sites}""")
        home = {**os.environ, "HOME": str(self.directory)}
        command = [CADDY, "run", "--config", self.directory / "Caddyfile", "--adapter", "caddyfile"]
        self.process = host.spawn(command, env=home)
        wait_for_file(self.messages, "serving initial configuration", self.process)

    def _site(self, authority, name, root):
        certificate, key = authority.issue(name)
        common = f"root * {root}\n\tfile_server\n\tlog {{\n\t\toutput file {self.log}\n\t\tformat json\n\t}}"
        return f"https://{name} {{\n\ttls {certificate} {key}\n\t{common}\n}}\nhttp://{name} {{\n\t{common}\n}}\n"

    def ech_configuration(self):
        """The ECHConfigList for the HTTPS record, in base64."""
        (configuration,) = (self.directory / "storage" / "ech" / "configs").glob("*/config.bin")
        listed = configuration.read_bytes()
        return base64.b64encode(len(listed).to_bytes(2, "big") + listed).decode()

    def requests(self):
        """The access log: one object a request."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [self._request(json.loads(line)) for line in lines]

    def _request(self, entry):
        request = entry["request"]
        tls = request.get("tls", {})
        server = self.host.ipv6 if ":" in request["remote_ip"] else self.host.ipv4
        return {"start": round(entry["ts"] - entry["duration"], 3), "client": request["remote_ip"],
                "client_port": int(request["remote_port"]), "server": server[0],
                "server_port": 443 if tls else 80, "name": request["host"], "method": request["method"],
                "url": request["uri"], "status": entry["status"], "body_bytes": entry["size"],
                "sni": tls.get("server_name", ""), "protocol": request["proto"], "ech": tls.get("ech", False),
                "resumed": tls.get("resumed", False)}


class QuicServer:
    """The aioquic server of quic_peer.py on one host."""

    def __init__(self, lab, host, authority, name, root, options=(), address=None):
        self.host = host
        self.address = address or host.ipv4[0]
        self.log = lab.directory / f"quic-{host.name}.log"
        certificate, key = authority.issue(name)
        self.process = host.spawn(
            [PYTHON, HERE / "quic_peer.py", "server", "--certificate", certificate, "--key", key, "--root", root,
             "--address", self.address, "--log", self.log, *options], ready="serving")

    def requests(self):
        """The access log: one object a request."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [{**json.loads(line), "server": self.address, "server_port": 443} for line in lines]


def quic_client(lab, client, authority, *urls, options=(), **facts):
    """Runs the aioquic client once and notes one access a response."""
    printed = client.run([PYTHON, HERE / "quic_peer.py", "client", "--authority", authority.certificate,
                          "--source", client.ipv4[0], *options, *urls])
    for told in reports(printed):
        lab.truth.access(tool="aioquic", host=client.name, name=urlsplit(told["url"]).hostname, transport="quic",
                         http_version="3", method="GET", **told, **facts)


def reports(printed):
    return [json.loads(line[len("REPORT "):]) for line in printed.splitlines() if line.startswith("REPORT ")]


def have(*programs):
    """Says which of these programs are missing, before a scenario fails half way."""
    missing = [program for program in programs if not shutil.which(str(program))]
    if missing:
        raise LabError(f"not installed: {' '.join(map(str, missing))}; run install_browsers.sh")
