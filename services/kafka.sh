#!/usr/bin/env bash
# Real Apache Kafka (KRaft) for tests: 1 broker or a cluster on 127.0.0.1, without Docker.
#
#   kafka.sh install                   fetch the jars into $HEADRACE_CACHE/kafka (Java 17, Maven)
#   kafka.sh start DIR [PORT [COUNT]]  start COUNT brokers (1) from PORT (29092) on; again = no-op
#   kafka.sh stop DIR [N]              stop all brokers, or broker N only (clean shutdown)
#   kafka.sh kill DIR N                SIGKILL broker N: a crash
#   kafka.sh up DIR N                  start broker N again
#   kafka.sh wipe DIR                  stop and delete DIR
#   kafka.sh topics|acls|configs|groups|offsets|produce|consume DIR ARGS...
#                                      the real kafka-topics.sh, ...; --bootstrap-server unless ARGS name it
#
# Broker N (from 1) has node.id N and listens without login on P = PORT+10(N-1); its controller on the port after it.
#
# Environment:
#   KAFKA_HEAP      heap of a broker (256m)
#   KAFKA_EXTRA     more broker properties, one a line, used when DIR is made
#   KAFKA_LOGINS=1  when DIR is made: a port for every way to log in (needs javac and openssl)
#       P+2  SASL_SSL        PLAIN (alice/alice-secret), SCRAM-SHA-256, SCRAM-SHA-512 (users are made by tests)
#       P+3  SSL             client certificate needed; CN is the user: DIR/certs/{alice,stranger}.{crt,key,pem}
#       P+4  SASL_SSL        OAUTHBEARER, JWT by DIR/jwks.json: audience kafka, issuer test-issuer (oidc.sh makes such)
#       P+5  SASL_SSL        MSK IAM: AWS_MSK_IAM, and OAUTHBEARER with Amazon's signed token; region us-east-1
#       P+6  SASL_SSL        as P+5, but sessions end after 5 s
#       P+7  SASL_PLAINTEXT  as P+2
#     Trust DIR/certs/ca.pem; the broker is localhost, 127.0.0.1 and *.test.kafka.us-east-1.amazonaws.com.
#     AWS keys are read at each login from DIR/iam-keys (kafka/java/testkafka/Credentials.java) and from the moto server at
#     IAM_MOTO_URL. There are ACLs: anything goes where a resource has none; User:ANONYMOUS may always do everything.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
cache=$HEADRACE_CACHE/kafka
# Serial collector and first-tier compiler: the fastest start and the least memory for a test broker.
classes=$cache/classes-$(cat "$here"/kafka/java/testkafka/*.java | cksum | tr -d ' ')
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
  KAFKA_LOGINS='' broker_properties "$dir" "$(free_port)" 1 1 >"$dir/broker-1.properties"
  disk "$dir" 1
  svc_spawn "$dir" broker-1 "${jvm[@]}" -XX:ArchiveClassesAtExit="$cache/broker.jsa" -Xmx256m kafka.Kafka "$dir/broker-1.properties"
  (svc_wait "$dir" broker-1 120 grep -q 'Kafka Server started' "$dir/broker-1.log") || echo 'no class archive for Kafka: brokers start more slowly' >&2
  svc_stop "$dir" broker-1
  rm -rf "$dir"
}

# compile: the verifier of MSK IAM logins, which brokers with logins load.
compile() {
  [ ! -e "$classes/done" ] || return 0
  rm -rf "$classes"; mkdir -p "$classes"
  javac -nowarn -cp "$cache/lib/*" -d "$classes" "$here"/kafka/java/testkafka/*.java
  touch "$classes/done"
}

# free_port: a port P below 32768 with P and P+1 free now.
free_port() {
  local p
  for p in $(shuf -i 24000-28000 -n 50); do
    svc_port "$p" || svc_port $((p+1)) || { echo "$p"; return; }
  done
}

listeners() { # DIR P
  local p=$2 listeners advertised map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
  listeners=PLAINTEXT://127.0.0.1:$p,CONTROLLER://127.0.0.1:$((p+1)) advertised=PLAINTEXT://127.0.0.1:$p
  if [ -z "${KAFKA_LOGINS:-}" ]; then
    printf '%s\n' "listeners=$listeners" "advertised.listeners=$advertised" "listener.security.protocol.map=$map"
    return
  fi
  local n=2 name
  for name in SASL MTLS OAUTH IAM SHORT CLEAR; do
    listeners+=,$name://127.0.0.1:$((p+n)) advertised+=,$name://localhost:$((p+n)) n=$((n+1))
  done
  map+=,SASL:SASL_SSL,MTLS:SSL,OAUTH:SASL_SSL,IAM:SASL_SSL,SHORT:SASL_SSL,CLEAR:SASL_PLAINTEXT
  printf '%s\n' "listeners=$listeners" "advertised.listeners=$advertised" "listener.security.protocol.map=$map"
  logins "$1"
}

logins() { # DIR: what the ports of KAFKA_LOGINS ask for
  local dir=$1 l m
  local module=org.apache.kafka.common.security
  cat <<P
inter.broker.listener.name=PLAINTEXT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location=$dir/certs/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location=$dir/certs/ca.pem
listener.name.mtls.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*\$/\$1/,DEFAULT
listener.name.oauth.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.oauth.oauthbearer.sasl.jaas.config=$module.oauthbearer.OAuthBearerLoginModule required;
listener.name.oauth.oauthbearer.sasl.server.callback.handler.class=$module.oauthbearer.OAuthBearerValidatorCallbackHandler
listener.name.oauth.oauthbearer.sasl.oauthbearer.jwks.endpoint.url=file://$dir/jwks.json
listener.name.oauth.oauthbearer.sasl.oauthbearer.expected.audience=kafka
listener.name.oauth.oauthbearer.sasl.oauthbearer.expected.issuer=test-issuer
P
  for l in sasl clear; do
    echo "listener.name.$l.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
    echo "listener.name.$l.plain.sasl.jaas.config=$module.plain.PlainLoginModule required user_alice=\"alice-secret\";"
    for m in 256 512; do echo "listener.name.$l.scram-sha-$m.sasl.jaas.config=$module.scram.ScramLoginModule required;"; done
  done
  for l in iam short; do
    echo "listener.name.$l.sasl.enabled.mechanisms=AWS_MSK_IAM,OAUTHBEARER"
    echo "listener.name.$l.aws_msk_iam.sasl.jaas.config=testkafka.MskIamLoginModule required;"
    echo "listener.name.$l.oauthbearer.sasl.jaas.config=$module.oauthbearer.OAuthBearerLoginModule required;"
    echo "listener.name.$l.oauthbearer.sasl.server.callback.handler.class=testkafka.MskIamTokenValidator"
  done
  for m in aws_msk_iam oauthbearer; do echo "listener.name.short.$m.connections.max.reauth.ms=5000"; done
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
$(listeners "$dir" "$p")

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
  local dir=$1 n=$2 flags=()
  if [ -e "$dir/jwks.json" ]; then
    flags=("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://$dir/jwks.json" "-Dtestkafka.iam.credentials=$dir/iam-keys" -cp "$cache/lib/*:$classes")
    [ ! -e "$dir/moto" ] || flags+=("-Dtestkafka.iam.moto=$(cat "$dir/moto")")
  fi
  # -Xshare:auto: an archive that does not fit this JVM is left alone.
  svc_spawn "$dir" "broker-$n" "${jvm[@]}" "${flags[@]}" -Xshare:auto -XX:SharedArchiveFile="$cache/broker.jsa" -Xms64m -Xmx"${KAFKA_HEAP:-$(cat "$dir/heap")}" \
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
  if [ -n "${KAFKA_LOGINS:-}" ]; then
    svc_install "$cache" compile
    "$here/kafka/certs.sh" "$dir/certs"
    "$here/kafka/jwt.sh" "$dir"
    [ -z "${IAM_MOTO_URL:-}" ] || echo "$IAM_MOTO_URL" >"$dir/moto"
  fi
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
acls) d=$1; shift; tool "$d" org.apache.kafka.tools.AclCommand "$@" ;;
configs) d=$1; shift; tool "$d" kafka.admin.ConfigCommand "$@" ;;
groups) d=$1; shift; tool "$d" org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "$@" ;;
offsets) d=$1; shift; tool "$d" org.apache.kafka.tools.GetOffsetShell "$@" ;;
produce) d=$1; shift; tool "$d" org.apache.kafka.tools.ConsoleProducer "$@" ;;
consume) d=$1; shift; tool "$d" org.apache.kafka.tools.consumer.ConsoleConsumer "$@" ;;
*) sed -n '2,/^set -/p' "$here/kafka.sh" | sed '$d; s/^# \{0,1\}//' >&2; exit 2 ;;
esac
