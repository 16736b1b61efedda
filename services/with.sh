#!/usr/bin/env bash
# Runs a command with the real services up: with.sh DIR COMMAND...
# Starts what up.sh can, exports its HEADRACE_TEST_…, runs COMMAND, always stops the services, and ends as COMMAND did.
# A second run with the same DIR waits for the first.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); . "$here/lib.sh"
[ $# -ge 2 ] || { sed -n '2,4p' "$0" >&2; exit 2; }
dir=$1; shift
mkdir -p "$dir"
if command -v flock >/dev/null; then exec 8>"$dir/lock"; flock 8; fi
trap '"$here/down.sh" "$dir"' EXIT
trap 'exit 130' INT TERM
"$here/down.sh" "$dir" # of a run that was killed
rm -rf "$dir"/kafka "$dir"/kafka3 "$dir"/s3 "$dir"/mysql # each run starts empty
"$here/up.sh" "$dir" 8>&-
. "$dir/env"
"$@" 8>&-
