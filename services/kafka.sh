#!/usr/bin/env bash
# Real Apache Kafka (KRaft) for tests: 1 broker or a cluster on 127.0.0.1, without Docker.
#
#   kafka.sh install                   fetch the jars into $HEADRACE_CACHE/kafka (Java 17, Maven)
#   kafka.sh start DIR [PORT [COUNT]]  start COUNT brokers (1) from PORT (29092) on; again = no-op
#   kafka.sh stop DIR [N]              stop all brokers, or broker N only (clean shutdown)
#   kafka.sh kill DIR N                SIGKILL broker N: a crash
#   kafka.sh up DIR N                  start broker N again
#   kafka.sh wipe DIR                  stop and delete DIR
#   kafka.sh topics|configs|groups|offsets|produce|consume DIR ARGS...
#                                      the real kafka-topics.sh, ...; --bootstrap-server unless ARGS name it
#
# Broker N (from 1) has node.id N and listens without login on PORT+10(N-1); its controller on the port after it.
#
# Environment:
#   KAFKA_HEAP    heap of a broker (256m)
#   KAFKA_EXTRA   more broker properties, one a line, used when DIR is made
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
cache=$HEADRACE_CACHE/kafka
# Serial collector and first-tier compiler: the fastest start and the least memory for a test broker.
jvm=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" -cp "$cache/lib/*")

install() { svc_install "$cache" fetch; }

fetch() {
  mkdir -p "$cache"
  if ! cmp -s "$here/kafka/pom.xml" "$cache/pom.xml"; then
    rm -rf "${cache:?}"/*
    svc_fetch "Apache Kafka's jars" mvn -q -B -f "$here/kafka/pom.xml" dependency:copy-dependencies \
      -DoutputDirectory="$cache/lib" -DincludeScope=runtime >&2
    cp "$here/kafka/pom.xml" "$cache/pom.xml"
  fi
  # An archive of the classes that a broker loads saves more than half of each start's CPU time.
  local java; java=$(java -version 2>&1 | cat - "$cache/pom.xml" | sha256sum)
  if [ "$java" != "$(cat "$cache/archive" 2>/dev/null)" ]; then
    rm -f "$cache/archive" "$cache/broker.jsa"
    train
    echo "$java" >"$cache/archive"
  fi
}

# train runs a broker once for the archive. Without one a broker starts all the same, so no failure is passed on.
train() {
  local dir; dir=$(mktemp -d)
  broker_properties "$dir" "$(free_port)" 1 1 >"$dir/broker-1.properties"
  disk "$dir" 1
  svc_spawn "$dir" broker-1 "${jvm[@]}" -XX:ArchiveClassesAtExit="$cache/broker.jsa" -Xmx256m kafka.Kafka "$dir/broker-1.properties"
  (svc_wait "$dir" broker-1 120 grep -q 'Kafka Server started' "$dir/broker-1.log") || echo 'no class archive for Kafka: brokers start more slowly' >&2
  svc_stop "$dir" broker-1
  rm -rf "$dir"
}

# free_port: a port P below 32768 with P and P+1 free now.
free_port() {
  local p
  for p in $(shuf -i 24000-28000 -n 50); do
    svc_port "$p" || svc_port $((p+1)) || { echo "$p"; return; }
  done
}

broker_properties() { # DIR PORT COUNT N
  local dir=$1 port=$2 count=$3 n=$4 p=$(( $2 + 10 * ($4 - 1) )) voters='' i
  for i in $(seq "$count"); do voters+=${voters:+,}$i@127.0.0.1:$(( port + 10 * (i - 1) + 1 )); done
  local repl=$(( count < 3 ? count : 3 ))
  local min=$(( repl > 1 ? 2 : 1 ))
  cat <<P
process.roles=broker,controller
node.id=$n
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
log.dirs=$dir/data-$n
listeners=PLAINTEXT://127.0.0.1:$p,CONTROLLER://127.0.0.1:$((p+1))
advertised.listeners=PLAINTEXT://127.0.0.1:$p
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT

# Small and quick: few internal partitions, no wait before a group's first rebalance, little memory.
num.partitions=1
default.replication.factor=$repl
min.insync.replicas=$min
offsets.topic.num.partitions=3
offsets.topic.replication.factor=$repl
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=$repl
transaction.state.log.min.isr=$min
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=$repl
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=2097152
num.network.threads=2
num.io.threads=2
num.recovery.threads.per.data.dir=1
background.threads=2
# A dead broker is noticed, and one that was killed may come back, sooner than by the default (9 s).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
P
  printf '%s\n' "${KAFKA_EXTRA:-}"
}

# disk DIR N: an empty, formatted log directory for broker N. Formatting costs 3 s of CPU time and its result
# depends on N only, so it is kept.
disk() {
  local dir=$1 n=$2 kept=$cache/formatted/$2
  [ ! -e "$dir/data-$n/meta.properties" ] || return 0
  if [ ! -e "$kept/meta.properties" ]; then
    mkdir -p "$cache/formatted"
    local new; new=$(mktemp -d "$cache/formatted/new.XXXXXX")
    sed "s#^log.dirs=.*#log.dirs=$new/data#" "$dir/broker-$n.properties" >"$new/properties"
    "${jvm[@]}" -Xmx128m kafka.tools.StorageTool format --cluster-id AAAAAAAAQACAAAAAAAAAAA \
      --config "$new/properties" >"$dir/format-$n.log" 2>&1 || { cat "$dir/format-$n.log" >&2; svc_die "cannot format broker $n"; }
    mv -T "$new/data" "$kept" 2>/dev/null || true # another start was quicker
    rm -rf "$new"
  fi
  cp -r "$kept" "$dir/data-$n"
}

up() { # DIR N
  local dir=$1 n=$2
  # -Xshare:auto: an archive that does not fit this JVM is left alone.
  svc_spawn "$dir" "broker-$n" "${jvm[@]}" -Xshare:auto -XX:SharedArchiveFile="$cache/broker.jsa" -Xms64m -Xmx"${KAFKA_HEAP:-$(cat "$dir/heap")}" \
    kafka.Kafka "$dir/broker-$n.properties"
}
ready() { svc_wait "$1" "broker-$2" 240 grep -q 'Kafka Server started' "$1/broker-$2.log"; }

start() { # DIR [PORT [COUNT]]
  mkdir -p "$1"
  local dir port count n
  dir=$(cd "$1" && pwd)
  # Started before: the same ports and brokers, unless told otherwise.
  port=${2:-$(cat "$dir/port" 2>/dev/null || echo 29092)}
  count=${3:-$(cat "$dir/count" 2>/dev/null || echo 1)}
  [ "$port $count" = "$(cat "$dir/port" "$dir/count" 2>/dev/null | xargs)" ] || [ ! -e "$dir/port" ] || svc_die "$dir was made for other ports or brokers: wipe it first"
  install
  echo "$port" >"$dir/port"; echo "$count" >"$dir/count"; echo "${KAFKA_HEAP:-256m}" >"$dir/heap"
  for n in $(seq "$count"); do
    [ -e "$dir/broker-$n.properties" ] || broker_properties "$dir" "$port" "$count" "$n" >"$dir/broker-$n.properties"
    disk "$dir" "$n"
  done
  for n in $(seq "$count"); do up "$dir" "$n"; done
  for n in $(seq "$count"); do ready "$dir" "$n"; done
}

bootstrap() { # DIR: every broker, host:port,host:port
  local n list='' port; port=$(cat "$1/port")
  for n in $(seq "$(cat "$1/count")"); do list+=${list:+,}127.0.0.1:$(( port + 10 * (n - 1) )); done
  echo "$list"
}

tool() { # DIR MAIN ARGS...
  local dir=$1 main=$2; shift 2
  local args=("$@")
  case " $* " in *" --bootstrap-server "*) ;; *) args+=(--bootstrap-server "$(bootstrap "$dir")") ;; esac
  "${jvm[@]}" -Xmx128m "$main" "${args[@]}"
}

cmd=${1:-help}; shift || true
case $cmd in
install) install ;;
start) start "$@" ;;
stop)
  if [ -n "${2:-}" ]; then svc_stop "$1" "broker-$2"
  else for n in $(seq "$(cat "$1/count" 2>/dev/null || echo 0)"); do svc_stop "$1" "broker-$n" & done; wait; fi ;;
kill) svc_stop "$1" "broker-$2" KILL ;;
up) dir=$(cd "$1" && pwd); up "$dir" "$2"; ready "$dir" "$2" ;;
wipe) "$0" stop "$1"; rm -rf "$1" ;;
bootstrap) bootstrap "$1" ;;
topics) d=$1; shift; tool "$d" org.apache.kafka.tools.TopicCommand "$@" ;;
configs) d=$1; shift; tool "$d" kafka.admin.ConfigCommand "$@" ;;
groups) d=$1; shift; tool "$d" org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "$@" ;;
offsets) d=$1; shift; tool "$d" org.apache.kafka.tools.GetOffsetShell "$@" ;;
produce) d=$1; shift; tool "$d" org.apache.kafka.tools.ConsoleProducer "$@" ;;
consume) d=$1; shift; tool "$d" org.apache.kafka.tools.consumer.ConsoleConsumer "$@" ;;
*) sed -n '2,/^set -/p' "$here/kafka.sh" | sed '$d; s/^# \{0,1\}//' >&2; exit 2 ;;
esac
