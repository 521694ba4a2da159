#!/usr/bin/env bash
# From a clone to a running application, on Debian 12, as root:
#
#   ./scripts/quickstart.sh          installs what is missing, builds, starts mk, runs examples/guestbook
#   ./scripts/quickstart.sh --down   stops it all: no process, mount, network namespace, interface or rule remains
#
# Either may be run again without harm. What it keeps: build/, the cluster's state in /var/lib/mk, the kubeconfig
# and registries.yaml in /etc/mk.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/install_packages.sh
source scripts/registry.sh

MK=$PWD/build/release/mk
STATE=$PWD/build/quickstart
REGISTRY_PORT=${REGISTRY_PORT:-5000}
KUBECONFIG=/etc/mk/mk.yaml
REGISTRIES=/etc/mk/registries.yaml
export KUBECONFIG

step() { printf '==> %s\n' "$*"; }
fail() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }

# The real kubectl where there is one.
kubectl_command() {
  if command -v kubectl > /dev/null; then kubectl "$@"; else "$MK" kubectl "$@"; fi
}

# wait_until SECONDS WHAT COMMAND...
wait_until() {
  local seconds=$1 what=$2 start=$SECONDS
  shift 2
  step "waiting for $what"
  until "$@" > /dev/null 2>&1; do
    is_running "$STATE/mk.pid" "$MK" || { tail -n 20 "$STATE/mk.log" >&2; fail "mk has ended; its log is $STATE/mk.log"; }
    [ $((SECONDS - start)) -lt "$seconds" ] || fail "no $what after $seconds s; the log is $STATE/mk.log"
    sleep 0.2
  done
}

node_is_ready() {
  kubectl_command get nodes | awk '$2 == "Ready" {ready = 1} END {exit !ready}'
}

deployment_is_ready() {
  kubectl_command get deployment "$1" | awk 'NR == 2 {split($2, n, "/"); exit !(n[1] == n[2] && n[2] > 0)}'
}

make_images() {
  step "making the application's images (build/quickstart/images)"
  /usr/bin/python3 scripts/guestbook_images.py --layout "$STATE/images" --tarball "$STATE/guestbook.tar"
  step "starting a registry on 127.0.0.1:$REGISTRY_PORT and pushing them"
  start_registry "$STATE/registry" "$REGISTRY_PORT"
  /usr/bin/python3 scripts/guestbook_images.py --push "127.0.0.1:$REGISTRY_PORT"
}

# mk asks this file where registry.example is. One that is there is the user's.
write_registries() {
  if [ -e "$REGISTRIES" ]; then
    grep -q registry.example "$REGISTRIES" ||
      step "$REGISTRIES is yours and stays as it is; give it a mirror for registry.example: http://127.0.0.1:$REGISTRY_PORT"
    return
  fi
  mkdir -p /etc/mk
  cat > "$REGISTRIES" <<END
mirrors:
  registry.example:
    endpoint:
      - http://127.0.0.1:$REGISTRY_PORT
END
}

start_mk() {
  local running
  running=$(readlink "/proc/$(cat "$STATE/mk.pid" 2>/dev/null || echo none)/exe" 2>/dev/null || true)
  if [ "$running" = "$MK" ]; then
    step "mk is running already (pid $(cat "$STATE/mk.pid"))"
    return
  fi
  if [ "$running" = "$MK (deleted)" ]; then
    step "mk was built anew: restarting it; the pods run on"
    stop_process "$STATE/mk.pid"
  fi
  step "starting mk server; its log is $STATE/mk.log"
  setsid "$MK" server > "$STATE/mk.log" 2>&1 < /dev/null &
  echo $! > "$STATE/mk.pid"
}

node_address() {
  kubectl_command get nodes -o json |
    /usr/bin/python3 -c 'import json, sys
addresses = json.load(sys.stdin)["items"][0]["status"]["addresses"]
print(next(each["address"] for each in addresses if each["type"] == "InternalIP"))'
}

application_answers() { curl -sf -m 10 "http://$(node_address):30080/cgi-bin/entries"; }

print_next_steps() {
  local address=$1
  cat <<END

The guestbook answers on http://$address:30080/

Try next:
  export KUBECONFIG=$KUBECONFIG
  kubectl get pods -o wide                 # no kubectl here? $MK kubectl get pods -o wide
  curl -d entry=hello http://$address:30080/cgi-bin/add; curl http://$address:30080/cgi-bin/entries
  kubectl scale deployment front --replicas 5 && kubectl rollout status deployment front
  kubectl logs -l tier=back
  kubectl exec deploy/front -- nslookup redis.default.svc.cluster.local
  kubectl edit configmap guestbook         # another title: the page shows it at once
  $MK images list
  $MK token create                         # another machine: mk agent --join https://$address:6443 --token ...
Stop it all: ./scripts/quickstart.sh --down
END
}

up() {
  install_missing build run guestbook
  scripts/build.sh release mk
  mkdir -p "$STATE"
  make_images
  write_registries
  start_mk
  wait_until 60 "the API server" curl -skf https://127.0.0.1:6443/readyz
  wait_until 60 "the node to be Ready" node_is_ready
  step "applying examples/guestbook"
  wait_until 30 "the service account of pods" kubectl_command get serviceaccount default
  kubectl_command apply -f examples/guestbook
  wait_until 120 "the back end" deployment_is_ready redis
  wait_until 120 "the front end" deployment_is_ready front
  wait_until 30 "the application to answer" application_answers
  kubectl_command get deployments,pods,services -o wide
  print_next_steps "$(node_address)"
}

no_pods() { [ -z "$(kubectl_command get pods -l app=guestbook -o name)" ]; }

# What mk would leave if something went wrong; one line each, nothing when all is gone.
leftovers() {
  local process target
  for process in /proc/[0-9]*; do
    target=$(readlink "$process/exe" 2>/dev/null || true)
    case "$target" in
      "$MK"* | */mk-supervisor* | /var/lib/mk/* | "$STATE"/*) echo "process ${process#/proc/}: $target" ;;
    esac
    if grep -qs ':/kubepods' "$process/cgroup"; then echo "process ${process#/proc/} in a pod's cgroup: $target"; fi
  done
  awk '$5 ~ "^/(var/lib|run)/mk/" {print "mount " $5}' /proc/self/mountinfo
  ip -o link | awk -F': ' '$2 ~ /^mk/ {print "interface " $2}'
  find /run/netns -name 'mk*' 2>/dev/null | sed 's/^/network namespace /'
  if command -v iptables-save > /dev/null; then iptables-save 2>/dev/null | sed -n 's/.*MK-.*/iptables rule &/p'; fi
  find /sys/fs/cgroup -maxdepth 3 -type d -name 'kubepods*' -prune 2>/dev/null | sed 's/^/cgroup /'
}

down() {
  if [ -x "$MK" ] && is_running "$STATE/mk.pid" "$MK"; then
    step "deleting the application"
    kubectl_command delete --ignore-not-found -f examples/guestbook > /dev/null 2>&1 || true
    (wait_until 60 "its pods to end" no_pods) || true
    step "stopping mk"
    stop_process "$STATE/mk.pid"
  fi
  if [ -x "$MK" ]; then
    step "cleaning up what pods hold"
    "$MK" cleanup || step "mk cleanup reported the above"
  fi
  step "stopping the registry"
  stop_registry "$STATE/registry"
  local left
  left=$(leftovers)
  if [ -n "$left" ]; then
    printf 'quickstart: this is left:\n%s\n' "$left" >&2
    exit 1
  fi
  step "all is gone; the cluster's state stays in /var/lib/mk (rm -r /var/lib/mk for a fresh start)"
}

[ "$(id -u)" -eq 0 ] || fail "run this as root: it makes containers and network rules"
case "${1:-}" in
  "") up ;;
  --down) down ;;
  *) echo "usage: $0 [--down]" >&2; exit 2 ;;
esac
