"""Pods come and go while mk is killed again and again: what is left of them on the machine is nothing.

MK_LEAK_PODS=500 MK_LEAK_KILLS=60 make the long form; MK_LEAK_SEED repeats a run.
"""

import json
import os
import random
import threading
import time
import unittest

from lab import fixture
from lab.cluster import Cluster
from lab.fixture import container, pod
from lab.wait import eventually

PODS = int(os.environ.get("MK_LEAK_PODS", "40"))
KILLS = int(os.environ.get("MK_LEAK_KILLS", "5"))
BATCH = 10


class Leaks(unittest.TestCase):
    maxDiff = 20000

    def setUp(self):
        self.seed = int(os.environ.get("MK_LEAK_SEED", str(random.SystemRandom().randrange(1 << 30))))
        self.random = random.Random(self.seed)
        self.cluster = Cluster(fixture.lab, "leaky").start().with_node()
        self.addCleanup(self.cluster.host.end)
        self.space = self.cluster.namespace()
        self.core = f"/api/v1/namespaces/{self.space}"
        self.made = 0
        self.call("POST", self.core + "/configmaps", {"metadata": {"name": "settings"}, "data": {"a": "b"}})

    def call(self, method, path, body=None):
        """A request that comes through although the server dies now and then."""
        def attempt():
            answer = self.cluster.client().request(method, path, body, timeout=10)
            return answer if answer.status < 500 and answer.status != 429 else None

        return eventually(attempt, 60, f"{method} {path}")

    def body(self, number):
        """Pods of every kind: volumes on disk and in memory, ports of the node, several containers, short lives."""
        volumes = [{"name": "disk", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory"}},
                   {"name": "config", "configMap": {"name": "settings"}}]
        mounts = [{"name": each["name"], "mountPath": "/" + each["name"]} for each in volumes]
        mounts.append({"name": "config", "mountPath": "/one", "subPath": "a"})
        spec = {"volumes": volumes, "terminationGracePeriodSeconds": self.random.choice([0, 1, 2])}
        command = None
        kind = number % 5
        if kind == 1:
            spec["initContainers"] = [container(["/bin/sh", "-c", "sleep 0.1"]) | {"name": "first"}]
        if kind == 2:
            command, spec["restartPolicy"] = ["/bin/sh", "-c", "sleep 0.2"], "Never"
        if kind == 3:
            claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
            volumes.append({"name": "own", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}})
            mounts.append({"name": "own", "mountPath": "/own"})
        made = pod(f"p{number}", command, spec=spec, volumeMounts=mounts)
        if kind == 4:
            made["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 20000 + number % 5000}]
            made["spec"]["containers"].append(container(name="second"))
        return made

    def come_and_go(self, count):
        names = []
        for _ in range(count):
            self.made += 1
            names.append(f"p{self.made}")
            self.call("POST", self.core + "/pods", self.body(self.made))
        # Some leave before they are up, some after, in any order.
        self.random.shuffle(names)
        early = self.random.randrange(count // 2)
        for name in names[:early]:
            self.call("DELETE", f"{self.core}/pods/{name}")
        for name in names[early:]:
            eventually(lambda: self.started(name), 120, f"{name} started")  # noqa: B023
        for name in names[early:]:
            self.call("DELETE", f"{self.core}/pods/{name}")
        eventually(lambda: not self.pods(), 120, "all pods gone")

    def started(self, name):
        answer = self.call("GET", f"{self.core}/pods/{name}")
        return answer.status == 404 or answer.json["status"]["phase"] != "Pending"

    def pods(self):
        return [each["metadata"]["name"] for each in self.call("GET", self.core + "/pods").json["items"]]

    def state(self):
        """Everything on the host that a pod has, without what is there once for the node."""
        host, data = self.cluster.host, self.cluster.data
        run = lambda text: host.run("sh", "-c", text).stdout.splitlines()  # noqa: E731
        agent = f"{data}/agent"
        leases = json.loads(host.run("cat", f"{agent}/network/ipam.json").stdout)["leases"]
        tops = [host.cgroup.join(("/sys/fs/cgroup", "")), "/sys/fs/cgroup/*" + host.cgroup]
        return {
            "processes": sorted(line for line in run("busybox ps -o stat,ppid,args")[1:]
                                if not any(word in line for word in ("ps -o", "mk server", "host_init"))),
            "namespaces": len(set(run("readlink /proc/[0-9]*/ns/net 2>/dev/null || true"))),
            "interfaces": sorted(line.split()[0].split("@")[0] for line in run("ip -br link")),
            "mounts": sorted(line.split()[4] for line in run("cat /proc/self/mountinfo")),
            "cgroups": sorted(set(line for top in tops for line in run(f"find {top} -type d 2>/dev/null || true"))),
            "rules": sorted(line for line in run("iptables-save") if "HOSTPORT" in line),
            "addresses": leases,
            "folders": sorted(run(f"find {agent}/pods {agent}/containers {agent}/run/pods {agent}/run/runc "
                                  f"{agent}/log/pods {data}/storage -mindepth 1 -maxdepth 1 2>/dev/null || true")),
        }

    def test_nothing_is_left_of_pods_that_came_and_went_while_mk_was_killed(self):
        self.come_and_go(5)
        calm = eventually(self.settled, 60, "the first pods wholly gone")
        done, kills = threading.Event(), []

        def kill_now_and_then():
            dice = random.Random(self.seed + 1)
            while len(kills) < KILLS and not done.is_set():
                time.sleep(dice.uniform(0.05, 2.5))
                self.cluster.kill()
                self.cluster.start()
                kills.append(self.made)

        killer = threading.Thread(target=kill_now_and_then)
        killer.start()
        try:
            while self.made < PODS + 5 or (len(kills) < KILLS and killer.is_alive()):
                self.come_and_go(BATCH)
        finally:
            done.set()
            killer.join()
        self.assertEqual(len(kills), KILLS)
        # The same, for the rest of what took place in the background.
        try:
            eventually(lambda: self.state() == calm, 60, f"nothing left (seed {self.seed})")
        except AssertionError:
            self.assertEqual(self.state(), calm, f"seed {self.seed}")

    def settled(self):
        """What an idle node has; taken once nothing of a pod is to be seen."""
        state = self.state()
        busy = state["folders"] or state["addresses"] or state["processes"] or state["namespaces"] != 1
        return None if busy else state
