"""The node below its pods: OCI runtimes by RuntimeClass, and UDP ports that change hands."""

import os
import socket
import sys
import unittest

from lab import fixture
from lab.cluster import Cluster, is_ready
from lab.fixture import pod
from lab.wait import eventually

CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"


class NodeRuntime(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(fixture.lab, "runner")
        cls.addClassCleanup(cls.cluster.host.end)
        program = os.path.join(cls.cluster.host.folder, "told")
        cls.told = program + ".log"
        with open(program, "w", encoding="ascii") as out:
            out.write(f'#!/bin/sh\necho "$@" >> {cls.told}\nexec runc "$@"\n')
        os.chmod(program, 0o755)
        cls.cluster.flags = ["--runtime-handler", f"told={program}"]
        cls.cluster.start().with_node()
        cls.api = cls.cluster.api

    def setUp(self):
        self.space = self.cluster.namespace()
        self.core = f"/api/v1/namespaces/{self.space}"
        self.addCleanup(lambda: self.api.request("DELETE", self.core))

    def run_pod(self, body):
        name = body["metadata"]["name"]
        self.api.create(self.core + "/pods", body)
        eventually(lambda: is_ready(self.cluster.pod(self.space, name)), 40, f"pod {name} ready")

    def remove_pod(self, name):
        self.api.delete(f"{self.core}/pods/{name}")
        gone = lambda: self.api.request("GET", f"{self.core}/pods/{name}").status == 404  # noqa: E731
        eventually(gone, 40, f"pod {name} gone")

    def test_a_class_chooses_the_runtime(self):
        self.api.create(CLASSES, {"metadata": {"name": "told"}, "handler": "told"})
        self.addCleanup(self.api.delete, CLASSES + "/told")
        self.run_pod(pod("p", spec={"runtimeClassName": "told"}))
        with open(self.told, encoding="utf-8") as log:
            self.assertIn(" create ", log.read())
        self.assertEqual(self.cluster.exec(self.space, "p", "hostname").stdout.strip(), "p")
        self.remove_pod("p")

    def failure(self, body):
        self.api.create(self.core + "/pods", body)
        name = body["metadata"]["name"]

        def message():
            events = self.api.get(f"{self.core}/events?fieldSelector=involvedObject.name%3D{name}")["items"]
            return next(each["message"] for each in events if each["reason"] == "FailedCreatePodSandBox")

        return eventually(message, 20, "the event")

    def test_a_handler_that_the_node_does_not_have_is_refused(self):
        self.api.create(CLASSES, {"metadata": {"name": "nobody"}, "handler": "nobody"})
        self.addCleanup(self.api.delete, CLASSES + "/nobody")
        self.assertIn('no runtime for "nobody" is configured', self.failure(pod("p", spec={"runtimeClassName": "nobody"})))

    def test_user_namespaces_are_refused_rather_than_left_out(self):
        self.assertIn("hostUsers: false", self.failure(pod("p", spec={"hostUsers": False})))

    def test_a_udp_port_of_the_node_follows_its_pod(self):
        def serve(name):
            body = pod(name)
            body["spec"]["containers"][0]["ports"] = [{"containerPort": 5000, "hostPort": 5999, "protocol": "UDP"}]
            self.run_pod(body)
            host = self.cluster.host
            seen = host.run("busybox", "ps", "-o", "pid,args").stdout.splitlines()
            inside = next(line.split()[0] for line in seen if "sleep 100000" in line)
            # The image has no UDP server, so one of the host serves in the pod's network; it ends with the host.
            text = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 5000))\n" \
                   f"while True: s.sendto(b'{name}', s.recvfrom(100)[1])"
            host.start(os.path.join(host.folder, name + ".log"), "nsenter", "-t", inside, "-n", sys.executable, "-c", text)

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind(("10.99.0.1", 0))  # one flow for the kernel, whoever answers
            client.settimeout(0.3)

            def answer():
                client.sendto(b"who\n", (self.cluster.host.address, 5999))
                try:
                    return client.recv(100).decode().strip()
                except OSError:
                    return None

            self.assertIsNone(answer())  # remembered as one that goes nowhere
            for name in ("first", "second"):
                serve(name)
                eventually(lambda: answer() == name, 10, f"an answer of {name}")  # noqa: B023
                self.remove_pod(name)
