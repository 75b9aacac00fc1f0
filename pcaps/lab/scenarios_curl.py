"""curl as an update client: the base cases of HTTP and TLS."""

from clients import curl
from lab import Lab
from scenario import scenario, write_truth
from servers import Authority, Nginx, Resolver, publish, site, version_of

CLIENT = "198.51.100.7"
WEB = "203.0.113.10"
CURL_PROGRAMS = (("curl", "-V"), ("nginx", "-v"), ("unbound", "-V"), ("tcpdump", "--version"))

ZONE = """
download.mozilla.org. CNAME bouncer.lab-edge.example.
bouncer.lab-edge.example. 20 A 203.0.113.10
aus5.mozilla.org. CNAME balrog.lab-edge.example.
balrog.lab-edge.example. 20 A 203.0.113.10
"""


def programs(commands=CURL_PROGRAMS):
    """The versions of the programs that take part."""
    return {command[0]: version_of(*command) for command in commands}


@scenario("curl-http.pcap")
def curl_http(path):
    """curl fetches a file over HTTP after a DNS answer with a CNAME chain"""
    with Lab() as lab:
        client = lab.client("client", CLIENT)
        web = lab.server("web", WEB)
        resolver = Resolver(lab, ZONE)
        client.use_resolver("192.0.2.53")
        root = lab.directory / "www"
        publish(root, "/pub/update.mar", 40_000)
        nginx = Nginx(lab, web, [site(root, "download.mozilla.org")])
        lab.mirror(client)
        with lab.capture(path):
            curl(lab, client, "http://download.mozilla.org/pub/update.mar")
        write_truth(lab, path, curl_http.__doc__, programs(), [resolver, nginx])
