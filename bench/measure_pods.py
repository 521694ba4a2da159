"""Pod start, from the request that creates it to Running in a watch, beside bare `runc run` of the same files."""

import statistics
import time

from cluster import PODS, RunningWatch, delete_pods, pod, ready_cluster
from floor import RuncFloor
from report import percentile

AT_ONCE = 30


def run(bench):
    cluster = ready_cluster(bench, "pods")
    floor = RuncFloor(bench.lab)
    alone = 5 if bench.quick else 20
    start_pods(cluster, ["warm-up"])
    for number in range(bench.runs):
        one_at_a_time(bench, cluster, floor, alone)
        all_at_once(bench, cluster, floor)
        bench.say(f"pods: run {number + 1} done")
    cluster.host.end()


def one_at_a_time(bench, cluster, floor, count):
    bare = [floor.start(1)[0] for _ in range(count)]
    took = start_pods(cluster, [f"alone-{number}" for number in range(count)])
    compare(bench, "pod start, one at a time", took, bare)


def all_at_once(bench, cluster, floor):
    bare = floor.start(AT_ONCE)
    watch, began = RunningWatch(cluster), time.monotonic()
    names = [f"burst-{number}" for number in range(AT_ONCE)]
    for name in names:
        cluster.api.create(PODS, pod(name))
    took = [at - began for at in watch.when(names)]
    delete_pods(cluster)
    compare(bench, f"pod start, {AT_ONCE} at once", took, bare)
    bench.report.add(f"pod start, {AT_ONCE} at once: last", "ms", 1000 * max(took))
    bench.report.add(f"pod start, {AT_ONCE} at once: floor, last", "ms", 1000 * max(bare))


def start_pods(cluster, names):
    """Each after the former is Running; they are deleted when all are."""
    watch, out = RunningWatch(cluster), []
    for name in names:
        began = time.monotonic()
        cluster.api.create(PODS, pod(name))
        out.append(watch.when([name])[0] - began)
    delete_pods(cluster)
    return out


def compare(bench, name, took, bare):
    bench.report.add(f"{name}: p50", "ms", 1000 * percentile(took, 50))
    bench.report.add(f"{name}: p99", "ms", 1000 * percentile(took, 99))
    bench.report.add(f"{name}: floor, runc run, p50", "ms", 1000 * percentile(bare, 50))
    bench.report.add(f"{name}: p50 / floor", "times", statistics.median(took) / statistics.median(bare))
