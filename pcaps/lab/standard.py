"""The network that most scenarios share: one client, one web server with several update names, one resolver.

Every name has an address of its own on the web server, behind a CNAME as content networks have it.
"""

from lab import Lab
from servers import RESOLVER_IPV4, Authority, Nginx, Resolver, publish, site, version_of

CLIENT_IPV4 = "198.51.100.7"
CLIENT_IPV6 = "2001:db8:100::7"
ADDRESSES = {
    "download.mozilla.org": "203.0.113.10",
    "aus5.mozilla.org": "203.0.113.11",
    "download.windowsupdate.com": "203.0.113.12",
    "fe2.update.microsoft.com": "203.0.113.13",
    "ctldl.windowsupdate.com": "203.0.113.14",
    "www.msftncsi.com": "203.0.113.15",
    "tlu.dl.delivery.mp.microsoft.com": "203.0.113.16",
    "ftp.jp.debian.org": "203.0.113.17",
}
MAR_PATH = "/pub/update.mar"
CHECK_PATH = "/update/6/Firefox/128.0/20260101000000/WINNT_x86_64/en-US/release/update.xml"
CHECK_BODY = b'<?xml version="1.0" encoding="UTF-8"?>\n<updates>\n</updates>\n'
BODY_BYTES = 30_000

PROGRAMS = {
    "apt-cacher-ng": ("dpkg-query", "--show", "apt-cacher-ng"), "apt-get": ("apt-get", "--version"), "curl": ("curl", "-V"), "dig": ("dig", "-v"), "dnsmasq": ("dnsmasq", "--version"),
    "dumpcap": ("sh", "-c", "dumpcap -v 2>/dev/null | tr -d '()'"),
    "nft": ("nft", "--version"), "openssl": ("openssl", "version"), "udhcpc": ("udhcpc", "--help"),
    "python3": ("python3", "-V"),
    "ldns-signzone": ("ldns-signzone", "-v"), "openvpn": ("sh", "-c", "openvpn --version | head -n 1 | cut -d ' ' -f 1,2"),
    "wireguard-go": ("dpkg-query", "--show", "wireguard-go"), "nginx": ("nginx", "-v"), "python3": ("python3", "-V"),
    "tcpdump": ("tcpdump", "--version"), "tinyproxy": ("tinyproxy", "-v"), "unbound": ("unbound", "-V"), "wget": ("wget", "-V"),
}


class UpdateLab(Lab):
    """`Lab` with the standard hosts; see the module. Give `records` to add to the zone, `ipv6` for AAAA records."""

    def __init__(self, about, records="", ipv6=False, body_bytes=BODY_BYTES, site_extra="", tls="TLSv1.2 TLSv1.3", http2=False,
                 udp_bytes=1232, signed=None, client_addresses=None, skip=()):
        super().__init__()
        self.about = " ".join(about.split())
        self.ipv6_on = ipv6
        self.names = [name for name in ADDRESSES if name not in skip]
        self.records = records
        self.body_bytes = body_bytes
        self.site_extra = site_extra
        self.tls = tls
        self.http2 = http2
        self.udp_bytes = udp_bytes
        self.signed = signed
        self.client_addresses = client_addresses or ([CLIENT_IPV4, CLIENT_IPV6] if ipv6 else [CLIENT_IPV4])

    def __enter__(self):
        super().__enter__()
        try:
            self._furnish()
        except BaseException:
            self.close()
            raise
        return self

    def finish(self, path, *programs):
        """Writes the truth file of the capture at `path`; `programs` are those that took part, beside the usual ones."""
        self.stop_relays()
        self.truth.add(self.resolver)
        self.truth.add(self.nginx)
        versions = {name: version_of(*PROGRAMS[name]) for name in sorted({*programs, "nginx", "unbound", "tcpdump"})}
        self.truth.write(path.with_name(path.name.split(".pcap")[0] + ".truth.json"), capture=path.name, about=self.about,
                         programs=versions)

    def _furnish(self):
        self.client = self.campus_host("client", *self.client_addresses)
        self.web = self.wan_host("web", *[ADDRESSES[name] for name in self.names])
        if self.ipv6_on:
            for name in self.names:
                self.add_address(self.web, ipv6_of(name))
        self.resolver = Resolver(self, self.zone() + self.records, signed=self.signed, udp_bytes=self.udp_bytes)
        self.client.use_resolver(RESOLVER_IPV4)
        self.authority = Authority(self)
        self.root = self.directory / "www"
        publish(self.root, MAR_PATH, self.body_bytes)
        publish(self.root, CHECK_PATH, CHECK_BODY)
        certificate, key = self.authority.issue(*self.names)
        self.nginx = Nginx(self, self.web, [
            site(self.root, *self.names, extra=self.site_extra),
            site(self.root, *self.names, certificate=certificate, key=key, protocols=self.tls, http2=self.http2,
                 extra=self.site_extra)])

    def zone(self):
        """One CNAME and one address a name; the targets are named as a content network would."""
        lines = []
        for name in self.names:
            target = f"{name.replace('.', '-')}.edge.example."
            lines.append(f"{name}. 300 CNAME {target}\n{target} 20 A {ADDRESSES[name]}")
            if self.ipv6_on:
                lines.append(f"{target} 20 AAAA {ipv6_of(name)}")
        return "\n".join(lines) + "\n"


def ipv6_of(name):
    """The IPv6 address of one of the standard names."""
    return f"2001:db8:113::{ADDRESSES[name].split('.')[-1]}"
