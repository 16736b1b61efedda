#!/usr/bin/env bash
# An OpenID provider with the client credentials grant, for Kafka's OAUTHBEARER.
#   oidc.sh install                   into $HEADRACE_CACHE/oidc (npm oauth2-mock-server)
#   oidc.sh start DIR PORT KAFKA_DIR  signs as the broker of KAFKA_DIR believes: http://127.0.0.1:PORT/token
#                                     http://127.0.0.1:PORT+1/ answers how many tokens were given out
#   oidc.sh stop DIR
# Client gateway, secret gateway-secret. OIDC_SECONDS: life of a token (3600).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
cache=$HEADRACE_CACHE/oidc package=oauth2-mock-server@8.2.3
fetch() {
  [ -e "$cache/$package" ] && return 0
  rm -rf "$cache"; mkdir -p "$cache"; echo '{"private":true}' >"$cache/package.json"
  svc_fetch "$package" npm install --silent --prefix "$cache" "$package" >&2
  touch "$cache/$package"
}
install() { svc_install "$cache" fetch; }
case ${1:-} in
install) install ;;
start)
  install
  "$here/kafka/jwt.sh" "$4"
  svc_spawn "$2" oidc node "$here/oidc.mjs" "$3" "$cache" "$4/jwt.key"
  svc_wait "$2" oidc 30 svc_http "http://127.0.0.1:$3/.well-known/openid-configuration" ;;
stop) svc_stop "$2" oidc ;;
*) sed -n '2,7p' "$0" >&2; exit 2 ;;
esac
