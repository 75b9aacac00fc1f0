#!/bin/sh
# Installs what make.py needs, on Debian 12. Runs as root; safe to run again.
# curl, python3, openssl and the like are named too, so that a bare machine gets them.
set -eu
# Another one that runs would hold dpkg's lock.
exec 9>/run/lock/patchspan-lab
flock 9
packages="apt-cacher-ng apt-utils bind9-dnsutils curl dnsmasq-base dpkg-dev ethtool gpg gpg-agent gpgv iproute2 ldnsutils libc-bin nftables nginx-light openssl procps python3
openvpn tcpdump tinyproxy-bin tshark udhcpc unbound wget wireguard-go wireguard-tools xz-utils zstd"
missing=""
for package in $packages; do
    # nginx-light is one of several packages that hold the same program.
    if [ "$package" = nginx-light ] && command -v nginx >/dev/null; then continue; fi
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
# No program may start as a service: the lab starts its own, each in a namespace.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -q 9>&-
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing 9>&-
