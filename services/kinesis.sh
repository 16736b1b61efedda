#!/usr/bin/env bash
# Kinesis Data Streams as a local server, in memory: two of them, as each gets other things right.
#   kinesis.sh install [KIND]          into $HEADRACE_CACHE/kinesis (npm)
#   kinesis.sh start DIR [PORT [KIND]] default 29040; endpoint http://127.0.0.1:PORT, any access key
#   kinesis.sh stop DIR
# KIND: kinesis-mock (default; StreamARN, ON_DEMAND, child shards, UpdateShardCount; slow: about 30 calls/s;
#         not for error types and limits; also takes PORT+1, TLS with a self-signed certificate)
#       kinesalite (AWS's own error types and wording; quick; knows names only, not StreamARN; no UpdateShardCount)
# Both listen on every interface and have no option against it: loopback.cjs keeps them on 127.0.0.1.
# KINESIS_MS (50): how long a stream stays CREATING, DELETING or UPDATING. KINESIS_SHARDS (1000): limit of shards.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
cache=$HEADRACE_CACHE/kinesis ms=${KINESIS_MS:-50} shards=${KINESIS_SHARDS:-1000}
fetch() {
  local package
  case $1 in kinesis-mock) package=kinesis-local@0.6.2 ;; kinesalite) package=kinesalite@3.3.3 ;; *) svc_die "kinesis-mock or kinesalite, not $1" ;; esac
  [ -e "$cache/$1/$package" ] && return 0
  rm -rf "${cache:?}/$1"; mkdir -p "$cache/$1"; echo '{"private":true}' >"$cache/$1/package.json"
  # --omit=optional: kinesalite's LevelDB would be compiled; it keeps streams in memory without it.
  svc_fetch "$package" npm install --silent --omit=optional --prefix "$cache/$1" "$package" >&2
  touch "$cache/$1/$package"
}
install() { svc_install "$cache-$1" fetch "$1"; }
case ${1:-} in
install) install "${2:-kinesis-mock}" ;;
start)
  port=${3:-29040} kind=${4:-kinesis-mock}; install "$kind"
  modules=$cache/$kind/node_modules
  if [ "$kind" = kinesis-mock ]; then
    export KINESIS_MOCK_PLAIN_PORT=$port KINESIS_MOCK_TLS_PORT=$((port+1)) SHARD_LIMIT=$shards LOG_LEVEL=${KINESIS_LOG:-WARN}
    for v in CREATE_STREAM DELETE_STREAM UPDATE_SHARD_COUNT UPDATE_STREAM_MODE MERGE_SHARDS SPLIT_SHARD REGISTER_STREAM_CONSUMER \
      DEREGISTER_STREAM_CONSUMER START_STREAM_ENCRYPTION STOP_STREAM_ENCRYPTION; do export ${v}_DURATION="${ms}ms"; done
    mkdir -p "$2"; dir=$(cd "$2" && pwd)
    # It looks for its certificate, server.json, in the working directory.
    svc_spawn "$dir" kinesis env -C "$modules/kinesis-local" node -r "$here/loopback.cjs" main.js
    svc_wait "$dir" kinesis 120 svc_http "http://127.0.0.1:$port/healthcheck"
  else
    svc_spawn "$2" kinesis node -r "$here/loopback.cjs" "$modules/kinesalite/cli.js" --port "$port" --shardLimit "$shards" \
      --createStreamMs "$ms" --deleteStreamMs "$ms" --updateStreamMs "$ms"
    svc_wait "$2" kinesis 60 svc_port "$port"
  fi ;;
stop) svc_stop "$2" kinesis ;;
*) sed -n '2,5p' "$0" >&2; exit 2 ;;
esac
