"""Storage that a cluster has by itself: local-path volumes on both nodes, claims that wait for their first pod."""

import os
import unittest

from lab import fixture
from lab.cluster import Cluster, is_ready
from lab.fixture import pod
from lab.wait import eventually

VOLUMES = "/api/v1/persistentvolumes"
WRITE = ["/bin/sh", "-c", "id -u >> /data/who; echo started; exec /bin/serve"]


def claim(name, storage_class=None, **more):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}, **more}
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    return {"metadata": {"name": name}, "spec": spec}


class Storage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(fixture.lab, "store").start().with_node()
        cls.addClassCleanup(cls.cluster.host.end)
        cls.agent = cls.cluster.join("shelf")
        cls.addClassCleanup(cls.agent.host.end)
        cls.api = cls.cluster.api

    def setUp(self):
        self.space = self.cluster.namespace()
        self.core = f"/api/v1/namespaces/{self.space}"
        self.addCleanup(lambda: self.api.request("DELETE", self.core))

    def folder(self, host, data):
        return sorted(host.run("sh", "-c", f"ls {data}/storage 2>/dev/null || true").stdout.split())

    def run_pod(self, name, volumes, node=None, command=None, **spec):
        if node:
            spec["nodeSelector"] = {"kubernetes.io/hostname": node}
        spec["volumes"] = volumes
        mounts = [{"name": each["name"], "mountPath": "/" + each["name"]} for each in volumes]
        body = pod(name, command or WRITE, spec=spec, volumeMounts=mounts)
        self.api.create(self.core + "/pods", body)
        eventually(lambda: is_ready(self.cluster.pod(self.space, name)), 60, f"pod {name} ready")
        return self.cluster.pod(self.space, name)

    def uses(self, name="data", claim_name="c"):
        return [{"name": name, "persistentVolumeClaim": {"claimName": claim_name}}]

    def remove_pod(self, name):
        self.api.delete(f"{self.core}/pods/{name}")
        gone = lambda: self.api.request("GET", f"{self.core}/pods/{name}").status == 404  # noqa: E731
        eventually(gone, 60, f"pod {name} gone")

    def bound(self, name="c"):
        found = self.api.get(f"{self.core}/persistentvolumeclaims/{name}")
        return found["spec"].get("volumeName") if found["status"]["phase"] == "Bound" else None

    def test_a_claim_waits_for_its_pod_and_keeps_what_the_next_pod_reads(self):
        made = self.api.create(self.core + "/persistentvolumeclaims", claim("c"))
        self.assertEqual(made["spec"]["storageClassName"], "local-path")
        for host, data in ((self.cluster.host, self.cluster.data), (self.agent.host, self.agent.data)):
            name = "c" + host.name
            self.api.create(self.core + "/persistentvolumeclaims", claim(name))
            self.assertIsNone(self.bound(name))
            first = self.run_pod("first", self.uses(claim_name=name), host.name)
            self.assertEqual(first["spec"]["nodeName"], host.name)
            volume = self.bound(name)
            self.assertEqual(self.folder(host, data), [f"{volume}_{self.space}_{name}"])
            self.remove_pod("first")
            # No selector: the volume alone says where the second may run. Nor is it root.
            second = self.run_pod("second", self.uses(claim_name=name), securityContext={"runAsUser": 1000},
                                  command=["/bin/sh", "-c", "id -u > /data/mine; echo started; exec /bin/serve"])
            self.assertEqual(second["spec"]["nodeName"], host.name)
            self.assertEqual(self.cluster.exec(self.space, "second", "cat", "/data/who", "/data/mine").stdout.split(),
                             ["0", "1000"])
            self.api.delete(f"{self.core}/persistentvolumeclaims/{name}")
            self.assertEqual(len(self.folder(host, data)), 1)  # the pod is still there
            self.remove_pod("second")
            eventually(lambda: self.folder(host, data) == [], 30, "the directory removed")  # noqa: B023
            gone = lambda: self.api.request("GET", f"{VOLUMES}/{volume}").status == 404  # noqa: E731,B023
            eventually(gone, 30, "the volume gone")

    def test_a_stateful_set_gets_a_volume_for_each_pod(self):
        template = pod("s", WRITE, labels={"app": "s"}, volumeMounts=[{"name": "data", "mountPath": "/data"}])
        self.api.create(f"/apis/apps/v1/namespaces/{self.space}/statefulsets", {
            "metadata": {"name": "s"}, "spec": {
                "replicas": 2, "serviceName": "s", "selector": {"matchLabels": {"app": "s"}},
                "template": {"metadata": template["metadata"], "spec": template["spec"]},
                "volumeClaimTemplates": [claim("data")]}})
        ready = lambda: sum(is_ready(each) for each in self.cluster.pods(self.space, "app=s")) == 2  # noqa: E731
        eventually(ready, 60, "both pods")
        self.assertNotEqual(self.bound("data-s-0"), self.bound("data-s-1"))

    def test_an_ephemeral_volume_lives_as_long_as_its_pod(self):
        self.run_pod("p", [{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": claim("x")["spec"]}}}],
                     self.agent.host.name)
        self.assertIsNotNone(self.bound("p-data"))
        self.remove_pod("p")
        eventually(lambda: self.folder(self.agent.host, self.agent.data) == [], 60, "the directory removed")

    def test_a_retained_volume_keeps_its_directory(self):
        host = self.cluster.host
        self.api.create(self.core + "/persistentvolumeclaims", claim("c"))
        self.run_pod("p", self.uses(), host.name)
        volume = self.bound()
        self.api.patch("merge", f"{VOLUMES}/{volume}", {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
        self.remove_pod("p")
        self.api.delete(self.core + "/persistentvolumeclaims/c")
        released = lambda: self.api.get(f"{VOLUMES}/{volume}")["status"]["phase"] == "Released"  # noqa: E731
        eventually(released, 30, "released")
        self.api.delete(f"{VOLUMES}/{volume}")
        gone = lambda: self.api.request("GET", f"{VOLUMES}/{volume}").status == 404  # noqa: E731
        eventually(gone, 30, "the volume gone")
        kept = f"{volume}_{self.space}_c"
        self.assertEqual(self.folder(host, self.cluster.data), [kept])
        host.run("rm", "-r", os.path.join(self.cluster.data, "storage", kept))

    def test_volumes_made_by_hand_lead_their_pods_to_their_node(self):
        name = f"late-{self.space}"
        self.api.create("/apis/storage.k8s.io/v1/storageclasses", {
            "metadata": {"name": name}, "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer"})
        self.addCleanup(self.api.delete, f"/apis/storage.k8s.io/v1/storageclasses/{name}")
        path = os.path.join(self.agent.data, "by-hand")
        self.agent.host.run("mkdir", "-p", path)
        term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [self.agent.host.name]}]}
        self.api.create(VOLUMES, {"metadata": {"name": name}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "local": {"path": path},
            "storageClassName": name, "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}}})
        self.addCleanup(self.api.delete, f"{VOLUMES}/{name}")
        self.api.create(self.core + "/persistentvolumeclaims", claim("c", name))
        made = self.run_pod("p", self.uses())
        self.assertEqual(made["spec"]["nodeName"], self.agent.host.name)
        self.assertEqual(self.bound(), name)
        self.assertEqual(self.agent.host.run("cat", path + "/who").stdout.strip(), "0")

    def test_zz_a_claim_survives_kill_9_at_any_moment(self):
        host, data = self.cluster.host, self.cluster.data
        self.api.create(self.core + "/persistentvolumeclaims", claim("c"))
        body = pod("p", WRITE, spec={"nodeSelector": {"kubernetes.io/hostname": host.name}, "volumes": self.uses()},
                   volumeMounts=[{"name": "data", "mountPath": "/data"}])
        self.api.create(self.core + "/pods", body)
        self.cluster.kill()
        self.cluster.start()
        self.api = type(self).api = self.cluster.api
        eventually(lambda: is_ready(self.cluster.pod(self.space, "p")), 60, "the pod ready")
        self.remove_pod("p")
        self.api.delete(self.core + "/persistentvolumeclaims/c")
        self.cluster.kill()
        self.cluster.start()
        self.api = type(self).api = self.cluster.api
        eventually(lambda: self.folder(host, data) == [], 60, "the directory removed")
        eventually(lambda: not self.api.get(VOLUMES)["items"], 60, "no volume left")


class WithoutStorage(unittest.TestCase):
    def test_the_class_can_be_left_out(self):
        path = "/apis/storage.k8s.io/v1/storageclasses/local-path"
        cluster = Cluster(fixture.lab, "bare", agent=False).start()
        self.addCleanup(cluster.host.end)
        eventually(lambda: cluster.api.request("GET", path).status == 200, 10, "the class")
        cluster.stop()
        cluster.flags = ["--disable", "local-storage,traefik"]
        cluster.start()
        eventually(lambda: cluster.api.request("GET", path).status == 404, 10, "no class")
