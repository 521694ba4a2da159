"""Bytes written to disk, and processor time used, by a cluster that nobody uses."""

import time

from cluster import ready_cluster
from processes import cpu_seconds, written


def run(bench):
    cluster = ready_cluster(bench, "idle")
    time.sleep(15 if bench.quick else 60)
    for _ in range(bench.runs):
        before, used = written(cluster), cpu_seconds(cluster.server.find())
        time.sleep(60)
        bench.report.add("idle: written to disk", "KiB/min", (written(cluster) - before) / 1024)
        bench.report.add("idle: server CPU", "% of a core", (cpu_seconds(cluster.server.find()) - used) / 60 * 100)
    cluster.host.end()
