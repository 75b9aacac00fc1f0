"""The network in which seeds are played: one namespace of many clients, one of many servers, a resolver, a mirror."""

import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from book import CLIENTS  # noqa: E402
from http3 import CADDY, PYTHON, have  # noqa: E402
from lab import Lab, check  # noqa: E402
from servers import RESOLVER_IPV4, RESOLVER_IPV6, Authority, Nginx, Resolver, wait_for_file  # noqa: E402

SITE = """server {{ listen 80 default_server; listen [::]:80 default_server; listen 443 ssl http2 default_server;
 listen [::]:443 ssl http2 default_server; ssl_certificate {certificate}; ssl_certificate_key {key};
 ssl_protocols TLSv1.2 TLSv1.3; root {root}/$host; try_files $uri /../fallback$uri =404; if_modified_since before;
 keepalive_timeout 90; location ^~ /go/ {{ return 302 /elsewhere; }} }}"""

ENCRYPTED_DNS = """
  interface-automatic-ports: "53 443 853"
  incoming-num-tcp: 500
  https-port: 443
  tls-port: 853
  tls-service-key: "{key}"
  tls-service-pem: "{certificate}"
"""


class World(Lab):
    """`Lab` with the hosts of a book."""

    def __init__(self, book, site=SITE):
        super().__init__()
        self.book = book
        self.site = site

    def __enter__(self):
        super().__enter__()
        try:
            self._furnish()
        except BaseException:
            self.close()
            raise
        return self

    def _furnish(self):
        have(PYTHON, CADDY)
        self.clients = self.campus_host("clients", "198.51.100.9")
        self.web = self.wan_host("web", "203.0.113.254")
        numbers = [client.split(".")[-1] for client in CLIENTS]
        self._addresses(self.clients, "campus", [*CLIENTS, *[f"2001:db8:100::{number}" for number in numbers]])
        servers = {*self.book.addresses.values(), *self.book.addresses6.values(), *self.book.more_addresses.values()}
        self._addresses(self.web, "wan", sorted(servers))
        self.clients.ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0")
        self.web.ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0")
        for host in (self.clients, self.web):
            host.sysctl("net.core.somaxconn=4096", "net.ipv4.tcp_max_syn_backlog=4096")
        # What a client's system takes in and its program never reads would make a given-up file whole.
        self.clients.sysctl("net.ipv4.tcp_rmem=4096 65536 131072")
        self.web.pace("400mbit")
        self._publish()
        self.authority = Authority(self)
        certificate, key = self.authority.issue("doh.lab.example", RESOLVER_IPV4)
        self.resolver = Resolver(self, self.book.zone() + self.book.records, extra=ENCRYPTED_DNS.format(certificate=certificate, key=key))
        certificate, key = self.authority.issue("www.lab.example")
        self.nginx = Nginx(self, self.web, [self.site.format(certificate=certificate, key=key, root=self.root)])
        self._serve_quic(certificate, key)
        self.mirror(self.clients)

    def _addresses(self, host, side, addresses):
        """Many addresses at once; the router reaches each through this host."""
        for family in ("-4", "-6"):
            mine = [one for one in addresses if (":" in one) == (family == "-6")]
            length = "128" if family == "-6" else "32"
            nodad = " nodad" if family == "-6" else ""
            self._batch(host, family, [f"addr add {one}/{length} dev eth0{nodad}" for one in mine])
            self._batch(self.router, family, [f"route add {one}/{length} dev {side}" for one in mine])

    def _batch(self, namespace, family, lines):
        check(["ip", "-n", namespace.netns, family, "-batch", "-"], input="\n".join(lines).encode())

    def _publish(self):
        """Files of zeros: they take no room."""
        self.root = self.directory / "www"
        for (name, path), size in self.book.files.items():
            target = self.root / name / path.lstrip("/").replace("%2b", "+")
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "wb") as file:
                file.truncate(size)

    def _serve_quic(self, certificate, key):
        directory = self.directory / "caddy"
        directory.mkdir()
        log = directory / "caddy.log"
        (directory / "Caddyfile").write_text(f"""{{
	admin off
	auto_https off
	persist_config off
	storage file_system {directory}/storage
	default_sni www.lab.example
	fallback_sni www.lab.example
	servers {{
		protocols h3
	}}
	log {{
		output file {log}
	}}
}}
:443 {{
	tls {certificate} {key}
	root * {self.root}/{{host}}
	file_server
}}
""")
        process = self.web.spawn([CADDY, "run", "--config", directory / "Caddyfile", "--adapter", "caddyfile"],
                                 env={"PATH": "/usr/bin", "HOME": str(directory)})
        wait_for_file(log, "serving initial configuration", process)

    def play(self, jobs, concurrency, limit_s=300):
        """Lets the clients do what a plan says; gives what they logged."""
        plan, log = self.directory / "plan.json", self.directory / "play.jsonl"
        plan.write_text(json.dumps(jobs))
        log.unlink(missing_ok=True)
        self.clients.run([PYTHON, HERE / "play.py", plan, log, concurrency], limit_s=limit_s)
        return [json.loads(line) for line in Path(log).read_text().splitlines()]
