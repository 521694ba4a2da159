"""GET, LIST and CREATE a second over kept-alive TLS, with the server's processor time for each."""

import json
import os
import re
import shutil
import subprocess
import time

from cluster import PORT, ready_cluster
from processes import cpu_seconds

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requests.lua")
LISTED = 500
MAPS = "/api/v1/namespaces/{}/configmaps"


def run(bench):
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is missing; as root: apt-get install wrk")
    cluster = ready_cluster(bench, "api", agent=False)
    load = Load(cluster, 1 if bench.quick else 3)
    prepare(cluster)
    for number in range(bench.runs):
        load.run(bench, "GET", 16, "GET", MAPS.format("listed") + "/map-7")
        load.run_http2(bench, "GET, HTTP/2", MAPS.format("listed") + "/map-7")
        load.run(bench, "LIST of 500", 16, "GET", MAPS.format("listed"))
        create(bench, load, "CREATE, 1 connection", 1, f"one-{number}")
        sync_floor(bench, os.path.dirname(cluster.data), load.seconds)
        create(bench, load, "CREATE", 16, f"many-{number}")
        bench.say(f"api: run {number + 1} done")
    cluster.host.end()


def configmap(name):
    """About 0.7 KB, as a small real one."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": "bench"}},
            "data": {"config.yaml": "key: value # of the bench\n" * 22}}


def prepare(cluster):
    cluster.api.create("/api/v1/namespaces", {"metadata": {"name": "listed"}})
    for number in range(LISTED):
        cluster.api.create(MAPS.format("listed"), configmap(f"map-{number}"))


def create(bench, load, name, connections, space):
    """Into a namespace of its own that is emptied again, so that no run stands on the former's heap."""
    api = load.cluster.api
    api.create("/api/v1/namespaces", {"metadata": {"name": space}})
    path = MAPS.format(space)
    done = load.run(bench, name, connections, "POST", path, "made-", json.dumps(configmap("NAME")))
    there = len(api.get(path + "?resourceVersion=0")["items"])
    if there < done["requests"]:  # a few more were under way when wrk ended
        raise RuntimeError(f"{done['requests']} creations were acknowledged, {there} objects are there")
    api.expect(200, "DELETE", path, timeout=120)


def sync_floor(bench, folder, seconds):
    """What the disk allows one writer: 4 KiB appended and fdatasync, one after the other."""
    path, block, count = os.path.join(folder, "sync"), os.urandom(4096), 0
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        os.write(file, block)
        os.fdatasync(file)
        count += 1
    took = time.monotonic() - began
    os.close(file)
    os.unlink(path)
    bench.report.add("floor of CREATE: 4 KiB and fdatasync", "1/s", count / took)


class Load:
    def __init__(self, cluster, seconds):
        self.cluster, self.seconds = cluster, seconds
        self._environment = dict(os.environ, BENCH_TOKEN=token(cluster.api))

    def run(self, bench, name, connections, *words):
        url = f"https://{self.cluster.host.address}:{PORT}/"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{self.seconds}s", "--timeout", "10s", "-s", SCRIPT, url, "--"]
        server = self.cluster.server.find()
        used = cpu_seconds(server)
        out = subprocess.run([*command, *words], env=self._environment, capture_output=True, text=True, timeout=120,
                             check=False)
        used = cpu_seconds(server) - used
        lines = [line for line in out.stdout.splitlines() if line.startswith("{")]
        if not lines:
            raise RuntimeError(f"wrk: exit {out.returncode}: {out.stdout}{out.stderr}")
        done = json.loads(lines[-1])
        if done["refused"] or done["broken"] or not done["requests"]:
            raise RuntimeError(f"{name}: not every request succeeded: {done}")
        bench.report.add(f"{name}: rate", "1/s", done["requests"] / done["microseconds"] * 1e6)
        bench.report.add(f"{name}: p99", "ms", done["p99"] / 1000)
        bench.report.add(f"{name}: server CPU", "us", used / done["requests"] * 1e6)
        return done

    def run_http2(self, bench, name, path):
        """With h2load (nghttp2-client), where it is installed."""
        if shutil.which("h2load") is None:
            return
        server = self.cluster.server.find()
        used = cpu_seconds(server)
        out = subprocess.run(
            ["h2load", "-t1", "-c16", "-m10", f"-D{self.seconds}", "-H",
             "authorization: Bearer " + self._environment["BENCH_TOKEN"],
             f"https://{self.cluster.host.address}:{PORT}{path}"], capture_output=True, text=True, timeout=120, check=False)
        used = cpu_seconds(server) - used
        found = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", out.stdout)
        if not found or not int(found[1]) or int(found[2]) or int(found[3]):
            raise RuntimeError(f"{name}: not every request succeeded: {out.stdout}{out.stderr}")
        bench.report.add(f"{name}: rate", "1/s", int(found[1]) / self.seconds)
        bench.report.add(f"{name}: server CPU", "us", used / int(found[1]) * 1e6)


def token(api):
    """A service account that may do everything: wrk can send a token, but not a client certificate."""
    api.create("/api/v1/namespaces", {"metadata": {"name": "bench"}})
    api.create("/api/v1/namespaces/bench/serviceaccounts", {"metadata": {"name": "wrk"}})
    api.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
        "metadata": {"name": "bench-wrk"}, "subjects": [{"kind": "ServiceAccount", "name": "wrk", "namespace": "bench"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}})
    made = api.create("/api/v1/namespaces/bench/serviceaccounts/wrk/token", {"spec": {"expirationSeconds": 7200}})
    return made["status"]["token"]
