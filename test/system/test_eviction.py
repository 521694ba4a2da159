"""A node that runs short: conditions and taints, who must go and who stays, limits of local storage, unused images."""

import http.server
import os
import threading
import unittest

from lab import fixture
from lab.cluster import Cluster, is_ready
from lab.fixture import OnSharedCluster, pod
from lab.wait import eventually, stays
from test_registry import Handler, Misbehaviour


def condition(object_, kind):
    found = [each for each in object_["status"].get("conditions", []) if each["type"] == kind]
    return found[0] if found else {"status": "absent", "reason": "absent"}


class ShortNode(unittest.TestCase):
    """The thresholds decide what counts as short: the same machine has too little once they are above what it has."""

    def start(self, *arguments):
        words = [word for each in arguments for word in ("--kubelet-arg", each)]
        self.cluster.flags = [*words, "--kubelet-arg", "eviction-pressure-transition-period=1s"]
        self.cluster.start()
        self.cluster.wait_ready(self.cluster.host.name)

    def restart(self, *arguments):
        self.assertEqual(self.cluster.stop(), 0)
        self.start(*arguments)

    def node(self):
        return self.cluster.api.get("/api/v1/nodes/" + self.cluster.host.name)

    def taints(self):
        return {each["key"] for each in self.node()["spec"].get("taints", [])}

    def setUp(self):
        self.cluster = Cluster(fixture.lab, "short")
        self.addCleanup(self.cluster.host.end)

    def test_memory_pressure(self):
        self.start("eviction-hard=memory.available<1Mi")
        self.cluster.import_images(self.cluster.host, self.cluster.data)
        space = self.cluster.namespace()
        path = f"/api/v1/namespaces/{space}/pods"
        api = self.cluster.api
        api.create(path, pod("web"))
        api.create("/api/v1/namespaces/kube-system/pods",
                   pod("core", spec={"priorityClassName": "system-node-critical"}))
        eventually(lambda: is_ready(self.cluster.pod(space, "web")), 30, "the pod")
        eventually(lambda: is_ready(self.cluster.pod("kube-system", "core")), 30, "the critical pod")
        self.assertEqual(condition(self.node(), "MemoryPressure")["reason"], "KubeletHasSufficientMemory")

        self.restart("eviction-hard=memory.available<99%")
        ended = eventually(lambda: (now := self.cluster.pod(space, "web"))["status"]["phase"] == "Failed" and now, 60,
                           "the eviction")
        self.assertEqual(ended["status"]["reason"], "Evicted")
        self.assertIn("The node was low on resource: memory. Threshold quantity: ", ended["status"]["message"])
        self.assertIn("Container main was using ", ended["status"]["message"])
        self.assertEqual(condition(ended, "DisruptionTarget")["reason"], "TerminationByKubelet")
        self.assertTrue(all("terminated" in each["state"] for each in ended["status"]["containerStatuses"]))
        self.assertEqual(condition(self.node(), "MemoryPressure")["status"], "True")
        eventually(lambda: "node.kubernetes.io/memory-pressure" in self.taints(), 20, "the taint")
        stays(lambda: is_ready(self.cluster.pod("kube-system", "core")), 2, "the critical pod")
        self.cluster.api.create(path, pod("late"))
        eventually(lambda: condition(self.cluster.pod(space, "late"), "PodScheduled")["status"] == "False", 20,
                   "the refusal of the scheduler")
        api = self.cluster.api
        events = api.get(f"/api/v1/namespaces/{space}/events")["items"]
        self.assertIn("Evicted", {each["reason"] for each in events})

        self.restart("eviction-hard=memory.available<1Mi")
        eventually(lambda: condition(self.node(), "MemoryPressure")["status"] == "False", 30, "the end of the pressure")
        eventually(lambda: "node.kubernetes.io/memory-pressure" not in self.taints(), 20, "the end of the taint")
        eventually(lambda: is_ready(self.cluster.pod(space, "late")), 30, "the waiting pod")

    def test_disk_pressure_takes_unused_images_before_pods(self):
        behaviour = Handler.behaviour = Misbehaviour()
        server = http.server.ThreadingHTTPServer((fixture.lab.NETWORK + ".1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.addCleanup(behaviour.release.set)
        with open(self.cluster.registries, "w", encoding="ascii") as out:
            out.write(f"mirrors:\n  odd.example:\n    endpoint: [\"http://{fixture.lab.NETWORK}.1:{server.server_address[1]}\"]\n")
        self.start("eviction-hard=memory.available<1Mi", "minimum-image-ttl-duration=1s")
        self.cluster.import_images(self.cluster.host, self.cluster.data)
        space = self.cluster.namespace()
        path = f"/api/v1/namespaces/{space}/pods"
        for name in ("spare", "kept"):
            self.cluster.api.create(path, pod(name, image=f"odd.example/{name}:v1", imagePullPolicy="IfNotPresent"))
            eventually(lambda: is_ready(self.cluster.pod(space, name)), 30, "pod " + name)  # noqa: B023
        self.cluster.api.create(path, pod("ended", ["/bin/true"], spec={"restartPolicy": "Never"}))
        eventually(lambda: self.cluster.pod(space, "ended")["status"]["phase"] == "Succeeded", 30, "the pod's end")
        ended = self.cluster.pod(space, "ended")["status"]["containerStatuses"][0]["containerID"].removeprefix("mk://")
        layers = os.path.join(self.cluster.data, "agent", "containers")
        self.assertIn(ended, os.listdir(layers))
        self.cluster.api.delete(path + "/spare")
        eventually(lambda: self.cluster.api.request("GET", path + "/spare").status == 404, 30, "the pod's end")
        eventually(lambda: self.images() >= {"odd.example/spare:v1", "odd.example/kept:v1"}, 30, "both images")
        imported = self.images() - {"odd.example/spare:v1", "odd.example/kept:v1"}

        self.restart("eviction-hard=memory.available<1Mi", "minimum-image-ttl-duration=1s", "image-gc-high-threshold=0",
                     "image-gc-low-threshold=0", "eviction-soft=nodefs.available<99%",
                     "eviction-soft-grace-period=nodefs.available=3s")
        eventually(lambda: "odd.example/spare:v1" not in self.images(), 60, "the unused image's end")
        self.assertEqual(condition(self.node(), "DiskPressure")["status"], "True")
        evicted = eventually(lambda: (now := self.cluster.pod(space, "kept"))["status"]["phase"] == "Failed" and now, 60,
                             "the eviction")
        self.assertIn("The node was low on resource: ephemeral-storage. ", evicted["status"]["message"])
        eventually(lambda: ended not in os.listdir(layers), 20, "the ended container's files")
        status = self.cluster.pod(space, "ended")["status"]
        self.assertEqual((status["phase"], status["containerStatuses"][0]["state"]["terminated"]["exitCode"]),
                         ("Succeeded", 0))
        self.assertTrue(imported <= self.images(), "an imported image was collected")

    def images(self):
        return {name for each in self.node()["status"]["images"] for name in each["names"] if "@" not in name}


class OwnLimits(OnSharedCluster):
    def evicted(self, name):
        status = self.cluster.pod(self.namespace, name)["status"]
        return status["message"] if (status["phase"], status.get("reason")) == ("Failed", "Evicted") else None

    def test_a_pod_that_writes_more_than_its_limits_is_evicted(self):
        fill = ["/bin/sh", "-c", "dd if=/dev/zero of=$0 bs=1M count=4 2>/dev/null; exec sleep 1000"]
        volumes = {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]}
        limits = {"limits": {"ephemeral-storage": "2Mi"}}
        pods = {
            "volume": pod("volume", [*fill, "/v/file"], spec=volumes, volumeMounts=[{"name": "v", "mountPath": "/v"}]),
            "layer": pod("layer", [*fill, "/file"], resources=limits),
            "fits": pod("fits", resources={"limits": {"ephemeral-storage": "100Mi"}}),
        }
        for each in pods.values():
            self.api.create(self.core + "/pods", each)
        self.assertEqual(eventually(lambda: self.evicted("volume"), 60, "the eviction"),
                         'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ')
        self.assertEqual(eventually(lambda: self.evicted("layer"), 60, "the eviction"),
                         "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ")
        self.assertTrue(is_ready(self.cluster.pod(self.namespace, "fits")))
