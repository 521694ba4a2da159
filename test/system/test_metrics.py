"""metrics.k8s.io and who lives from it: kubectl top on two nodes, and an autoscaler that follows a pod's load."""

import unittest

from lab import fixture
from lab.cluster import Cluster, is_ready
from lab.fixture import deployment, need_kubectl, pod
from lab.wait import eventually

METRICS = "/apis/metrics.k8s.io/v1beta1"
BUSY = ["/bin/sh", "-c", "while true; do :; done"]
SMALL = {"requests": {"cpu": "50m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}}


def condition(autoscaler, kind):
    found = [each for each in autoscaler["status"].get("conditions", []) if each["type"] == kind]
    return (found[0]["status"], found[0]["reason"]) if found else None


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(fixture.lab, "first").start().with_node()
        cls.addClassCleanup(cls.cluster.host.end)
        cls.agent = cls.cluster.join("second")
        cls.addClassCleanup(cls.agent.host.end)
        cls.api = cls.cluster.api

    def setUp(self):
        self.space = self.cluster.namespace()
        self.core = f"/api/v1/namespaces/{self.space}"
        self.addCleanup(self.api.request, "DELETE", f"/api/v1/namespaces/{self.space}")

    def make(self, name, node, command=None, **more):
        self.api.create(self.core + "/pods", pod(name, command, spec={"nodeName": node}, **more))
        eventually(lambda: is_ready(self.cluster.pod(self.space, name)), 30, "pod " + name)

    def test_kubectl_top_tells_of_both_nodes(self):
        need_kubectl()
        nodes = {self.cluster.host.name, self.agent.host.name}
        self.make("busy", self.cluster.host.name, BUSY, resources=SMALL)
        self.make("calm", self.agent.host.name)
        for kubectl in (self.cluster.real_kubectl, self.cluster.mk_kubectl):
            lines = kubectl("top", "node", "--no-headers").stdout.splitlines()
            self.assertEqual({line.split()[0] for line in lines}, nodes)
            for line in lines:
                _, cpu, _, memory, _ = line.split()
                self.assertGreater(int(cpu.removesuffix("m")), 0)
                self.assertGreater(int(memory.removesuffix("Mi")), 0)

            def both(kubectl=kubectl):
                rows = {line.split()[0]: line.split() for line in
                        kubectl("-n", self.space, "top", "pod", "--no-headers").stdout.splitlines()}
                assert set(rows) == {"busy", "calm"}, rows
                return 50 <= int(rows["busy"][1].removesuffix("m")) <= 150 and int(rows["calm"][1].removesuffix("m")) < 50

            eventually(both, 40, "the use of both pods")
            chosen = kubectl("-n", self.space, "top", "pod", "-l", "app=busy", "--containers", "--no-headers").stdout.split()
            self.assertEqual(chosen[:2], ["busy", "main"])
            self.assertIn("busy", kubectl("top", "pod", "-A").stdout)
        table = self.cluster.real_kubectl("get", "nodes.metrics.k8s.io").stdout.splitlines()
        self.assertEqual(table[0].split(), ["NAME", "CPU", "MEMORY", "WINDOW"])
        one = self.api.get(f"{METRICS}/namespaces/{self.space}/pods/busy")
        self.assertEqual((one["kind"], one["metadata"]["labels"]), ("PodMetrics", {"app": "busy"}))

    def test_an_autoscaler_follows_the_load_up_and_down(self):
        apps = f"/apis/apps/v1/namespaces/{self.space}/deployments"
        path = f"/apis/autoscaling/v2/namespaces/{self.space}/horizontalpodautoscalers"
        # Busy for as long as the file is there, which each replica has for itself.
        load = ["/bin/sh", "-c", "touch /busy; while true; do while [ -e /busy ]; do :; done; sleep 1; done"]
        self.api.create(apps, deployment("web", 1, load, resources=SMALL))
        self.api.create(path, {"metadata": {"name": "web"}, "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization",
                                                                                   "averageUtilization": 60}}}]}})
        eventually(lambda: self.api.get(apps + "/web")["spec"]["replicas"] == 3, 120, "three replicas")
        now = self.api.get(path + "/web")
        self.assertEqual(condition(now, "ScalingActive"), ("True", "ValidMetricFound"))
        self.assertGreater(now["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"], 60)
        events = self.api.get(self.core + "/events")["items"]
        self.assertIn("SuccessfulRescale", {each["reason"] for each in events})
        eventually(lambda: len([each for each in self.cluster.pods(self.space, "app=web") if is_ready(each)]) == 3, 60,
                   "the replicas")
        for each in self.cluster.pods(self.space, "app=web"):
            self.cluster.exec(self.space, each["metadata"]["name"], "rm", "/busy")
        eventually(lambda: self.api.get(apps + "/web")["spec"]["replicas"] == 1, 150, "one replica again")
