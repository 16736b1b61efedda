#!/usr/bin/env bash
# moto: AWS's STS (AssumeRole), IAM and more as one local server.
#   moto.sh install           into $HEADRACE_CACHE/moto (Python 3.11, pip)
#   moto.sh start DIR [PORT]  default 29050; endpoint http://127.0.0.1:PORT
#   moto.sh stop DIR
# Every role can be assumed and every key is right. The secrets that it hands out are shown at /moto-api/data.json, where
# the broker's verifier of MSK IAM logins looks them up. It lets one call in at a time (moto-serial.py).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
cache=$HEADRACE_CACHE/moto package='moto[server]==5.2.5'
fetch() {
  [ "$(cat "$cache/package" 2>/dev/null)" = "$package" ] && return 0
  rm -rf "$cache"; mkdir -p "$cache"
  python3 -m venv "$cache"
  svc_fetch moto "$cache/bin/pip" install -q --disable-pip-version-check "$package" >&2
  echo "$package" >"$cache/package"
}
install() { svc_install "$cache" fetch; }
case ${1:-} in
install) install ;;
start)
  port=${3:-29050}; install
  svc_spawn "$2" moto "$cache/bin/python" "$here/moto-serial.py" -H 127.0.0.1 -p "$port"
  svc_wait "$2" moto 120 svc_http "http://127.0.0.1:$port/moto-api/data.json" ;;
stop) svc_stop "$2" moto ;;
*) sed -n '2,6p' "$0" >&2; exit 2 ;;
esac
