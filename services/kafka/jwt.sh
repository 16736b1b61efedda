#!/usr/bin/env bash
# jwt.sh DIR: a key to sign bearer tokens with (DIR/jwt.key), and what brokers check them by (DIR/jwks.json). Kept when there.
set -euo pipefail
mkdir -p "$1"; cd "$1"
exec 8>jwt.lock; flock 8 # broker and provider may start at once
[ -s jwks.json ] && exit 0
openssl genrsa -out jwt.key 2048 2>/dev/null
n=$(openssl rsa -in jwt.key -noout -modulus 2>/dev/null | sed 's/Modulus=//; s/../\\x&/g')
# shellcheck disable=SC2059
n=$(printf "$n" | openssl base64 -A | tr '+/' '-_' | tr -d '=')
printf '{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"test","e":"AQAB","n":"%s"}]}\n' "$n" >jwks.json
