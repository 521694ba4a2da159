"""Static pods: a folder of the node says what runs, the API shows it."""

import os
import unittest

from lab import fixture
from lab.cluster import Cluster
from lab.fixture import OnSharedCluster
from lab.laboratory import TOOLS
from lab.wait import eventually

CORE = "/api/v1/namespaces/default/pods/"
MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {{name: fixed, labels: {{app: fixed}}}}
spec:
  terminationGracePeriodSeconds: 2
  containers: [{{name: main, image: "{image}", env: [{{name: WHAT, value: "{what}"}}]}}]
"""


class StaticPods(OnSharedCluster):
    def setUp(self):
        super().setUp()
        self.file = os.path.join(self.cluster.data, "agent", "pod-manifests", "fixed.yaml")
        self.name = "fixed-" + self.cluster.host.name
        self.addCleanup(self.drop)

    def write(self, what):
        with open(self.file + ".tmp", "w", encoding="utf-8") as out:
            out.write(MANIFEST.format(image=TOOLS, what=what))
        os.rename(self.file + ".tmp", self.file)

    def drop(self):
        if os.path.exists(self.file):
            os.unlink(self.file)
        eventually(lambda: self.api.request("GET", CORE + self.name).status == 404, 30, "the mirror's end")

    def running(self):
        pod = self.api.get(CORE + self.name)
        return pod if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"] else None

    def what(self):
        return self.cluster.exec("default", self.name, "sh", "-c", "echo $WHAT").stdout.strip()

    def test_a_manifest_runs_shows_changes_and_goes(self):
        self.write("one")
        first = eventually(self.running, 30, "the static pod")
        marks = first["metadata"]["annotations"]
        self.assertEqual(marks["kubernetes.io/config.source"], "file")
        self.assertEqual(marks["kubernetes.io/config.mirror"], marks["kubernetes.io/config.hash"])
        owner = first["metadata"]["ownerReferences"][0]
        self.assertEqual((owner["kind"], owner["name"]), ("Node", self.cluster.host.name))
        self.assertEqual(self.what(), "one")
        self.assertIn("started", self.cluster.mk_kubectl("-n", "default", "logs", self.name).stdout)

        self.api.delete(CORE + self.name)
        again = eventually(lambda: (pod := self.running()) and pod["metadata"]["uid"] != first["metadata"]["uid"] and pod,
                           30, "the mirror's return")
        self.assertEqual(again["status"]["containerStatuses"][0]["containerID"],
                         first["status"]["containerStatuses"][0]["containerID"])

        self.write("two")
        eventually(lambda: self.running() and self.what() == "two", 30, "the changed pod")
        changed = self.running()["metadata"]["annotations"]["kubernetes.io/config.hash"]
        self.assertNotEqual(changed, marks["kubernetes.io/config.hash"])
        self.drop()
        self.assertEqual(self.api.get("/api/v1/pods?fieldSelector=metadata.name%3D" + self.name)["items"], [])


class Crash(unittest.TestCase):
    def test_a_static_pod_outlives_its_kubelet_and_keeps_its_mirror(self):
        cluster = Cluster(fixture.lab, "fixed").start().with_node()
        self.addCleanup(cluster.host.end)
        file = os.path.join(cluster.data, "agent", "pod-manifests", "fixed.yaml")
        with open(file, "w", encoding="utf-8") as out:
            out.write(MANIFEST.format(image=TOOLS, what="one"))
        path = CORE + "fixed-" + cluster.host.name
        before = eventually(lambda: (pod := cluster.api.get(path))["status"].get("phase") == "Running" and pod, 30,
                            "the static pod")
        cluster.kill()
        cluster.start()
        cluster.wait_ready(cluster.host.name)
        after = eventually(lambda: (pod := cluster.api.get(path))["status"].get("phase") == "Running" and pod, 30,
                           "the static pod")
        self.assertEqual(after["metadata"]["uid"], before["metadata"]["uid"])
        first, second = (each["status"]["containerStatuses"][0] for each in (before, after))
        self.assertEqual((second["containerID"], second["restartCount"]), (first["containerID"], 0))
        os.unlink(file)
        eventually(lambda: cluster.api.request("GET", path).status == 404, 30, "the mirror's end")
