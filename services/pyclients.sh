#!/usr/bin/env bash
# Other people's clients for tests, in one Python environment below $HEADRACE_CACHE/python; schemathesis and cfn-lint each in
# one of its own beside it (their dependencies are many and move).
#   pyclients.sh install        boto3, requests, SQLAlchemy with PyMySQL, confluent-kafka with its serializers, deltalake; the two others
#   pyclients.sh run SCRIPT.py ARGS...
#   pyclients.sh python         prints the interpreter's path
#   pyclients.sh schemathesis   prints the path of schemathesis
#   pyclients.sh cfn-lint       prints the path of cfn-lint; the interpreter beside it has promql-parser
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
cache=$HEADRACE_CACHE/python
clients='boto3==1.44.8 requests==2.34.2 sqlalchemy==2.1.9 pymysql==1.2.4 confluent-kafka[avro,json,protobuf,schemaregistry]==2.16.1 deltalake==1.6.6 pyarrow==26.0.1'
schemathesis='schemathesis==4.32.5'
cfn_lint='cfn-lint==1.58.0 promql-parser==0.12.0'
env_of() { echo "$cache/$1-$(cksum <<<"$2" | cut -d' ' -f1)"; } # NAME PACKAGES: another list is another environment
venv() { # DIR PACKAGES
  [ "$(cat "$1/packages" 2>/dev/null)" = "$2" ] && return 0
  rm -rf "$1"; mkdir -p "$(dirname "$1")"
  python3 -m venv "$1"
  # shellcheck disable=SC2086
  svc_fetch "$2" "$1/bin/pip" install -q --disable-pip-version-check $2 >&2
  echo "$2" >"$1/packages"
}
clients_env=$(env_of clients "$clients") schemathesis_env=$(env_of schemathesis "$schemathesis") cfn_lint_env=$(env_of cfn-lint "$cfn_lint")
fetch() { venv "$clients_env" "$clients"; venv "$schemathesis_env" "$schemathesis"; venv "$cfn_lint_env" "$cfn_lint"; }
install() { svc_install "$cache" fetch; }
case ${1:-} in
install) install ;;
run) install; shift; exec "$clients_env/bin/python" "$@" ;;
python) install; echo "$clients_env/bin/python" ;;
schemathesis) install; echo "$schemathesis_env/bin/schemathesis" ;;
cfn-lint) install; echo "$cfn_lint_env/bin/cfn-lint" ;;
*) sed -n '2,8p' "$0" >&2; exit 2 ;;
esac
