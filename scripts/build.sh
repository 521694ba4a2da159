#!/usr/bin/env bash
# scripts/build.sh PRESET [TARGET...]: configures when needed and builds; default target is mk, at build/PRESET/mk.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/install_packages.sh

build() {
  local preset=$1
  shift
  [ $# -gt 0 ] || set -- mk
  install_missing build
  echo "==> configuring build/$preset"
  cmake --preset "$preset" > "build/$preset-configure.log" 2>&1 ||
    { tail -n 30 "build/$preset-configure.log" >&2; return 1; }
  echo "==> building $* (build/$preset; minutes when cold)"
  cmake --build "build/$preset" --target "$@"
}

mkdir -p build
[ $# -gt 0 ] || { echo "usage: $0 dev|release|asan|tsan|gcc [TARGET...]" >&2; exit 2; }
build "$@"
