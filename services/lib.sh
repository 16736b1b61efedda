# shellcheck shell=bash
# Functions shared by the service scripts; source it, do not run it. Linux (/proc, setsid, flock).
# A service is one process. Its files are all below its data directory:
#   DIR/NAME.pid   process id and start time (so that a recycled pid is never killed)
#   DIR/NAME.log   what it printed
# What is downloaded or compiled lies outside the clone, in $HEADRACE_CACHE, and is made once for all clones.

HEADRACE_CACHE=${HEADRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}

svc_die() { echo "$*" >&2; exit 1; }

# svc_born PID: the process's start time in clock ticks, empty if it is gone.
svc_born() {
  local stat; stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  stat=${stat##*) }
  # shellcheck disable=SC2086
  set -- $stat
  [ "$1" = Z ] || echo "${20}"
}

# svc_alive DIR NAME: is the recorded process still the one we started?
svc_alive() {
  local pid born
  read -r pid born 2>/dev/null <"$1/$2.pid" || return 1
  [ -n "$born" ] && [ "$(svc_born "$pid")" = "$born" ]
}

# svc_spawn DIR NAME CMD...: start in the background, detached; a no-op if it runs.
svc_spawn() {
  local dir=$1 name=$2; shift 2
  mkdir -p "$dir"
  svc_alive "$dir" "$name" && return 0
  : >"$dir/$name.log" # here, not in the child: svc_wait must not read what an earlier process said
  # 8 and 9 are locks of ours or of a caller: a daemon must not hold them.
  setsid nohup "$@" >>"$dir/$name.log" 2>&1 </dev/null 8>&- 9>&- &
  local pid=$!
  echo "$pid $(svc_born $pid)" >"$dir/$name.pid"
}

# svc_wait DIR NAME SECONDS TEST...: until TEST succeeds; fails when the process dies first.
svc_wait() {
  local dir=$1 name=$2 end=$(( $(date +%s) + $3 )); shift 3
  until "$@" >/dev/null 2>&1; do
    svc_alive "$dir" "$name" || { tail -n 25 "$dir/$name.log" >&2; svc_die "$name ended while starting; see $dir/$name.log"; }
    [ "$(date +%s)" -lt "$end" ] || { tail -n 25 "$dir/$name.log" >&2; svc_die "$name not ready in time; see $dir/$name.log"; }
    sleep 0.1
  done
}

# svc_stop DIR NAME [SIGNAL]: TERM (or SIGNAL), then KILL after 20 s; a no-op if it is gone.
svc_stop() {
  local dir=$1 name=$2 sig=${3:-TERM} pid _
  if svc_alive "$dir" "$name"; then
    read -r pid _ <"$dir/$name.pid"
    kill -"$sig" "$pid" 2>/dev/null || true
    for _ in $(seq 200); do svc_alive "$dir" "$name" || break; sleep 0.1; done
    if svc_alive "$dir" "$name"; then kill -KILL "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$dir/$name.pid"
}

# svc_http URL: answers with a 2xx?
svc_http() { curl -fsS -o /dev/null --max-time 3 "$1"; }
# svc_port PORT: accepts a TCP connection on 127.0.0.1?
svc_port() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# svc_install CACHE COMMAND...: runs it; when several start at once, one after the other.
svc_install() { mkdir -p "$(dirname "$1")"; (flock 8; shift; "$@") 8>"$1.lock"; }
# svc_fetch WHAT COMMAND...: a command that downloads, tried twice; an error names WHAT.
svc_fetch() {
  local what=$1; shift
  "$@" && return 0
  echo "downloading $what failed, trying once more" >&2; sleep 2
  "$@" || svc_die "cannot download $what: $*"
}
