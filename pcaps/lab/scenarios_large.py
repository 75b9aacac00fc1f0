"""Downloads of four megabytes to measure byte counts with; too large to keep, made by `make.py --large DIR`."""

from clients import curl
from scenario import scenario
from scenarios_mirror import lose_for_real
from standard import MAR_PATH, UpdateLab

BODY_BYTES = 4_000_000
KINDS = {
    "clean": "nothing lost, nothing doubled",
    "retransmitted": "real loss before and after the mirror",
    "reordered": "one copy in twenty leaves three frames late",
    "doubled": "the mirror shows every frame twice",
    "loss": "2 % of the copies are missing",
    "client-side": "only what the client sends is on the mirror",
    "server-side": "only what is sent to the client is on the mirror",
}
RELAYS = {"reordered": ["--reorder", "0.05"], "loss": ["--loss", "0.02"]}


def declare(transport, kind):
    """Adds one scenario to the list."""
    def make(path):
        large(path, transport, kind, make.__doc__)
    make.__doc__ = f"A download of {BODY_BYTES} bytes over {transport.upper()}: {KINDS[kind]}"
    scenario(f"large-{transport}-{kind}.pcap", large=True)(make)


def large(path, transport, kind, about):
    with UpdateLab(about, body_bytes=BODY_BYTES) as lab:
        if kind in RELAYS:
            lab.span("span0", relay=RELAYS[kind])
        if kind == "retransmitted":
            lose_for_real(lab, port=443 if transport == "tls" else 80, one_in=64)
        lab.web.pace()
        lab.mirror(lab.client, {"client-side": "from", "server-side": "to"}.get(kind, "both"))
        if kind == "doubled":
            lab.mirror("uplink")
        scheme = "https" if transport == "tls" else "http"
        with lab.capture(path, settle_s=1.0):
            curl(lab, lab.client, f"{scheme}://download.mozilla.org{MAR_PATH}", authority=lab.authority)
        lab.finish(path, "curl", *(["python3"] if kind in RELAYS else []))


for _transport in ("http", "tls"):
    for _kind in KINDS:
        declare(_transport, _kind)
