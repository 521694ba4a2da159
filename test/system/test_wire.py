"""The wire: HTTP/2, compression, clients that are slow, idle, greedy or gone."""

import contextlib
import http.client
import json
import mmap
import os
import resource
import shutil
import socket
import ssl
import subprocess
import threading
import unittest

from lab import fixture
from lab.cluster import PORT, Cluster
from lab.wait import eventually

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"


def need_curl():
    curl = shutil.which("curl")
    version = subprocess.run([curl, "--version"], capture_output=True, text=True, check=False).stdout if curl else ""
    if "HTTP2" not in version:
        raise unittest.SkipTest("needs curl with HTTP/2, which this machine does not have")


def need_no_sanitizer():
    with open(fixture.lab.mk, "rb") as program, mmap.mmap(program.fileno(), 0, access=mmap.ACCESS_READ) as text:
        for name in (b"__asan_init", b"__tsan_init"):
            if text.find(name) >= 0:
                raise unittest.SkipTest("measures memory, of which a sanitizer takes its own: mk is built with one")


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


def tls_context(cluster):
    context = ssl.create_default_context(cadata=cluster.credentials().ca)
    context.check_hostname = False
    return context


def memory_of(cluster):
    with open(f"/proc/{cluster.server.find()}/status", encoding="utf-8") as opened:
        return next(int(line.split()[1]) for line in opened if line.startswith("VmRSS:")) * 1024


def handshaken(address, context):
    """A socket whose TLS handshake is done. The client's half of TLS is dropped: many of them shall cost us little."""
    connection = socket.create_connection(address)
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(inward, outward)
    while True:
        try:
            tls.do_handshake()
            connection.sendall(outward.read())
            return connection
        except ssl.SSLWantReadError:
            connection.sendall(outward.read())
            inward.write(connection.recv(16384))


def client_hello(context):
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(inward, outward).do_handshake()
    return outward.read()


def hung_up(connections):
    """Those that the server has closed. TLS tickets may be unread."""
    out = []
    for each in connections:
        each.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while each.recv(16384):
                pass
            out.append(each)
    return out


def hung_up_within(connection, seconds):
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def h2_frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def h2_request(path):
    """A header block of literals without an index (RFC 7541, section 6.2.2)."""
    fields = ((":method", "GET"), (":scheme", "https"), (":path", path), (":authority", "a"))
    return b"".join(b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
                    for name, value in fields)


def taken_back(streams):
    """Requests, each with its reset behind it."""
    head = h2_request("/version")
    return b"".join(h2_frame(1, 5, each, head) + h2_frame(3, 0, each, b"\0\0\0\x08") for each in streams)


class Surviving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(fixture.lab, "wire", agent=False).start()
        cls.api = cls.cluster.api

    def address(self):
        return self.cluster.host.address, PORT

    def context(self):
        return tls_context(self.cluster)

    def memory(self):
        return memory_of(self.cluster)

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

    def test_what_never_comes_to_its_end_is_given_up(self):
        """Half a handshake, half a header, a header in drops (slow loris), half a body; of HTTP/2 half a frame."""
        context = self.context()
        hello = client_hello(context)
        starts = (b"GET /version HTTP/1.1\r\nHost: a\r\nX-Slow: ",
                  b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: a\r\n"
                  b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
        waiting = [self.saying(each) for each in (b"", hello[:len(hello) // 2], hello) for _ in range(200)]
        drops = [self.saying(starts[0], context) for _ in range(20)]
        waiting += drops + [self.saying(each, context) for each in starts for _ in range(50)]
        context.set_alpn_protocols(["h2"])
        waiting += [self.saying(PREFACE + b"\0\0", context) for _ in range(50)]
        over = threading.Event()

        def drip():
            while not over.wait(1):
                for each in drops:
                    with contextlib.suppress(OSError):
                        each.send(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            self.assertTrue(self.serves())
            for each in waiting:
                each.setblocking(False)
            self.assert_closed(waiting)
        finally:
            over.set()
            dripping.join()
        self.assertTrue(self.serves())

    def saying(self, text, context=None):
        connection = socket.create_connection(self.address())
        if context is not None:
            connection = context.wrap_socket(connection)
        connection.sendall(text)
        return connection

    def test_idle_connections_cost_little(self):
        need_no_sanitizer()
        count = int(os.environ.get("MK_IDLE_CONNECTIONS", "1000"))
        context, kept = self.context(), []
        for protocol in ("http/1.1", "h2"):
            context.set_alpn_protocols([protocol])
            before = self.memory()
            kept += [context.wrap_socket(socket.create_connection(self.address())) for _ in range(count // 2)]
            if protocol == "h2":
                for each in kept[count // 2:]:
                    each.sendall(PREFACE + b"\0\0\0\4\0\0\0\0\0")
            self.assertTrue(self.serves())
            each = (self.memory() - before) / (count // 2)
            print(f"{protocol}: {each / 1024:.1f} KiB for each of {count // 2} idle connections")
            self.assertLess(each, 96 * 1024)
        for each in kept:
            each.close()
        self.assertTrue(self.serves())

    def test_ten_thousand_idle_connections_leave_the_server_at_work(self):
        """Their TLS handshakes are done, then they say nothing. On a server of its own; memory is bounded."""
        need_no_sanitizer()
        count, spare = 10_000, 500
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < count + spare:
            raise unittest.SkipTest(f"needs {count + spare} open files, this machine allows {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        cluster = Cluster(fixture.lab, "crowd", agent=False).start()
        self.addCleanup(cluster.host.end)
        context, kept = tls_context(cluster), []
        before = memory_of(cluster)
        try:
            for _ in range(count):
                kept.append(handshaken((cluster.host.address, PORT), context))
            each = (memory_of(cluster) - before) / count
            print(f"{each / 1024:.1f} KiB for each of {count} idle connections")
            self.assertLess(each, 48 * 1024)
            client = cluster.client()
            self.assertEqual(client.request("GET", "/readyz", timeout=10).status, 200)
            client.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "still"}})
            self.assertFalse(hung_up(kept))
        finally:
            for each in kept:
                each.close()
        self.assertEqual(cluster.client().request("GET", "/readyz", timeout=10).status, 200)

    def test_rapid_resets_end_the_connection_and_not_the_server(self):
        """Requests that are taken back at once (CVE-2023-44487): a few are anybody's, thousands are an attack."""
        context = self.context()
        context.set_alpn_protocols(["h2"])
        ping = h2_frame(6, 0, 0, b"are you?")
        with context.wrap_socket(socket.create_connection(self.address())) as connection:
            connection.settimeout(30)
            connection.sendall(PREFACE + h2_frame(4, 0, 0, b"") + taken_back(range(1, 21, 2)) + ping)
            answer = b""
            while b"are you?" not in answer:
                more = connection.recv(65536)
                self.assertTrue(more, "ten resets end no connection")
                answer += more
            before = self.memory()
            with contextlib.suppress(OSError):
                for first in range(21, 40_000, 200):
                    connection.sendall(taken_back(range(first, first + 200, 2)))
            self.assertTrue(hung_up_within(connection, 30), "still served after thousands of resets")
        self.assertLess(self.memory() - before, 64 << 20)
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
            answer = api.request("POST", leases, lease, headers=node)
            self.assertEqual(answer.status, 201, answer)
            for turn in range(50):
                lease = answer.json
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
