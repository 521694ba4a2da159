#!/usr/bin/env bash
# scripts/fuzz.sh [SECONDS] [TARGET...]: builds the fuzz targets into build/fuzz (address and undefined behaviour
# sanitizers) and runs each for SECONDS (60), two at a time. Without names: all of them.
#
# Inputs begin at test/fuzz/corpus/TARGET; new ones stay in build/fuzz/corpus/TARGET. What breaks a target is written
# to build/fuzz/found, with its log. Memory is bounded, and so is the time of one input. Exit code 1: something broke.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/install_packages.sh

RSS_MB=${FUZZ_RSS_MB:-1024}
INPUT_SECONDS=30
JOBS=2
seconds=60
if [[ "${1:-}" =~ ^[0-9]+$ ]]; then
  seconds=$1
  shift
fi

all_targets() { find src -name '*_fuzz.cc' -printf '%f\n' | sed 's/_fuzz\.cc$//' | sort; }

if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(all_targets); fi

build_targets() {
  install_missing build
  echo "==> building ${#targets[@]} fuzz targets (build/fuzz; many minutes when cold)"
  if [ ! -e build/fuzz/build.ninja ]; then
    cmake --preset asan -B build/fuzz -DMK_FUZZ=ON > build/fuzz-configure.log 2>&1 ||
      { tail -n 30 build/fuzz-configure.log >&2; return 1; }
  fi
  cmake --build build/fuzz --target "${targets[@]/%/_fuzz}"
}

run_target() {
  local target=$1 program log=$FOUND/$1.log
  program=$(find build/fuzz/src -name "${target}_fuzz" -type f -perm -u+x | head -n 1)
  mkdir -p "build/fuzz/corpus/$target"
  if "$program" -max_total_time="$seconds" -rss_limit_mb="$RSS_MB" -timeout="$INPUT_SECONDS" -max_len=65536 \
      -artifact_prefix="$FOUND/$target-" -print_final_stats=1 "build/fuzz/corpus/$target" \
      "test/fuzz/corpus/$target" > "$log" 2>&1; then
    printf 'fuzz %-16s ok    %s inputs, %s MB at most\n' "$target" \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")"
  else
    printf 'fuzz %-16s FAIL  %s\n' "$target" "$log"
    grep -E 'ERROR|SUMMARY|runtime error|assert|Test unit written' "$log" | head -n 5 | sed 's/^/     /'
    return 1
  fi
}

mkdir -p build
build_targets
FOUND=$PWD/build/fuzz/found
rm -rf "$FOUND"
mkdir -p "$FOUND"
export FOUND RSS_MB INPUT_SECONDS seconds
export -f run_target
result=0
printf '%s\n' "${targets[@]}" | xargs -n 1 -P "$JOBS" bash -c 'run_target "$1"' run_target || result=1
broken=$(find "$FOUND" -type f ! -name '*.log' | wc -l)
[ "$result" -eq 0 ] || { echo "fuzz: $broken inputs that break something are in $FOUND" >&2; exit 1; }
echo "fuzz: ${#targets[@]} targets, ${seconds} s each, nothing broke"
