"""RSS and PSS of mk and its pod supervisors, idle and with the guestbook."""

import os
import time

from cluster import ready_cluster
from lab.cluster import is_ready
from lab.wait import eventually
from processes import MIB, memory, pss_by_kind, running_program

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples", "guestbook")
PODS_OF_EXAMPLE = 4  # three front ends and redis


def run(bench):
    for number in range(bench.runs):
        cluster = ready_cluster(bench, "memory")
        time.sleep(5 if bench.quick else 20)
        note(bench, cluster, "idle")
        start_guestbook(cluster)
        time.sleep(5 if bench.quick else 20)
        note(bench, cluster, "guestbook")
        bench.say(f"memory: run {number + 1} done")
        cluster.host.end()


def start_guestbook(cluster):
    cluster.import_images(cluster.host, cluster.data)
    cluster.mk_kubectl("apply", "-f", EXAMPLE)

    def up():
        pods = cluster.pods("default", "app=guestbook")
        return len(pods) == PODS_OF_EXAMPLE and all(is_ready(each) for each in pods)

    eventually(up, 90, "the guestbook's pods Ready")


def note(bench, cluster, state):
    pids = running_program(cluster)
    server = cluster.server.find()
    if server not in pids:
        raise RuntimeError("the server is not among the host's processes")
    sizes = {pid: memory(pid) for pid in pids}
    bench.report.add(f"{state}: RSS", "MiB", sum(rss for rss, _ in sizes.values()) / MIB)
    bench.report.add(f"{state}: PSS", "MiB", sum(pss for _, pss in sizes.values()) / MIB)
    for kind, size in pss_by_kind(server).items():
        bench.report.add(f"{state}: PSS of the server, {kind}", "MiB", size / MIB)
    pods = len(cluster.pods("default"))
    if pods:
        supervisors = sum(pss for pid, (_, pss) in sizes.items() if pid != server)
        bench.report.add(f"{state}: PSS of supervisors, each pod's", "KiB", supervisors / pods / 1024)
