"""The servers of the lab: a private certificate authority, unbound as the campus resolver, nginx.

Each writes its files below the lab's own directory and tells afterwards what it served.
"""

import json
import re
import subprocess
from pathlib import Path

from lab import check

RESOLVER_IPV4 = "192.0.2.53"
RESOLVER_IPV6 = "2001:db8:53::53"


class Authority:
    """A private certificate authority; clients trust `certificate` by an option of theirs."""

    def __init__(self, lab, rsa=False):
        self.rsa = rsa
        self.directory = lab.directory / "authority"
        self.directory.mkdir()
        self.key = self.directory / "authority.key"
        self.certificate = self.directory / "authority.pem"
        make_key(self.key, self.rsa)
        check(["openssl", "req", "-x509", "-new", "-key", self.key, "-out", self.certificate, "-days", "3650",
               "-subj", "/O=Capture laboratory/CN=Capture laboratory root",
               "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"])

    def issue(self, *names):
        """A certificate for DNS names or addresses; returns the paths of certificate and key."""
        key = self.directory / f"{names[0]}.key"
        certificate = self.directory / f"{names[0]}.pem"
        request = self.directory / f"{names[0]}.csr"
        extensions = self.directory / f"{names[0]}.ext"
        make_key(key, self.rsa)
        alternative = ",".join(("IP:" if is_address(name) else "DNS:") + name for name in names)
        extensions.write_text(f"subjectAltName={alternative}\nextendedKeyUsage=serverAuth\n")
        check(["openssl", "req", "-new", "-key", key, "-out", request, "-subj", f"/CN={names[0]}"[:67]])
        check(["openssl", "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
               "-days", "825", "-extfile", extensions, "-out", certificate])
        return certificate, key


def make_key(path, rsa=False):
    """A P-256 key: small and quick; or RSA, whose signatures have one length."""
    if rsa:
        check(["openssl", "genrsa", "-out", path, "2048"])
        return
    check(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path])


def is_address(name):
    return ":" in name or re.fullmatch(r"[0-9.]+", name) is not None


class Resolver:
    """unbound with every zone of the lab local to it: it answers as a full resolver does, chains included.

    All names live in one zone for the root, so whatever is not there is NXDOMAIN and nothing is asked upstream. A
    signed zone has a file of its own.
    """

    def __init__(self, lab, records, signed=None, udp_bytes=1232, extra=""):
        self.lab = lab
        self.host = lab.wan_host("resolver", RESOLVER_IPV4, RESOLVER_IPV6)
        self.directory = lab.directory / "resolver"
        self.directory.mkdir()
        self.log = self.directory / "unbound.log"
        zones = self._zone(".", records)
        for apex, text in (signed or {}).items():
            zones += self._zone(apex, text, signed=True)
        self._write(zones, udp_bytes, extra)
        self.process = self.host.spawn(["unbound", "-d", "-c", self.directory / "unbound.conf"])
        wait_for_file(self.log, "start of service", self.process)

    def _zone(self, apex, records, signed=False):
        path = self.directory / f"{apex.strip('.') or 'root'}.zone"
        dot = apex if apex.endswith(".") else apex + "."
        path.write_text(f"$ORIGIN {dot}\n$TTL 60\n@ 3600 IN SOA ns.lab.example. hostmaster.lab.example. 1 3600 600 86400 30\n"
                        f"@ 3600 IN NS ns.lab.example.\n{records}\n")
        if signed:
            path = self._sign(dot, path)
        return (f'auth-zone:\n  name: "{dot}"\n  zonefile: "{path}"\n  for-downstream: no\n  for-upstream: yes\n'
                f"  fallback-enabled: no\n")

    def _sign(self, apex, path):
        """Signs a zone with one ECDSA key; returns the signed file's path."""
        key = check(["ldns-keygen", "-k", "-a", "ECDSAP256SHA256", apex], cwd=self.directory).strip()
        check(["ldns-signzone", "-n", path, key], cwd=self.directory)
        return Path(f"{path}.signed")

    def _write(self, zones, udp_bytes, extra):
        (self.directory / "unbound.conf").write_text(f"""
server:
  directory: "{self.directory}"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: "{self.log}"
  log-replies: yes
  log-time-ascii: no
  verbosity: 1
  interface: 0.0.0.0
  interface: ::0
  interface-automatic: yes
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  edns-buffer-size: {udp_bytes}
  max-udp-size: {udp_bytes}
  module-config: "iterator"
  num-threads: 1
{extra}
{zones}
remote-control:
  control-enable: no
""")

    def lookups(self):
        """What was asked and answered, from unbound's reply log."""
        pattern = re.compile(r"\[(\d+)\] unbound\[.*?\] info: (\S+) (\S+) (\S+) IN (\S+) \S+ \d+ (\d+)$", re.M)
        return [{"client": client, "name": name.rstrip("."), "type": kind, "rcode": rcode, "answer_bytes": int(size),
                 "second": int(second)} for second, client, name, kind, rcode, size in pattern.findall(self.log.read_text())]


class Forwarder:
    """unbound on a host itself, as some systems have it: asks the campus resolver with EDNS and the DO bit."""

    def __init__(self, lab, host, udp_bytes=1232, mixed_case=False, upstream=RESOLVER_IPV4):
        directory = lab.directory / f"forwarder-{host.name}"
        directory.mkdir()
        configuration = directory / "unbound.conf"
        log = directory / "unbound.log"
        configuration.write_text(f"""
server:
  directory: "{directory}"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: "{log}"
  interface: 127.0.0.1
  module-config: "iterator"
  edns-buffer-size: {udp_bytes}
  use-caps-for-id: {"yes" if mixed_case else "no"}
  num-threads: 1
forward-zone:
  name: "."
  forward-addr: {upstream}
remote-control:
  control-enable: no
""")
        process = host.spawn(["unbound", "-d", "-c", configuration])
        wait_for_file(log, "start of service", process)
        host.use_resolver("127.0.0.1")


class Nginx:
    """nginx on one host; `sites` are the texts of server blocks, made with `site`."""

    FORMAT = ('{"start":"$msec","request_time":$request_time,"client":"$remote_addr","client_port":$remote_port,'
              '"server":"$server_addr","server_port":$server_port,"name":"$host","method":"$request_method",'
              '"url":"$request_uri","range":"$http_range","status":$status,"body_bytes":$body_bytes_sent,'
              '"tls":"$ssl_protocol","sni":"$ssl_server_name","protocol":"$server_protocol","user_agent":"$http_user_agent"}')

    def __init__(self, lab, host, sites, http_extra=""):
        self.directory = lab.directory / f"nginx-{host.name}"
        self.directory.mkdir()
        self.log = self.directory / "access.log"
        configuration = self.directory / "nginx.conf"
        configuration.write_text(f"""
daemon off; user root; worker_processes 1; pid {self.directory}/pid; error_log {self.directory}/error.log notice;
events {{ worker_connections 512; }}
http {{
  types {{ text/html html; text/plain txt; text/xml xml; application/vnd.ms-cab-compressed cab; }}
  default_type application/octet-stream;
  log_format truth escape=json '{self.FORMAT}';
  access_log {self.log} truth;
  client_body_temp_path {self.directory}/body; proxy_temp_path {self.directory}/proxy; fastcgi_temp_path {self.directory}/f;
  uwsgi_temp_path {self.directory}/u; scgi_temp_path {self.directory}/s;
  sendfile on; keepalive_timeout 30; server_names_hash_bucket_size 256;
  {http_extra}
  {' '.join(sites)}
}}
""")
        self.process = host.spawn(["nginx", "-e", f"{self.directory}/error.log", "-c", configuration])
        wait_for_file(self.directory / "error.log", "start worker process ", self.process)

    def requests(self):
        """The access log: one object a request, `start` in seconds since 1970."""
        entries = [json.loads(line) for line in self.log.read_text().splitlines()]
        for entry in entries:
            entry["start"] = round(float(entry["start"]) - entry.pop("request_time"), 3)
        return entries


def site(root, *names, certificate=None, key=None, protocols="TLSv1.2 TLSv1.3", http2=False, port=None, extra=""):
    """A server block for these names, below the directory `root`; TLS where a certificate is given."""
    port = port or (443 if certificate else 80)
    flags = (" ssl" if certificate else "") + (" http2" if http2 else "")
    tls = f"ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols {protocols};" if certificate else ""
    return (f"server {{ listen {port}{flags}; listen [::]:{port}{flags}; server_name {' '.join(names)}; root {root};"
            f" {tls} {extra} }}\n")


def publish(root, path, body):
    """Puts a file below a site's root; `body` is bytes, or a size for a body that compresses well."""
    target = Path(root) / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(patterned(body) if isinstance(body, int) else body)
    return target


def patterned(size):
    """A body that compresses well, yet says at any place how far it is."""
    line = "patchspan sample body, offset {:012d}, nothing to install here.\n"
    width = len(line.format(0))
    return "".join(line.format(offset) for offset in range(0, size + width, width)).encode()[:size]


def wait_for_file(path, text, process, limit_s=20):
    """Waits until a server wrote `text` into its own log."""
    import time
    deadline = time.monotonic() + limit_s
    while not (path.exists() and text in path.read_text(errors="replace")):
        if process.popen.poll() is not None or time.monotonic() > deadline:
            told = path.read_text(errors="replace") if path.exists() else ""
            raise RuntimeError(f"{process.command} did not start: {process.log_text()} {told}")
        time.sleep(0.02)


def version_of(*command):
    """The first line that a program prints about itself."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
    return done.stdout.decode(errors="replace").strip().splitlines()[0].split(" (")[0]
