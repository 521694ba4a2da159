"""What is left on a machine: nothing after `mk cleanup`."""

import os
import unittest

from lab import fixture
from lab.cluster import Cluster, is_ready
from lab.fixture import deployment
from lab.wait import eventually


class Cleanup(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.cluster = Cluster(fixture.lab, "leaver")
        self.addCleanup(self.cluster.host.end)
        self.before = self.state()
        self.cluster.start().with_node()
        space = self.cluster.namespace()
        self.cluster.api.create(f"/apis/apps/v1/namespaces/{space}/deployments", deployment("d", 3))
        self.cluster.api.create(f"/api/v1/namespaces/{space}/services", {
            "metadata": {"name": "s"}, "spec": {"type": "NodePort", "selector": {"app": "d"}, "ports": [{"port": 80}]}})
        eventually(lambda: len([each for each in self.cluster.pods(space) if is_ready(each)]) == 3, 40, "three pods")
        chain = lambda: "MK-" in self.cluster.host.run("iptables-save").stdout  # noqa: E731
        eventually(chain, 20, "rules")

    def state(self):
        host = self.cluster.host
        listing = {
            "processes": sorted(line.split(None, 1)[1] for line in
                                host.run("busybox", "ps", "-o", "pid,comm").stdout.splitlines()[1:]
                                if line.split(None, 1)[1].strip() != "busybox"),
            "interfaces": sorted(
                line.split()[0].split("@")[0] for line in host.run("ip", "-br", "link").stdout.splitlines()),
            "mounts": sorted(line.split()[4] for line in host.run("cat", "/proc/self/mountinfo").stdout.splitlines()),
            "rules": [line for line in host.run("iptables-save").stdout.splitlines() if line.startswith("-A")],
            "chains": [line.split()[0] for line in host.run("iptables-save").stdout.splitlines() if ":MK" in line],
            "routes": sorted(host.run("ip", "route").stdout.splitlines()),
            "cgroups": [top for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu")
                        if os.path.exists(top + host.cgroup + "/kubepods")],
        }
        return listing

    def clean(self):
        return self.cluster.host.run(fixture.lab.mk, "cleanup", "--data-dir", self.cluster.data, "--root-cgroup",
                                     self.cluster.host.cgroup, "--config", "/nonexistent", check=False)

    def test_after_a_clean_stop(self):
        self.assertEqual(self.cluster.stop(), 0)
        self.assertGreater(len(self.state()["mounts"]), len(self.before["mounts"]))
        done = self.clean()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.state(), self.before)

    def test_after_kill_9_and_twice(self):
        self.cluster.kill()
        for _ in range(2):
            done = self.clean()
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.state(), self.before)

    def test_the_cluster_starts_again_afterwards(self):
        self.cluster.stop()
        self.clean()
        self.cluster.start()
        everywhere = lambda: [each for each in self.cluster.api.get("/api/v1/pods")["items"] if is_ready(each)]  # noqa: E731
        eventually(lambda: len(everywhere()) == 3, 60, "the pods to run again")
