#!/usr/bin/env bash
# certs.sh DIR: a throw-away test CA with a broker certificate and client certificates (openssl, EC keys).
#   DIR/ca.pem                         trust this
#   DIR/broker.pem                     key + certificate + CA in one file, Kafka's PEM key store
#   DIR/alice.{crt,key,pem}            a client; .pem = key + certificate + CA
#   DIR/stranger.{crt,key,pem}         signed by another CA, otherca.pem: must be refused
# Does nothing when they are there.
set -euo pipefail
dir=$1; mkdir -p "$dir"; cd "$dir"
[ -s done ] && exit 0
ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=$2" \
         -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
         -keyout "$1.key" -out "$1.pem" 2>/dev/null; }
leaf() { # NAME CA EXTENSIONS
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 365 -extfile <(printf '%s\n' "$3") -out "$1.crt" 2>/dev/null
  cat "$1.key" "$1.crt" "$2.pem" >"$1.pem"; rm "$1.csr"
}
ca ca 'Test CA'; ca otherca 'Other CA'
# The amazonaws names let a test dial 127.0.0.1 under an MSK broker's name.
leaf broker ca $'subjectAltName=DNS:localhost,DNS:broker,IP:127.0.0.1,IP:::1,DNS:*.test.kafka.us-east-1.amazonaws.com\nextendedKeyUsage=serverAuth,clientAuth'
leaf alice ca extendedKeyUsage=clientAuth
leaf stranger otherca extendedKeyUsage=clientAuth
echo ok >done
