"""Kubernetes' JavaScript client (npm's @kubernetes/client-node): its flows, in node_client/flows.mjs."""

import os
import subprocess
import unittest

from lab import npm
from lab.fixture import OnSharedCluster, pod
from lab.wait import eventually

FLOWS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node_client", "flows.mjs")


class NodeClient(OnSharedCluster):
    @classmethod
    def setUpClass(cls):
        cls.library, why = npm.client()
        if cls.library is None:
            raise unittest.SkipTest(why)
        super().setUpClass()

    def flow(self, name):
        environment = dict(os.environ, CLIENT_NODE=self.library, KUBECONFIG=self.cluster.kubeconfig,
                           NAMESPACE=self.namespace, NODE_NO_WARNINGS="1")
        done = subprocess.run(["node", FLOWS, name], capture_output=True, text=True, timeout=90, env=environment,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_an_object_is_made_read_replaced_and_deleted(self):
        self.flow("objects")

    def test_lists_select_and_come_in_pages(self):
        self.flow("lists")

    def test_a_watch_tells_every_change(self):
        self.flow("watch")

    def test_an_informer_lists_follows_and_forgets(self):
        self.flow("informer")

    def test_json_merge_and_strategic_patches(self):
        self.flow("patches")

    def test_server_side_apply_owns_takes_over_and_gives_up_fields(self):
        self.flow("apply")

    def test_exec_and_logs_stream(self):
        self.api.create(self.core + "/pods", pod("streams"))
        eventually(lambda: self.cluster.pod(self.namespace, "streams")["status"]["phase"] == "Running", 60, "pod runs")
        self.flow("streams")
