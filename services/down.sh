#!/usr/bin/env bash
# Stops what up.sh DIR started; logs stay in DIR. down.sh DIR --wipe deletes DIR too.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
[ $# -ge 1 ] || { sed -n '2p' "$0" >&2; exit 2; }
[ -d "$1" ] || exit 0
dir=$(cd "$1" && pwd)
"$here/kafka.sh" stop "$dir/kafka" &
"$here/kafka.sh" stop "$dir/kafka3" &
"$here/s3.sh" stop "$dir/s3" &
"$here/kinesis.sh" stop "$dir/kinesis-mock" &
"$here/kinesis.sh" stop "$dir/kinesalite" &
"$here/mariadb.sh" stop "$dir/mysql" &
"$here/moto.sh" stop "$dir/moto" &
"$here/oidc.sh" stop "$dir/oidc" &
"$here/schema-registry.sh" stop "$dir/registry" &
wait
base=$(cat "$dir/base" 2>/dev/null || true)
rm -f "$dir/env" ${base:+"/tmp/headrace-ports-$(id -u)/$base"}
[ "${2:-}" != --wipe ] || rm -rf "$dir"
