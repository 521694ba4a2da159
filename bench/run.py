#!/usr/bin/env python3
"""Measures mk: start, memory, idle writes, API rates, pod start, size. As root:

  sudo bench/run.py [--binary build/release/mk] [--quick] [--only NAME ...] [--json FILE]

Everything happens inside namespaces of this run's own: when it ends, however it ends, nothing is left. README.md
says what each figure means.
"""

import argparse
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.dont_write_bytecode = True
sys.path.append(os.path.join(ROOT, "test", "system"))  # the laboratory: hosts in namespaces, clusters, a client

MEASUREMENTS = ("size", "start", "memory", "writes", "api", "pods")  # each is measure_NAME.py with run(bench)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=os.path.join(ROOT, "build", "release", "mk"))
    parser.add_argument("--runs", type=int, default=5, help="runs of each measurement (5)")
    parser.add_argument("--quick", action="store_true", help="one short run of each, to see that all of it works")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="this measurement; may be repeated")
    parser.add_argument("--json", metavar="FILE", help="also write every value there")
    parser.add_argument("--keep", action="store_true", help="keep the run's folder (logs, data directories)")
    parser.add_argument("--inside", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs must be 1 or more")
    arguments.binary = os.path.abspath(arguments.binary)
    arguments.json = arguments.json and os.path.abspath(arguments.json)
    return arguments


class Bench:
    """What every measurement gets: the laboratory, how much to do, and where results go."""

    def __init__(self, arguments, lab, report):
        self.lab, self.report, self.quick = lab, report, arguments.quick
        self.runs = 1 if arguments.quick else arguments.runs
        self.mk = lab.mk
        self.image = os.path.join(lab.folder, "tools.tar")

    def say(self, text):
        print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def measure_all(arguments, bench):
    for name in arguments.only or MEASUREMENTS:
        bench.say(f"{name} ...")
        try:
            importlib.import_module("measure_" + name).run(bench)
        except Exception as error:  # noqa: one measurement that fails must not cost the others
            traceback.print_exc()
            bench.report.failed(name, error)
        bench.lab.end_hosts()


def run_inside(arguments):
    from cluster import BenchLaboratory
    from report import Report

    # A copy: a build that goes on beside must not change the program under measurement.
    binary = shutil.copy(arguments.binary, os.path.join(arguments.inside, "mk"))
    lab = BenchLaboratory(binary, arguments.inside, os.path.basename(arguments.inside))
    version = subprocess.run([binary, "version"], capture_output=True, text=True, check=True).stdout.strip()
    report = Report(arguments.binary, version)
    bench = Bench(arguments, lab, report)
    try:
        lab.write_tools_image(bench.image)
        measure_all(arguments, bench)
    finally:
        lab.end()
    report.print_table()
    if arguments.json:
        report.write_json(arguments.json)
    return 1 if report.failures else 0


def run_outside(arguments):
    from lab.cgroups import remove_cgroups

    folder = tempfile.mkdtemp(prefix="mkb-", dir="/var/tmp")  # /tmp may be memory, which costs no write
    os.chmod(folder, 0o755)
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
             sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--inside", folder]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that what follows is tidied up
    try:
        return subprocess.run(words, check=False).returncode
    except KeyboardInterrupt:
        return 130
    finally:
        remove_cgroups(os.path.basename(folder))
        if arguments.keep:
            print(f"kept {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def main():
    arguments = parse()
    if arguments.inside:
        return run_inside(arguments)
    if os.geteuid() != 0:
        raise SystemExit("needs root: it makes namespaces and runs containers")
    if not os.access(arguments.binary, os.X_OK):
        raise SystemExit(f"no mk at {arguments.binary}; scripts/build.sh release builds it, --binary names another")
    from lab.laboratory import missing_features

    missing = missing_features()
    if missing:
        raise SystemExit("this machine lacks " + "; ".join(f"{name} ({why})" for name, why in missing.items()))
    return run_outside(arguments)


if __name__ == "__main__":
    sys.exit(main())
