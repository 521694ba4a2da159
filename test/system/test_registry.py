"""Pulling from registries that misbehave: each failure is told, retried, and hurts nobody else."""

import hashlib
import http.server
import os
import threading
import unittest

from lab import fixture
from lab.cluster import Cluster, is_ready
from lab.fixture import pod
from lab.laboratory import tools_image
from lab.wait import eventually
from oci_image import MANIFEST_TYPE


class Misbehaviour:
    """What the registry does wrong, by the image's name; counts requests."""

    def __init__(self):
        self.images = {}
        self.release = threading.Event()
        self.mended = set()
        self.cut = {}
        self.ranges = []

    def image(self, name):
        """Of its own for each name: a layer the node has already would not be asked for."""
        if name not in self.images:
            self.images[name] = tools_image(name, name.encode() + os.urandom(200000))
        return self.images[name]

    def blob(self, name, digest):
        data = self.image(name).blobs[digest]
        if name == "lies" and name not in self.mended:
            return b"\0" * len(data)
        if name == "short" and name not in self.mended:
            return data[: len(data) // 2]
        return data


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behaviour = None

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        words = self.path.partition("?")[0].strip("/").split("/")
        if words == ["v2"]:
            return self.answer(200, b"{}")
        _, name, kind, reference = words
        if name == "hangs" and name not in self.behaviour.mended:
            self.behaviour.release.wait(300)
            self.close_connection = True
            return None
        if name == "fails" and name not in self.behaviour.mended:
            return self.answer(503, b"upstream is down")
        if kind == "manifests":
            return self.manifest(name, reference)
        return self.blob(name, reference)

    def manifest(self, name, reference):
        image = self.behaviour.image(name)
        data = image.blobs[image.digest]
        if reference.startswith("sha256:") and reference != "sha256:" + hashlib.sha256(data).hexdigest():
            return self.answer(404, b"{}")
        return self.answer(200, data, {"Content-Type": MANIFEST_TYPE, "Docker-Content-Digest": image.digest})

    def blob(self, name, digest):
        data = self.behaviour.blob(name, digest)
        wanted = self.headers.get("Range")
        if name == "cuts" and self.command == "GET":
            return self.cut(data, digest, wanted)
        return self.answer(200, data)

    def cut(self, data, digest, wanted):
        """Hangs up in the middle of every blob's first download; serves the rest when asked for it."""
        start = int(wanted.split("=")[1].split("-")[0]) if wanted else 0
        if wanted:
            self.behaviour.ranges.append(wanted)
        status = 206 if wanted else 200
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if wanted else {}
        first = digest not in self.behaviour.cut
        self.behaviour.cut[digest] = True
        rest = data[start:]
        self.send_head(status, len(rest), headers)
        self.wfile.write(rest[: len(rest) // 2] if first else rest)
        if first:
            self.wfile.flush()
            self.close_connection = True

    def send_head(self, status, size, headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def answer(self, status, data, headers=None):
        self.send_head(status, len(data), {"Accept-Ranges": "bytes", **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(data)


class Registries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.behaviour = Handler.behaviour = Misbehaviour()
        server = http.server.ThreadingHTTPServer((fixture.lab.NETWORK + ".1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.addClassCleanup(cls.behaviour.release.set)
        cls.cluster = Cluster(fixture.lab, "puller")
        cls.addClassCleanup(cls.cluster.host.end)
        with open(cls.cluster.registries, "w", encoding="ascii") as out:
            out.write(f"mirrors:\n  odd.example:\n    endpoint: [\"http://{fixture.lab.NETWORK}.1:{server.server_address[1]}\"]\n")
        cls.cluster.start().with_node()
        cls.space = cls.cluster.namespace()
        cls.core = f"/api/v1/namespaces/{cls.space}/pods"

    def make(self, name):
        self.cluster.api.create(self.core, pod(name, image=f"odd.example/{name}:v1", imagePullPolicy="IfNotPresent"))

    def waiting(self, name):
        return self.cluster.pod(self.space, name)["status"]["containerStatuses"][0]["state"]["waiting"]

    def ready(self, name):
        return is_ready(self.cluster.pod(self.space, name))

    def refused(self, name, *words):
        self.make(name)

        def condition():
            state = self.waiting(name)
            assert state["reason"] in ("ErrImagePull", "ImagePullBackOff"), state
            assert all(word in state["message"] for word in words), state
            return True

        eventually(condition, 30, f"a reason with {words}")

    def mended(self, name):
        self.behaviour.mended.add(name)
        eventually(lambda: self.ready(name), 60, f"pod {name} after the registry was mended")

    def test_a_registry_that_lies_about_a_digest(self):
        self.refused("lies", "digest")
        self.mended("lies")

    def test_a_registry_that_sends_too_little(self):
        self.refused("short")

    def test_a_registry_that_is_down(self):
        self.refused("fails", "503")
        self.mended("fails")

    def test_a_registry_that_hangs_holds_up_nobody(self):
        self.make("hangs")
        self.cluster.api.create(self.core, pod("neighbour"))
        eventually(lambda: self.ready("neighbour"), 20, "the neighbour")
        self.make("good")
        eventually(lambda: self.ready("good"), 30, "another pull")
        self.cluster.api.delete(self.core + "/hangs")
        gone = lambda: self.cluster.api.request("GET", self.core + "/hangs").status == 404  # noqa: E731
        eventually(gone, 30, "the waiting pod to be deleted")

    def test_a_cut_download_is_resumed(self):
        self.make("cuts")
        eventually(lambda: self.ready("cuts"), 60, "the pod")
        self.assertTrue(self.behaviour.ranges, "nothing was resumed by a Range request")
