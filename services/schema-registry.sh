#!/usr/bin/env bash
# A schema registry with Confluent's REST API (Avro, JSON Schema, Protobuf; references): Apicurio Registry, in memory.
#   schema-registry.sh install           into $HEADRACE_CACHE/apicurio (Maven: 30 s, 115 MB)
#   schema-registry.sh start DIR [PORT]  default 29081; schema.registry.url=http://127.0.0.1:PORT/apis/ccompat/v7
#   schema-registry.sh stop DIR
#   schema-registry.sh wipe DIR          stop and delete DIR
# 3.0.9 is the newest release that runs on Java 17. SR_HEAP (192m).
# It differs from Confluent's: no compatibility is checked by default; a JSON Schema needs $schema or properties, else it is
# taken for Avro; messages of errors are its own.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
version=3.0.9 cache=$HEADRACE_CACHE/apicurio
fetch() {
  [ -e "$cache/$version/done" ] && return 0
  rm -rf "${cache:?}/$version"; mkdir -p "$cache/$version"
  svc_fetch "Apicurio Registry $version" mvn -q -B dependency:copy \
    -Dartifact="io.apicurio:apicurio-registry-app:$version:tar.gz:all" -DoutputDirectory="$cache/$version" >&2
  tar -C "$cache/$version" -xzf "$cache/$version/apicurio-registry-app-$version-all.tar.gz"
  rm "$cache/$version"/*.tar.gz
  touch "$cache/$version/done"
}
install() { svc_install "$cache" fetch; }
case ${1:-} in
install) install ;;
start)
  port=${3:-29081}; mkdir -p "$2"; install
  svc_spawn "$2" schema-registry java -Xmx"${SR_HEAP:-192m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
    -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$port" -Dquarkus.http.access-log.enabled=false -Dquarkus.log.level=WARN \
    -jar "$cache/$version/apicurio-registry-app-$version-runner.jar"
  svc_wait "$2" schema-registry 240 svc_http "http://127.0.0.1:$port/apis/ccompat/v7/subjects" ;;
stop) svc_stop "$2" schema-registry ;;
wipe) svc_stop "$2" schema-registry; rm -rf "$2" ;;
*) sed -n '2,6p' "$0" >&2; exit 2 ;;
esac
