"""What test cases share: the laboratory of this run, and one cluster for the tests that do no harm to theirs."""

import unittest

from lab.cluster import Cluster

lab = None
_shared = None


def shared_cluster():
    """One server with its node, images imported; made at the first call, ended with the laboratory."""
    global _shared
    if _shared is None or not _shared.server.running():
        _shared = Cluster(lab, "shared").start().with_node()
    return _shared


class OnSharedCluster(unittest.TestCase):
    """A namespace of its own on the shared cluster."""

    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.cluster = shared_cluster()

    def setUp(self):
        self.api = self.cluster.api
        self.namespace = self.cluster.namespace()
        self.core = f"/api/v1/namespaces/{self.namespace}"
        self.apps = f"/apis/apps/v1/namespaces/{self.namespace}"
        self.addCleanup(self.cluster.api.request, "DELETE", f"/api/v1/namespaces/{self.namespace}")


def need_kubectl():
    if lab.kubectl is None:
        raise unittest.SkipTest("needs kubectl, which this machine does not have")


def container(command=None, **more):
    from lab.laboratory import TOOLS

    out = {"name": "main", "image": TOOLS, "imagePullPolicy": "Never", **more}
    if command:
        out["command"] = command
    return out


def pod(name, command=None, labels=None, spec=None, **more):
    """A pod of the test image; more goes into its container, spec into the pod."""
    metadata = {"name": name, "labels": labels or {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"terminationGracePeriodSeconds": 5, "containers": [container(command, **more)], **(spec or {})}}


def deployment(name, replicas=1, command=None, spec=None, **more):
    made = pod(name, command, {"app": name}, spec, **more)
    template = {"metadata": {"labels": {"app": name}}, "spec": made["spec"]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}}
