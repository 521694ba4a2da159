"""The wire: HTTP/2, compression, clients that are slow, idle, greedy or gone."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import unittest

from lab import fixture
from lab.cluster import PORT, Cluster
from lab.wait import eventually

FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"


def need_curl():
    curl = shutil.which("curl")
    version = subprocess.run([curl, "--version"], capture_output=True, text=True, check=False).stdout if curl else ""
    if "HTTP2" not in version:
        raise unittest.SkipTest("needs curl with HTTP/2, which this machine does not have")


class Http2(fixture.OnSharedCluster):
    """The same answers as over HTTP/1.1, told by a client that is not ours."""

    def setUp(self):
        need_curl()
        super().setUp()
        folder = self.cluster.host.folder
        self.files = {name: os.path.join(folder, "curl-" + name) for name in ("ca", "certificate", "key")}
        credentials = self.cluster.credentials()
        for name, path in self.files.items():
            with open(path, "w", encoding="utf-8") as out:
                os.chmod(path, 0o600)
                out.write(getattr(credentials, name))

    def curl(self, path, *words, version="--http2", text=None):
        done = subprocess.run(
            ["curl", "--silent", "--show-error", version, "--cacert", self.files["ca"], "--cert",
             self.files["certificate"], "--key", self.files["key"], *words,
             f"https://{self.cluster.host.address}:{PORT}{path}"], input=text, capture_output=True, text=True,
            timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_objects_are_written_and_read(self):
        told = '\n%{http_version} %{http_code}'
        made = self.curl(self.core + "/configmaps", "--data-binary", '{"metadata":{"name":"a"},"data":{"k":"v"}}',
                         "-H", "Content-Type: application/json", "-w", told)
        self.assertTrue(made.endswith("\n2 201"), made)
        for version, number in (("--http2", "2"), ("--http1.1", "1.1")):
            got, _, status = self.curl(self.core + "/configmaps/a", "-w", told, version=version).rpartition("\n")
            self.assertEqual((status, json.loads(got)["data"]), (number + " 200", {"k": "v"}))

    def test_a_watch_is_one_stream_among_others(self):
        self.api.create(self.core + "/configmaps", {"metadata": {"name": "a"}})
        lines = self.curl(self.core + "/configmaps?watch=true&timeoutSeconds=2", "--no-buffer").splitlines()
        self.assertIn("a", [json.loads(line)["object"]["metadata"]["name"] for line in lines])

    def test_many_requests_share_a_connection(self):
        answers = self.curl("/version?n=[1-300]", "--parallel", "--parallel-max", "100", "-o", "/dev/null", "-w",
                            "%{http_code} %{http_version} %{num_connects}\n").splitlines()
        self.assertEqual([each[:5] for each in answers], ["200 2"] * 300)
        self.assertLess(sum(int(each.split()[2]) for each in answers), 20)

    def test_a_large_list_comes_whole_packed_or_not(self):
        for number in range(8):
            self.api.create(self.core + "/configmaps", {"metadata": {"name": f"c{number}"},
                                                        "data": {"k": f"{number}" * 700_000}})
        wanted = self.curl(self.core + "/configmaps", version="--http1.1")
        self.assertGreater(len(wanted), 5_000_000)
        self.assertEqual(json.loads(self.curl(self.core + "/configmaps"))["items"], json.loads(wanted)["items"])
        packed = self.curl(self.core + "/configmaps", "--compressed", "-w", "\n%{size_download}")
        text, _, size = packed.rpartition("\n")
        self.assertEqual(json.loads(text)["items"], json.loads(wanted)["items"])
        self.assertLess(int(size), len(text) // 10)

    def test_a_body_that_is_too_large_is_refused_and_the_largest_is_not(self):
        for size, status in ((900_000, "201"), (3 * 1024 * 1024 + 1, "413")):
            body = json.dumps({"metadata": {"name": "large"}, "data": {"k": "x" * size}})
            told = self.curl(self.core + "/configmaps", "--data-binary", "@-", "-H", "Content-Type: application/json",
                             "-o", "/dev/null", "-w", "%{http_code}", text=body)
            self.assertEqual(told, status)


class Surviving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(fixture.lab, "wire", agent=False).start()
        cls.api = cls.cluster.api

    def address(self):
        return self.cluster.host.address, PORT

    def context(self):
        context = ssl.create_default_context(cadata=self.cluster.credentials().ca)
        context.check_hostname = False
        return context

    def memory(self):
        with open(f"/proc/{self.cluster.server.find()}/status", encoding="utf-8") as opened:
            return next(int(line.split()[1]) for line in opened if line.startswith("VmRSS:")) * 1024

    def serves(self):
        return self.cluster.client().request("GET", "/readyz", timeout=10).status == 200

    def assert_closed(self, sockets):
        """The server has hung up on every one of them."""
        def closed():
            for each in list(sockets):
                try:
                    if each.recv(4096) == b"":
                        sockets.remove(each)
                except (BlockingIOError, ssl.SSLWantReadError):
                    pass
                except OSError:
                    sockets.remove(each)
            return not sockets

        eventually(closed, 90, "the server closes what does not come to its end")

    def test_half_a_handshake_and_half_a_header_are_given_up(self):
        silent = [socket.create_connection(self.address()) for _ in range(500)]
        context, partial = self.context(), []
        for _ in range(50):
            connection = context.wrap_socket(socket.create_connection(self.address()))
            connection.sendall(b"GET /version HTTP/1.1\r\nHost: a\r\nX-Slow: ")
            partial.append(connection)
        context.set_alpn_protocols(["h2"])
        for _ in range(50):  # a preface and half a frame; and a stream whose body never ends
            connection = context.wrap_socket(socket.create_connection(self.address()))
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0")
            partial.append(connection)
        self.assertTrue(self.serves())
        for each in silent + partial:
            each.setblocking(False)
        self.assert_closed(silent)
        self.assert_closed(partial)
        self.assertTrue(self.serves())

    def test_idle_connections_cost_little(self):
        count = int(os.environ.get("MK_IDLE_CONNECTIONS", "1000"))
        context, kept = self.context(), []
        for protocol in ("http/1.1", "h2"):
            context.set_alpn_protocols([protocol])
            before = self.memory()
            kept += [context.wrap_socket(socket.create_connection(self.address())) for _ in range(count // 2)]
            if protocol == "h2":
                for each in kept[count // 2:]:
                    each.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            self.assertTrue(self.serves())
            each = (self.memory() - before) / (count // 2)
            print(f"{protocol}: {each / 1024:.1f} KiB for each of {count // 2} idle connections")
            self.assertLess(each, 96 * 1024)
        for each in kept:
            each.close()
        self.assertTrue(self.serves())

    def test_a_reader_that_stops_holds_up_nobody(self):
        api, maps = self.api, "/api/v1/namespaces/default/configmaps"
        for number in range(10):
            api.create(maps, {"metadata": {"name": f"big{number}"}, "data": {"k": "x" * 900_000}})
        credentials = self.cluster.credentials()
        lazy = []
        for _ in range(20):
            connection = http.client.HTTPSConnection(*self.address(), timeout=20, context=credentials.context())
            connection.request("GET", maps)
            lazy.append(connection)
        self.assertTrue(self.serves())
        before = self.memory()
        self.assertLess(before, 1 << 30)
        for connection in lazy:
            connection.close()
        self.assertTrue(self.serves())

    def test_a_flood_of_one_client_leaves_nodes_their_leases(self):
        """The flood has a level with few seats and is refused; what nodes ask is never."""
        api, space = self.api, "/api/v1/namespaces/default"
        level = {"type": "Limited", "limited": {"nominalConcurrencyShares": 1, "lendablePercent": 0,
                                                "borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"}}}
        api.create(FLOW + "/prioritylevelconfigurations", {"metadata": {"name": "flood"}, "spec": level})
        api.create(FLOW + "/flowschemas", {"metadata": {"name": "flood"}, "spec": {
            "priorityLevelConfiguration": {"name": "flood"}, "matchingPrecedence": 300,
            "distinguisherMethod": {"type": "ByUser"}, "rules": [{
                "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": "flood", "namespace": "default"}}],
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}]}]}})
        api.create(space + "/serviceaccounts", {"metadata": {"name": "flood"}})
        api.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
            "metadata": {"name": "flood"}, "subjects": [
                {"kind": "ServiceAccount", "name": "flood", "namespace": "default"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}})
        token = api.create(space + "/serviceaccounts/flood/token", {"spec": {}})["status"]["token"]
        counts, over = {}, threading.Event()

        def flood(number):
            client = self.cluster.client(self.cluster.credentials().with_token(token))
            for turn in range(100_000):
                if over.is_set():
                    break
                answer = client.request("POST", space + "/configmaps", {"metadata": {"name": f"f{number}-{turn}"}})
                counts[answer.status] = counts.get(answer.status, 0) + 1
                if answer.status == 429:
                    self.assertEqual(answer.headers["Retry-After"], "1")

        threads = [threading.Thread(target=flood, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        try:
            eventually(lambda: counts.get(429, 0) > 20, 60, "the flood is refused now and then")
            leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
            node = {"Impersonate-User": "system:node:edge", "Impersonate-Group": "system:nodes"}
            lease = {"metadata": {"name": "edge"}, "spec": {"holderIdentity": "edge", "leaseDurationSeconds": 40}}
            self.assertEqual(api.request("POST", leases, lease, headers=node).status, 201)
            for turn in range(50):
                lease["spec"]["leaseTransitions"] = turn
                answer = api.request("PUT", leases + "/edge", lease, headers=node)
                self.assertEqual(answer.status, 200, answer)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        self.assertGreater(counts.get(201, 0), 0)
        metrics = api.request("GET", "/metrics").text
        self.assertIn('apiserver_flowcontrol_rejected_requests_total{priority_level="flood",reason="concurrency-limit"}',
                      metrics)
        self.assertIn('apiserver_flowcontrol_rejected_requests_total{priority_level="node-high",reason="queue-full"} 0',
                      metrics)
