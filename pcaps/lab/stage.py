"""What the scenarios of browsers, QUIC and encrypted names share: one client, one edge server, one authority."""

from contextlib import contextmanager

from browsers import complete_accesses
from http3 import CADDY, PYTHON, Caddy, QuicServer, have
from lab import Lab
from servers import Authority, Nginx, Resolver, publish, site, version_of

CLIENT = "198.51.100.21"
CLIENT_IPV6 = "2001:db8:100::21"
EDGE = "203.0.113.31"
EDGE_IPV6 = "2001:db8:113::31"
OTHER_EDGE = "203.0.113.32"
RESOLVER = "192.0.2.53"
COMPONENT = "/edgedl/release2/chrome_component/sample_1.2.3/sample.crx3"
MAR = "/pub/firefox/releases/153.7.0esr/update/linux-x86_64/en-US/firefox-153.7.0esr.partial.mar"
UPDATE_XML = b"""<?xml version="1.0"?>\n<updates>\n</updates>\n"""
# An icon of its own keeps a browser from asking for /favicon.ico.
ICON = '<link rel="icon" href="data:,">'
STORED_BYTES = 30_000
LARGE_BYTES = 1 << 20

VERSIONS = {
    # Debian's start script of Chromium may print warnings of its own first.
    "chromium": ("sh", "-c", "chromium --version 2>/dev/null"),
    "firefox": ("firefox-esr", "--version"),
    "caddy": ("sh", "-c", f"{CADDY} version | cut -d ' ' -f 1"),
    "nginx": ("nginx", "-v"), "unbound": ("unbound", "-V"), "curl": ("curl", "-V"), "openssl": ("openssl", "version"),
    "kdig": ("sh", "-c", "kdig --version | tr -d '()'"), "tcpdump": ("tcpdump", "--version"),
    "aioquic": (PYTHON, "-c", "import aioquic; print('aioquic', aioquic.__version__)"),
    "curl_cffi": (PYTHON, "-c", "import curl_cffi; print('curl_cffi', curl_cffi.__version__)"),
}


class Stage:
    """What nearly all scenarios here share: a client, an edge server, a private authority and a folder to serve."""

    def __init__(self, lab, ipv6):
        have(PYTHON, CADDY, "chromium", "firefox-esr", "certutil", "kdig")
        self.lab = lab
        self.servers = []
        self.client = lab.campus_host("client", CLIENT, *([CLIENT_IPV6] if ipv6 else []))
        self.edge = lab.wan_host("edge", EDGE, *([EDGE_IPV6] if ipv6 else []))
        self.authority = Authority(lab)
        self.root = lab.directory / "www"
        publish(self.root, "/index.html", f"<!doctype html>{ICON}<title>Nothing to install</title>\n".encode())
        lab.mirror(self.client)

    def resolve(self, records, **options):
        """Starts the campus resolver and lets the client use it."""
        resolver = Resolver(self.lab, records, **options)
        self.servers.append(resolver)
        self.client.use_resolver(RESOLVER)
        return resolver

    def serve(self, kind, *arguments, host=None, **options):
        """Starts a server of one kind on the edge, or on another host."""
        server = kind(self.lab, host or self.edge, *arguments, **options)
        self.servers.append(server)
        return server

    def nginx(self, *names, plain=False, host=None, **options):
        """nginx with these names over TLS; with `plain` over HTTP too."""
        sites = [self.site(*names, **options)]
        sites += [site(self.root, *names)] if plain else []
        return self.serve(Nginx, sites, host=host)

    def site(self, *names, **options):
        """The text of one server block of nginx with TLS, HTTP/2 and a certificate for these names."""
        certificate, key = self.authority.issue(*names)
        return site(self.root, *names, certificate=certificate, key=key, http2=True, **options)

    def caddy(self, *names, **options):
        return self.serve(Caddy, self.authority, names, self.root, **options)

    def aioquic(self, name, *options, host=None):
        return self.serve(QuicServer, self.authority, name, self.root, options, host=host)


@contextmanager
def stage(path, about, *programs, ipv6=False):
    """A lab with a `Stage`; writes the truth file when the body is done."""
    with Lab() as lab:
        made = Stage(lab, ipv6)
        yield made
        complete_accesses(lab, programs[0], *[server for server in made.servers if hasattr(server, "requests")])
        for server in made.servers:
            lab.truth.add(server)
        versions = {name: version_of(*VERSIONS[name]) for name in sorted({*programs, "unbound", "tcpdump"})}
        truth = path.with_name(path.name.split(".pcap")[0] + ".truth.json")
        lab.truth.write(truth, capture=path.name, about=about, programs=versions)


def page_with(root, page, *files):
    """A page that fetches these files by script, as a browser's own updater would."""
    fetches = "".join(f"fetch({file!r}).then(answer => answer.arrayBuffer());" for file in files)
    publish(root, page, f"<!doctype html>{ICON}<title>Sample</title><script>{fetches}</script>\n".encode())
