#!/usr/bin/env bash
# Fetches what shows the OpenAPI document on /docs, packs it, and puts its licences beside it. Run it by hand, here,
# to move to another version; the results are committed. Needs npm.
set -euo pipefail
version=5.35.0
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
(cd "$work" && npm pack --silent "swagger-ui-dist@$version" && tar xzf swagger-ui-dist-*.tgz)
cd files
for name in swagger-ui-bundle.js swagger-ui.css; do
	# without the pointer to the source map, which is not shipped
	sed -E '/^(\/\/|\/\*)# sourceMappingURL=/d' "$work/package/$name" | gzip -9n >"$name.gz"
done
cp "$work/package/swagger-ui-bundle.js.LICENSE.txt" .
cat "$work/package/NOTICE" "$work/package/LICENSE" >swagger-ui.LICENSE.txt
