#!/usr/bin/env bash
# Other people's clients for tests, in one Python environment below $HEADRACE_CACHE/python, and schemathesis in one
# of its own beside it (its dependencies are many and move).
#   pyclients.sh install        boto3, requests, SQLAlchemy with PyMySQL, confluent-kafka; schemathesis
#   pyclients.sh run SCRIPT.py ARGS...
#   pyclients.sh python         prints the interpreter's path
#   pyclients.sh schemathesis   prints the path of schemathesis
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
cache=$HEADRACE_CACHE/python
clients='boto3==1.44.8 requests==2.34.2 sqlalchemy==2.1.9 pymysql==1.2.4 confluent-kafka==2.16.1'
schemathesis='schemathesis==4.32.5'
venv() { # DIR PACKAGES
  [ "$(cat "$1/packages" 2>/dev/null)" = "$2" ] && return 0
  rm -rf "$1"; mkdir -p "$(dirname "$1")"
  python3 -m venv "$1"
  # shellcheck disable=SC2086
  svc_fetch "$2" "$1/bin/pip" install -q --disable-pip-version-check $2 >&2
  echo "$2" >"$1/packages"
}
fetch() { venv "$cache/clients" "$clients"; venv "$cache/schemathesis" "$schemathesis"; }
install() { svc_install "$cache" fetch; }
case ${1:-} in
install) install ;;
run) install; shift; exec "$cache/clients/bin/python" "$@" ;;
python) install; echo "$cache/clients/bin/python" ;;
schemathesis) install; echo "$cache/schemathesis/bin/schemathesis" ;;
*) sed -n '2,7p' "$0" >&2; exit 2 ;;
esac
