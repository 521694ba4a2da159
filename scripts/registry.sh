#!/usr/bin/env bash
# A container registry on loopback (Debian's docker-registry with a configuration of our own: the packaged one
# listens on all interfaces). Sourced by quickstart.sh.
#
#   start_registry FOLDER PORT     returns when it answers; a running one is left alone
#   stop_registry FOLDER

# Whether the process in pid file $1 runs the program $2.
is_running() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  [ -n "$pid" ] && [ "$(readlink "/proc/$pid/exe" 2>/dev/null | sed 's/ (deleted)$//')" = "$(readlink -f "$2")" ]
}

# TERM, then KILL after 25 s.
stop_process() {
  local pid waited=0
  pid=$(cat "$1")
  kill "$pid" 2>/dev/null || true
  while [ -d "/proc/$pid" ] && [ "$(awk '/^State/ {print $2}' "/proc/$pid/status" 2>/dev/null)" != Z ]; do
    [ "$waited" -lt 250 ] || { kill -9 "$pid" 2>/dev/null || true; }
    sleep 0.1
    waited=$((waited + 1))
  done
  rm -f "$1"
}

start_registry() {
  local folder=$1 port=$2 waited=0 program
  program=$(command -v docker-registry)
  mkdir -p "$folder/storage"
  is_running "$folder/registry.pid" "$program" && return 0
  cat > "$folder/registry.yml" <<END
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $folder/storage}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$port"}
END
  if curl -s -o /dev/null "http://127.0.0.1:$port/"; then
    echo "port $port of 127.0.0.1 is taken by another program; set REGISTRY_PORT to a free one" >&2
    return 1
  fi
  setsid "$program" serve "$folder/registry.yml" > "$folder/registry.log" 2>&1 < /dev/null &
  echo $! > "$folder/registry.pid"
  until curl -sf -o /dev/null "http://127.0.0.1:$port/v2/"; do
    if [ "$waited" -ge 100 ] || ! is_running "$folder/registry.pid" "$program"; then
      echo "docker-registry does not start; see $folder/registry.log" >&2
      return 1
    fi
    sleep 0.1
    waited=$((waited + 1))
  done
}

stop_registry() {
  is_running "$1/registry.pid" "$(command -v docker-registry)" || return 0
  stop_process "$1/registry.pid"
}
