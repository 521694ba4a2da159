"""From exec to the first 200 on /readyz, to a Ready node, to the first Running pod."""

import time

from cluster import PODS, RunningWatch, delete_pods, import_image, node_ready_at, pod, start_timed
from lab.cluster import Cluster


def run(bench):
    for number in range(bench.runs):
        first_start(bench)
        restart(bench, first_pod(bench))
        bench.say(f"start: run {number + 1} done")


def first_start(bench):
    """An empty data directory: keys and certificates are made, the store is made."""
    cluster = Cluster(bench.lab, "first")
    began, ready = start_timed(cluster)
    bench.report.add("first start: exec to /readyz", "ms", 1000 * (ready - began))
    bench.report.add("first start: exec to node Ready", "ms", 1000 * (node_ready_at(cluster) - began))
    cluster.host.end()


def first_pod(bench):
    """As first_start, but the node has the image already."""
    cluster = Cluster(bench.lab, "pod")
    import_image(cluster, bench.image)
    began, _ = start_timed(cluster)
    bench.report.add("first start: exec to first pod Running", "ms", 1000 * (pod_running_at(cluster) - began))
    return cluster


def restart(bench, cluster):
    """The same data directory again, no pods. The node never stops being Ready in the API, so a new pod tells."""
    delete_pods(cluster)
    if cluster.stop() != 0:
        raise RuntimeError(f"mk server ended with {cluster.server.exit_code}")
    began, ready = start_timed(cluster)
    bench.report.add("restart: exec to /readyz", "ms", 1000 * (ready - began))
    bench.report.add("restart: exec to a new pod Running", "ms", 1000 * (pod_running_at(cluster) - began))
    cluster.host.end()


def pod_running_at(cluster):
    """Creates a pod as soon as the API takes one (its service account has to exist)."""
    watch, deadline = RunningWatch(cluster), time.monotonic() + 30
    while (answer := cluster.api.request("POST", PODS, pod("first"))).status != 201:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the API takes no pod: {answer!r}")
        time.sleep(0.002)
    return watch.when(["first"])[0]
