#!/usr/bin/env bash
# Runs the unit tests of build/$1, room by room; sourced. Afterwards UNIT_PASSED and UNIT_FAILED count test cases.
UNIT_PASSED=0
UNIT_FAILED=0

# Catch2's last lines: "All tests passed (9 assertions in 3 test cases)" or
# "test cases: 3 | 2 passed | 1 failed"; a program that died has neither.
count_unit_tests() {
  local log=$1 passed failed
  if passed=$(sed -n 's/^All tests passed (.* in \([0-9]*\) test cases\{0,1\})$/\1/p' "$log") && [ -n "$passed" ]; then
    failed=0
  else
    passed=$(sed -n 's/^test cases:.*| *\([0-9]*\) passed.*/\1/p' "$log" | tail -1)
    failed=$(sed -n 's/^test cases:.*| *\([0-9]*\) failed.*/\1/p' "$log" | tail -1)
    : "${passed:=0}" "${failed:=1}"
  fi
  UNIT_PASSED=$((UNIT_PASSED + passed))
  UNIT_FAILED=$((UNIT_FAILED + failed))
}

run_unit_tests() {
  local build=build/$1 program room log began result
  for program in "$build"/src/*/*_test; do
    room=$(basename "$program" _test)
    log=$build/$room.unit.log
    began=$SECONDS
    result=0
    timeout 600 "$program" > "$log" 2>&1 || result=$?
    count_unit_tests "$log"
    if [ "$result" -eq 0 ]; then
      printf 'unit %-12s ok   %3ss  %s\n' "$room" $((SECONDS - began)) "$(tail -n 2 "$log" | tr -d '\n')"
    else
      printf 'unit %-12s FAIL %3ss  exit %s; %s:\n' "$room" $((SECONDS - began)) "$result" "$log"
      tail -n 40 "$log" | sed 's/^/     /'
    fi
    grep -a 'SKIP' "$log" | sort -u | sed 's/^/     /' || true
  done
}
