#!/usr/bin/env bash
# MariaDB as a plain process (Debian: apt-get install --no-install-recommends mariadb-server).
#   mariadb.sh start DIR [PORT]  default 29060; user test, password test, database test; root over DIR/sock
#   mariadb.sh stop DIR
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
case ${1:-} in
start)
  mkdir -p "$2"; dir=$(cd "$2" && pwd) port=${3:-29060}
  user=(); [ "$(id -u)" != 0 ] || user=(--user=root)
  if [ ! -d "$dir/data/mysql" ]; then
    mariadb-install-db --no-defaults "${user[@]}" --datadir="$dir/data" --auth-root-authentication-method=normal --skip-test-db >"$dir/install.log" 2>&1 \
      || { tail "$dir/install.log" >&2; exit 1; }
  fi
  svc_spawn "$dir" mariadb mariadbd --no-defaults "${user[@]}" --datadir="$dir/data" --socket="$dir/sock" --bind-address=127.0.0.1 --port="$port" \
    --skip-name-resolve --innodb-buffer-pool-size=32M --innodb-flush-log-at-trx-commit=0
  svc_wait "$dir" mariadb 120 mariadb-admin --no-defaults --socket="$dir/sock" ping
  mariadb --no-defaults --socket="$dir/sock" -uroot -e "create database if not exists test; create user if not exists test@'%' identified by 'test'; grant all on test.* to test@'%'" ;;
stop) svc_stop "$2" mariadb ;;
*) sed -n '2,4p' "$0" >&2; exit 2 ;;
esac
