#!/usr/bin/env bash
# What a developer runs before every commit: format, tidy, floors, an incremental build, unit tests.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/install_packages.sh
source scripts/unit_tests.sh

# Files that differ from main (or from HEAD, on main itself), committed or not, that exist.
changed_files() {
  local base
  base=$(git merge-base HEAD main 2>/dev/null || git rev-parse HEAD)
  { git diff --name-only --diff-filter=d "$base"; git ls-files --others --exclude-standard; } | sort -u
}

check_format() {
  local files
  mapfile -t files < <(changed_files | grep -E '^(src|include)/.*\.(cc|h)$' || true)
  [ "${#files[@]}" -gt 0 ] || return 0
  clang-format --dry-run --Werror "${files[@]}" 2> build/format.log && return 0
  echo "not formatted; clang-format -i mends it:" >&2
  sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: error:.*/  \1/p' build/format.log | sort -u >&2
  return 1
}

mkdir -p build
install_missing build format
failed=()
echo "==> format of changed files"
check_format || failed+=(format)
echo "==> tidy"
/usr/bin/python3 scripts/tidy.py || failed+=(tidy)
scripts/build.sh dev mk unit_tests || { echo "check: the build fails (floors are checked while configuring)" >&2; exit 1; }
echo "==> unit tests"
run_unit_tests dev
[ "$UNIT_FAILED" -eq 0 ] || failed+=("unit tests")
if [ "${#failed[@]}" -gt 0 ]; then
  echo "check: these fail: ${failed[*]}" >&2
  exit 1
fi
echo "check: all good ($UNIT_PASSED unit tests)"
