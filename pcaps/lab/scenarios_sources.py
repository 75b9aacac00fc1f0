"""Own sources of updates on the campus: apt-cacher-ng, by its address and as a proxy."""

from scenario import scenario
from scenarios_apt import ARCHIVE, AptSystem
from servers import RESOLVER_IPV4
from standard import UpdateLab

CACHER = "198.51.100.86"
PORT = 3142


@scenario("apt-cacher.pcap.zst")
def apt_cacher(path):
    """apt-get through apt-cacher-ng on the campus: update from its bare address, the package with it as a proxy"""
    with UpdateLab(apt_cacher.__doc__) as lab:
        start_cacher(lab)
        system = AptSystem(lab)
        sources = system.directory / "etc/sources.list"
        direct = sources.read_text()
        lab.mirror(lab.client)
        with lab.capture(path):
            # No name is on the wire but in the path.
            sources.write_text(direct.replace(f"http://{ARCHIVE}", f"http://{CACHER}:{PORT}/{ARCHIVE}"))
            system.get("update")
            sources.write_text(direct)
            with open(system.directory / "apt.conf", "a") as conf:
                conf.write(f'Acquire::http::Proxy "http://{CACHER}:{PORT}";\n')
            system.get("update")
            system.get("install", "--download-only", "--yes", "sample-library")
        lab.truth.notes["cacher"] = {"address": CACHER, "port": PORT,
                                     "server_requests": "are those of the cacher, which asks for what it has not"}
        lab.finish(path, "apt-get", "apt-cacher-ng")


def start_cacher(lab):
    """apt-cacher-ng with an empty cache, on a host of its own."""
    host = lab.campus_host("cacher", CACHER)
    host.use_resolver(RESOLVER_IPV4)
    directory = lab.directory / "cacher"
    for folder in ("conf", "cache", "log", "run"):
        (directory / folder).mkdir(parents=True)
    (directory / "conf/acng.conf").write_text(
        f"CacheDir: {directory}/cache\nLogDir: {directory}/log\nSocketPath: {directory}/run/socket\n"
        f"Port: {PORT}\nBindAddress: {CACHER}\nForeGround: 1\nPassThroughPattern: ^$\n")
    host.spawn(["apt-cacher-ng", "-c", directory / "conf"])
    probe = f"for attempt in $(seq 100); do ss -ltn | grep -q :{PORT} && exit 0; sleep 0.1; done; exit 1"
    host.run(["sh", "-c", probe])
