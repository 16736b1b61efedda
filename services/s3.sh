#!/usr/bin/env bash
# An S3 server that checks signatures and honours conditional writes: versitygw, objects are plain files.
#   s3.sh install                      into $HEADRACE_CACHE/versitygw (go install: 1-4 min, 84 MB)
#   s3.sh start DIR [PORT] [BUCKET...] default 29070; endpoint http://127.0.0.1:PORT, path style, region us-east-1
#   s3.sh bucket DIR NAME...           make buckets; needs no running server
#   s3.sh stop DIR
#   s3.sh wipe DIR                     stop and delete DIR
# Access key and secret: S3_ACCESS_KEY (test), S3_SECRET_KEY (testsecret).
# An object is the file DIR/data/BUCKET/KEY: a test may read or make it without a client. Needs a file system with
# extended attributes (ext4, xfs, btrfs, tmpfs since Linux 6.6). `a` and `a/b` cannot both be keys.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
version=v1.8.0 cache=$HEADRACE_CACHE/versitygw
fetch() {
  [ -x "$cache/$version/versitygw" ] && return 0
  # Outside the clone: its go.mod must not be asked. No -race, no flags of the caller.
  cd / && svc_fetch "versitygw $version" env GOFLAGS= GOBIN="$cache/$version" go install "github.com/versity/versitygw/cmd/versitygw@$version"
}
install() { svc_install "$cache" fetch; }
buckets() { local b dir=$1; shift; for b; do mkdir -p "$dir/data/$b"; done; }
case ${1:-} in
install) install ;;
start)
  port=${3:-29070}; mkdir -p "$2/data"; install
  buckets "$2" "${@:4}"
  # --keep-alive: without it every request opens a connection.
  ROOT_ACCESS_KEY=${S3_ACCESS_KEY:-test} ROOT_SECRET_KEY=${S3_SECRET_KEY:-testsecret} \
    svc_spawn "$2" s3 "$cache/$version/versitygw" --quiet --keep-alive --health /health --port "127.0.0.1:$port" posix "$2/data"
  svc_wait "$2" s3 60 svc_http "http://127.0.0.1:$port/health" ;;
bucket) buckets "${@:2}" ;;
stop) svc_stop "$2" s3 ;;
wipe) svc_stop "$2" s3; rm -rf "$2" ;;
*) sed -n '2,7p' "$0" >&2; exit 2 ;;
esac
