"""Size of the program as it is shipped: without symbols."""

import os
import shutil
import subprocess


def run(bench):
    if shutil.which("strip") is None:
        raise RuntimeError("strip is missing; as root: apt-get install binutils")
    copy = shutil.copy(bench.mk, bench.mk + ".stripped")
    subprocess.run(["strip", "-s", copy], check=True)
    bench.report.add("stripped binary", "MB", os.path.getsize(copy) / 1e6)
    os.unlink(copy)
