#!/bin/sh
# Installs what the scenarios of browsers, QUIC and encrypted names need beside install.sh, on Debian 12. Runs as root;
# safe to run again.
set -eu
# Another one that runs would hold dpkg's lock.
exec 9>/run/lock/patchspan-lab
flock 9
missing=""
for package in chromium firefox-esr knot-dnsutils libnss3-tools; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    apt-get update -q 9>&-
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y --no-install-recommends $missing 9>&-
fi
exec sh "$(dirname "$0")/install_python.sh"
