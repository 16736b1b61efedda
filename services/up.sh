#!/usr/bin/env bash
# Starts the real services for the tests that this machine has the tools for, on 127.0.0.1, and says what is missing.
#   up.sh DIR
# DIR/env then holds `export HEADRACE_TEST_…` lines: source it, run `go test`, end with down.sh DIR.
# Ends with an error when a service that could start did not, and, where CI is set, when one is missing.
#
#   HEADRACE_TEST_KAFKA         host:port of a broker: id 1, makes missing topics with 4 partitions
#   HEADRACE_TEST_KAFKA3        host:port,… of 3 brokers, replication 3, min.insync.replicas 2, makes no topics by itself; has an authorizer, for ACLs
#   HEADRACE_TEST_KAFKA3_DIR    their directory: `$HEADRACE_TEST_KAFKA_SH kill DIR N`, `up DIR N`, `topics DIR …`
#   HEADRACE_TEST_KAFKA_DIR     the single broker's
#   HEADRACE_TEST_KAFKA_SH      kafka.sh
#   HEADRACE_TEST_KAFKA_LOGINS  the single broker's port of PLAINTEXT: those with logins follow it (kafka.sh, KAFKA_LOGINS)
#   HEADRACE_TEST_STS           endpoint of moto, which gives out role credentials that the broker believes
#   HEADRACE_TEST_OIDC          token endpoint whose tokens the broker believes: client gateway, secret gateway-secret
#   HEADRACE_TEST_S3            endpoint, path style, us-east-1, access key test, secret testsecret
#   HEADRACE_TEST_S3_BUCKET     a bucket that is there
#   HEADRACE_TEST_S3_DIR        where its server keeps objects as files: DIR/BUCKET/KEY
#   HEADRACE_TEST_KINESIS_MOCK, HEADRACE_TEST_KINESALITE   endpoints, any access key
#   HEADRACE_TEST_PYTHON        an interpreter with boto3, requests, SQLAlchemy, PyMySQL, confluent-kafka
#   HEADRACE_TEST_REGISTRY      the URL of a schema registry that speaks Confluent's API, for schema.registry.url
#   HEADRACE_TEST_SCHEMATHESIS, HEADRACE_TEST_CFN_LINT   the programs
#   HEADRACE_TEST_MYSQL         mysql://user:password@host:port/database
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
[ $# = 1 ] || { sed -n '2,3p' "$0" >&2; exit 2; }
mkdir -p "$1"; dir=$(cd "$1" && pwd)

# have TOOL...: all there? Else the missing ones stand in $lacks.
have() {
  local t; lacks=
  for t; do command -v "$t" >/dev/null || lacks+=" $t"; done
  [ -z "$lacks" ]
}

# claim: a range of 200 ports for DIR, none of them in use, and of no other directory.
# Below 32768: above, the machine may have given one to a client's connection.
claim() {
  local base owner claims; claims=/tmp/headrace-ports-$(id -u)
  mkdir -p "$claims"
  exec 9>"$claims/lock"; flock 9
  for base in $(cat "$dir/base" 2>/dev/null) $(seq 20000 200 31800); do
    owner=$(cat "$claims/$base" 2>/dev/null || true)
    if [ "$owner" != "$dir" ]; then
      [ -z "$owner" ] || [ "$(cat "$owner/base" 2>/dev/null)" != "$base" ] || continue
      busy "$base" && continue
    fi
    echo "$dir" >"$claims/$base"; echo "$base" >"$dir/base"; echo "$base"
    return
  done
  svc_die 'no 200 free ports between 20000 and 32000'
}
# busy BASE: does anything listen on one of the 200 ports? (state 0A, second column ADDRESS:PORT in hex)
busy() {
  awk -v from="$1" '$4 == "0A" { p = 0; h = toupper(substr($2, length($2) - 3)); for (i = 1; i <= 4; i++) p = p * 16 + index("0123456789ABCDEF", substr(h, i, 1)) - 1
    if (p >= from && p < from + 200) found = 1 } END { exit !found }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# service NAME COMMAND: runs COMMAND, which prints export lines; says how it went. In the background: see wait_all.
names=()
service() {
  local name=$1; shift
  names+=("$name")
  (
    s=$SECONDS; rm -f "$dir/$name.env" "$dir/$name.failed"
    if (set -e; "$@") >"$dir/$name.env" 2>"$dir/$name.err" 9>&-; then echo "started  $name ($((SECONDS - s)) s)"
    else touch "$dir/$name.failed"; echo "FAILED   $name:"; tail -n 15 "$dir/$name.err"; fi
  ) &
}
missing=0
missing() { # NAME WHAT HOW
  missing=1; rm -f "$dir/$1.env"
  echo "missing  $1: no$2 on this machine; $3"
}
export_() { printf 'export %s=%q\n' "$1" "$2"; }

kafka() {
  local logins=
  ! have javac openssl || logins=1
  # Made before there were logins, or by a machine without javac: its ports are fixed.
  [ -z "$logins" ] || [ ! -e "$dir/kafka/port" ] || [ -e "$dir/kafka/certs" ] || "$here/kafka.sh" wipe "$dir/kafka"
  KAFKA_LOGINS=$logins IAM_MOTO_URL=http://127.0.0.1:$((base + 120)) \
    KAFKA_HEAP=256m KAFKA_EXTRA=$'num.partitions=4' "$here/kafka.sh" start "$dir/kafka" $((base))
  [ -z "$logins" ] || export_ HEADRACE_TEST_KAFKA_LOGINS "$base"
  export_ HEADRACE_TEST_KAFKA "127.0.0.1:$base"
  export_ HEADRACE_TEST_KAFKA_DIR "$dir/kafka"
  export_ HEADRACE_TEST_KAFKA_SH "$here/kafka.sh"
}
kafka3() {
  # Made before it had an authorizer: what brokers are told is fixed.
  [ ! -e "$dir/kafka3/port" ] || grep -q authorizer "$dir/kafka3/broker-1.properties" || "$here/kafka.sh" wipe "$dir/kafka3"
  KAFKA_HEAP=200m KAFKA_EXTRA=$'auto.create.topics.enable=false\nauthorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\nsuper.users=User:ANONYMOUS' \
    "$here/kafka.sh" start "$dir/kafka3" $((base + 20)) 3
  export_ HEADRACE_TEST_KAFKA3 "$("$here/kafka.sh" bootstrap "$dir/kafka3")"
  export_ HEADRACE_TEST_KAFKA3_DIR "$dir/kafka3"
}
moto() { "$here/moto.sh" start "$dir/moto" $((base + 120)); export_ HEADRACE_TEST_STS "http://127.0.0.1:$((base + 120))"; }
oidc() { mkdir -p "$dir/kafka"; "$here/oidc.sh" start "$dir/oidc" $((base + 130)) "$dir/kafka"; export_ HEADRACE_TEST_OIDC "http://127.0.0.1:$((base + 130))/token"; }
s3() {
  "$here/s3.sh" start "$dir/s3" $((base + 70)) headrace-test
  export_ HEADRACE_TEST_S3 "http://127.0.0.1:$((base + 70))"
  export_ HEADRACE_TEST_S3_BUCKET headrace-test
  export_ HEADRACE_TEST_S3_DIR "$dir/s3/data"
}
kinesis_mock() { "$here/kinesis.sh" start "$dir/kinesis-mock" $((base + 80)); export_ HEADRACE_TEST_KINESIS_MOCK "http://127.0.0.1:$((base + 80))"; }
kinesalite() { "$here/kinesis.sh" start "$dir/kinesalite" $((base + 90)) kinesalite; export_ HEADRACE_TEST_KINESALITE "http://127.0.0.1:$((base + 90))"; }
registry() { "$here/schema-registry.sh" start "$dir/registry" $((base + 110)); export_ HEADRACE_TEST_REGISTRY "http://127.0.0.1:$((base + 110))/apis/ccompat/v7"; }
mysql() { "$here/mariadb.sh" start "$dir/mysql" $((base + 100)); export_ HEADRACE_TEST_MYSQL "mysql://test:test@127.0.0.1:$((base + 100))/test"; }
python() {
  local p; p=$("$here/pyclients.sh" python); export_ HEADRACE_TEST_PYTHON "$p"
  p=$("$here/pyclients.sh" schemathesis); export_ HEADRACE_TEST_SCHEMATHESIS "$p"
  p=$("$here/pyclients.sh" cfn-lint); export_ HEADRACE_TEST_CFN_LINT "$p"
}

apt='apt-get install --no-install-recommends'
need=(flock setsid curl)
if ! have "${need[@]}" || [ ! -d /proc/self ]; then
  missing services "$lacks Linux tools" 'the real services need Linux with util-linux and curl'
else
  before=$(cat "$dir/base" 2>/dev/null || true) base=$(claim)
  # Brokers remember their ports: on other ones they start empty.
  [ "$base" = "${before:-$base}" ] || for k in kafka kafka3; do "$here/kafka.sh" wipe "$dir/$k"; done
  if have java mvn; then service kafka kafka; service kafka3 kafka3; service registry registry; else missing kafka "$lacks" "$apt openjdk-17-jdk-headless maven"; fi
  have javac openssl || missing kafka-logins "$lacks" "$apt openjdk-17-jdk-headless openssl"
  if have go; then service s3 s3; else missing s3 "$lacks" 'install Go 1.26'; fi
  if have node npm openssl; then service oidc oidc; fi
  if have node npm; then service kinesis-mock kinesis_mock; service kinesalite kinesalite; else missing kinesis "$lacks" "install Node.js 20 with npm"; fi
  if have mariadbd mariadb-install-db; then service mysql mysql; else missing mysql "$lacks" "$apt mariadb-server"; fi
  if have python3 && python3 -c 'import venv, ensurepip' 2>/dev/null; then service python python; service moto moto; else missing python "${lacks:- venv in python3}" "$apt python3-venv"; fi
fi
wait
: >"$dir/env.new"
failed=0
for name in "${names[@]}"; do
  if [ -e "$dir/$name.failed" ]; then failed=1; else cat "$dir/$name.env" >>"$dir/env.new"; fi
done
mv "$dir/env.new" "$dir/env"
[ "$failed" = 0 ] || { echo "a service did not start; its files are in $dir" >&2; exit 1; }
if [ "$missing" = 1 ] && [ -n "${CI:-}" ]; then echo 'CI is set: a missing service is a failure' >&2; exit 1; fi
