#!/usr/bin/env bash
# Makes what is published: for each platform a tar with the program, the host scripts, the service unit, the example configuration and
# the AWS files, and a CycloneDX list of what is in the program (SBOM); SHA256SUMS over all of them.
#   release.sh DIR [VERSION]      VERSION: else as git describes the commit
# The same commit gives the same tars, byte for byte, with the same Go.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,6p' "$0" >&2; exit 2; }
mkdir -p "$1"; dir=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${2:-$(git describe --tags --always --dirty)}
made=$(git log -1 --format=%ct) # time of all files in the tars
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
rm -f "$dir"/headrace-*-linux-* "$dir/SHA256SUMS"
for arch in amd64 arm64; do
  name=headrace-$version-linux-$arch stage=$(mktemp -d)
  mkdir "$stage/$name"
  GOOS=linux GOARCH=$arch make -s build PROGRAM="$stage/$name/headrace"
  cp docker/kafka-rest-start docker/kafka-rest-stop docker/kafka-rest-run-class docker/headrace.service docker/kafka-rest.properties \
    README.md CHANGELOG.md "$stage/$name/"
  cp -r docker/aws "$stage/$name/aws"; rm "$stage/$name"/aws/*_test.go
  chmod -R u=rwX,go=rX "$stage/$name"
  tar --sort=name --mtime="@$made" --owner=0 --group=0 --numeric-owner -C "$stage" -cf - "$name" | gzip -9n >"$dir/$name.tar.gz"
  go run "$sbom" bin -json -noserial -version "$version" -output "$dir/$name.cdx.json" "$stage/$name/headrace"
  rm -rf "$stage"
done
cd "$dir"
sha256sum headrace-*-linux-* >SHA256SUMS
# What is published has to be what was meant.
sha256sum --check --quiet SHA256SUMS
for arch in amd64 arm64; do
  tar -tzf "headrace-$version-linux-$arch.tar.gz" "headrace-$version-linux-$arch/headrace" "headrace-$version-linux-$arch/headrace.service" >/dev/null
  grep -qF 'pkg:golang/github.com/twmb/franz-go@' "headrace-$version-linux-$arch.cdx.json"
done
ls -l "$dir"
