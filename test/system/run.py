#!/usr/bin/env python3
"""Runs the system tests: the real binary with real runc, overlayfs, iptables and network namespaces.

  sudo test/system/run.py [--mk build/dev/mk] [--keep] [WORD ...]     a test runs if its name contains a WORD

Everything happens inside namespaces of this run's own: when it ends, however it ends, nothing is left.
The last line is "N passed, N failed" with ", N skipped" where something could not be tested here.
"""

import argparse
import ctypes
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LOGS = os.path.join(ROOT, "build", "system-test-logs")
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mk", default=os.path.join(ROOT, "build", "dev", "mk"))
    parser.add_argument("--keep", action="store_true", help="keep the run's folder")
    parser.add_argument("--inside", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*")
    return parser.parse_args()


class Progress(unittest.TestResult):
    """One line a test; failures in full at once."""

    def __init__(self, total):
        super().__init__()
        self.total, self.passed, self.began = total, 0, 0.0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def tell(self, word, test, more=""):
        took = time.monotonic() - self.began if self.began else 0.0
        print(f"[{self.testsRun:3}/{self.total}] {word:4} {took:6.1f}s {name_of(test)}{more}", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self.tell("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.tell("SKIP", test, ": " + reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tell("FAIL", test, "\n" + indent(self.failures[-1][1]))

    def addError(self, test, err):
        super().addError(test, err)
        self.tell("FAIL", test, "\n" + indent(self.errors[-1][1]))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            print(f"           FAIL {subtest}\n{indent((self.failures + self.errors)[-1][1])}", flush=True)

    def failed_tests(self):
        return {name_of(test).split(" (")[0] for test, _ in self.failures + self.errors}


def name_of(test):
    return str(test.id()).removeprefix("test_") if hasattr(test, "id") else str(test)


def indent(text):
    return "".join("             " + line + "\n" for line in text.splitlines())


def flatten(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from flatten(each)
        else:
            yield each


def load(words):
    suite = unittest.TestSuite()
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        module = unittest.defaultTestLoader.loadTestsFromName(os.path.basename(path)[:-3])
        chosen = [test for test in flatten(module) if not words or any(word in test.id() for word in words)]
        suite.addTest(unittest.TestSuite(chosen))
    return suite


def summary(passed, failed, skipped):
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed else 0


def skip_all(words, why):
    tests = list(flatten(load(words)))
    for test in tests:
        print(f"SKIP {name_of(test)}: {why}")
    return summary(0, 0, len(tests))


def run_inside(arguments):
    from lab import fixture
    from lab.laboratory import Laboratory

    suite = load(arguments.words)
    result = Progress(suite.countTestCases())
    fixture.lab = Laboratory(os.path.abspath(arguments.mk), arguments.inside, os.path.basename(arguments.inside))
    try:
        suite.run(result)
    finally:
        fixture.lab.end()
    failed = len(result.failed_tests())
    if failed:
        keep_logs(arguments.inside)
    return summary(result.passed, failed, len(result.skipped))


def keep_logs(folder):
    shutil.rmtree(LOGS, ignore_errors=True)
    os.makedirs(LOGS)
    for path in glob.glob(os.path.join(folder, "*", "*.log")):
        shutil.copy(path, os.path.join(LOGS, os.path.basename(os.path.dirname(path)) + "." + os.path.basename(path)))
    print(f"the logs of this run's hosts are in {LOGS}")


def die_with_parent():
    """A killed runner takes its namespaces along: unshare dies, and with it (--kill-child) all that is inside."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def run_outside(arguments):
    from lab import npm
    from lab.cgroups import remove_cgroups

    if any("node_client" in test.id() for test in flatten(load(arguments.words))):
        npm.fetch()
    folder = tempfile.mkdtemp(prefix="mkt-", dir="/var/tmp")
    os.chmod(folder, 0o755)
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
             sys.executable, os.path.abspath(__file__), "--mk", arguments.mk, "--inside", folder, *arguments.words]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the finally below
    try:
        return subprocess.run(words, check=False, preexec_fn=die_with_parent).returncode
    finally:
        remove_cgroups(os.path.basename(folder))
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


def main():
    arguments = parse()
    if arguments.inside:
        return run_inside(arguments)
    if os.geteuid() != 0:
        return skip_all(arguments.words, "needs root")
    from lab.laboratory import missing_features

    missing = missing_features()
    if missing:
        return skip_all(arguments.words, "this machine lacks " + "; ".join(f"{name} ({why})" for name, why in missing.items()))
    if not os.access(arguments.mk, os.X_OK):
        print(f"no mk at {arguments.mk}; scripts/build.sh dev builds it")
        return 2
    return run_outside(arguments)


if __name__ == "__main__":
    sys.exit(main())
