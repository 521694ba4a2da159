#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests: unit tests, fuzzers for FUZZ_SECONDS each (4; 0: none), then the
# system tests with the real binary. The last line is "N passed, N failed", with ", N skipped" where a test could not
# run here (it says why).
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/install_packages.sh
source scripts/unit_tests.sh

install_missing build run guestbook test
scripts/build.sh dev mk unit_tests linktests
echo "==> unit tests"
run_unit_tests dev

# Only targets of the lower rooms and dns: building the API server and the kubelet once more, instrumented, would take
# longer than all tests together. scripts/fuzz.sh runs those too, and all corpora are part of the unit tests.
fuzz_failed=0
if [ "${FUZZ_SECONDS:-4}" -gt 0 ]; then
  mapfile -t targets < <(find src/{api,cel,dns,net,pki} -name '*_fuzz.cc' -printf '%f\n' | sed 's/_fuzz\.cc$//' | sort)
  scripts/fuzz.sh "${FUZZ_SECONDS:-4}" "${targets[@]}" || fuzz_failed=1
fi

echo "==> system tests"
mkdir -p build
set -o pipefail
/usr/bin/python3 test/system/run.py --mk build/dev/mk 2>&1 | tee build/system-tests.log || true
last=$(tail -n 1 build/system-tests.log)
system_passed=$(sed -n 's/^\([0-9]*\) passed.*/\1/p' <<< "$last")
system_failed=$(sed -n 's/^.* passed, \([0-9]*\) failed.*/\1/p' <<< "$last")
skipped=$(sed -n 's/^.*, \([0-9]*\) skipped$/\1/p' <<< "$last")
if [ -z "$system_passed" ]; then
  echo "the system tests did not come to their end"
  system_passed=0
  system_failed=1
fi

echo "==> all: $UNIT_PASSED unit tests and $system_passed system tests passed${skipped:+; $skipped skipped, see above}"
passed=$((UNIT_PASSED + system_passed))
failed=$((UNIT_FAILED + system_failed + fuzz_failed))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
