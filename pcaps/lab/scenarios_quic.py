"""QUIC's rarer turns, by aioquic: Retry, versions, connection ids, early data, migration."""

from http3 import quic_client
from scenario import scenario
from servers import publish
from stage import EDGE, LARGE_BYTES, MAR, OTHER_EDGE, STORED_BYTES, stage


@scenario("quic-retry.pcap")
def quic_retry(path):
    """QUIC with Retry: the second ClientHello carries a token, and its keys come from the id that the server chose"""
    with stage(path, quic_retry.__doc__, "aioquic") as s:
        publish(s.root, MAR, 10_000)
        s.aioquic("download.mozilla.org", "--retry")
        s.resolve(f"download.mozilla.org. 300 A {EDGE}")
        with s.lab.capture(path):
            quic_client(s.lab, s.client, s.authority, "https://download.mozilla.org" + MAR)
            quic_client(s.lab, s.client, s.authority, "https://download.mozilla.org/", options=["--long-hello"])


@scenario("quic-versions.pcap")
def quic_versions(path):
    """QUIC version 2 from the start; 1 changed to 2 in flight; 2 and a greased version refused, then 1"""
    with stage(path, quic_versions.__doc__, "aioquic") as s:
        old = s.lab.wan_host("old", OTHER_EDGE)
        s.aioquic("download.mozilla.org")
        s.aioquic("aus5.mozilla.org", "--versions", "v1", host=old)
        s.resolve(f"download.mozilla.org. 300 A {EDGE}\naus5.mozilla.org. 300 A {OTHER_EDGE}")
        cases = [("download.mozilla.org", ["--versions", "v2,v1"], "0x6b3343cf"),
                 ("download.mozilla.org", ["--versions", "v2,v1", "--first-version", "v1"], "0x00000001"),
                 ("aus5.mozilla.org", ["--versions", "v2,v1"], "0x6b3343cf"),
                 ("aus5.mozilla.org", ["--versions", "greased,v1"], "0x1a2a3a4a")]
        with s.lab.capture(path):
            for name, options, first in cases:
                quic_client(s.lab, s.client, s.authority, f"https://{name}/", options=options, first_version=first)


@scenario("quic-late-hello.pcap")
def quic_late_hello(path):
    """Half of a QUIC ClientHello is lost, and comes again under the connection id that the server chose"""
    with stage(path, quic_late_hello.__doc__, "aioquic") as s:
        s.aioquic("download.mozilla.org")
        s.resolve(f"download.mozilla.org. 300 A {EDGE}")
        with s.lab.capture(path):
            for number in (1, 2):
                quic_client(s.lab, s.client, s.authority, "https://download.mozilla.org/",
                            options=["--long-hello", "--withhold", number], withheld_datagram=number)


@scenario("quic-resumption.pcap")
def quic_resumption(path):
    """QUIC twice: the second connection is resumed and sends its request as early data"""
    with stage(path, quic_resumption.__doc__, "aioquic") as s:
        publish(s.root, MAR, 10_000)
        s.aioquic("download.mozilla.org")
        s.resolve(f"download.mozilla.org. 300 A {EDGE}")
        with s.lab.capture(path):
            url = "https://download.mozilla.org"
            quic_client(s.lab, s.client, s.authority, url + "/", url + MAR, options=["--resume"])


@scenario("quic-migration.pcap")
def quic_migration(path):
    """A QUIC connection goes on from another port with another connection id: the second flow shows no name at all"""
    with stage(path, quic_migration.__doc__, "aioquic") as s:
        publish(s.root, MAR, STORED_BYTES)
        s.aioquic("download.mozilla.org")
        s.resolve(f"download.mozilla.org. 300 A {EDGE}")
        with s.lab.capture(path):
            url = "https://download.mozilla.org"
            quic_client(s.lab, s.client, s.authority, url + "/", url + MAR, options=["--move"])


@scenario("quic-download.pcap", large=True)
def quic_download(path):
    """aioquic downloads 1 MiB over QUIC"""
    with stage(path, quic_download.__doc__, "aioquic") as s:
        publish(s.root, MAR, LARGE_BYTES)
        s.aioquic("download.mozilla.org")
        s.resolve(f"download.mozilla.org. 300 A {EDGE}")
        with s.lab.capture(path):
            quic_client(s.lab, s.client, s.authority, "https://download.mozilla.org" + MAR)
