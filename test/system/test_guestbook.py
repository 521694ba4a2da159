"""The example application, end to end: registry, DNS, Services, ConfigMap, Secret."""

import http.client
import os
import shutil
import subprocess
import unittest
import urllib.parse

import guestbook_images
from lab import fixture
from lab.cluster import Cluster, is_ready
from lab.wait import eventually

EXAMPLE = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "guestbook")
REPOSITORIES = "registry.example"


class Guestbook(unittest.TestCase):
    """Applied once from a real registry; the tests look at it in turn."""

    @classmethod
    def setUpClass(cls):
        lab = fixture.lab
        cls.cluster = Cluster(lab, "guest")
        cls.addClassCleanup(cls.cluster.host.end)
        cls.from_registry = cls.start_registry(lab)
        cls.cluster.start()
        cls.cluster.wait_ready(cls.cluster.host.name)
        if not cls.from_registry:
            cls.cluster.import_images(cls.cluster.host, cls.cluster.data)
        eventually(lambda: cls.cluster.api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default").status == 200)
        tool = cls.cluster.real_kubectl if lab.kubectl else cls.cluster.mk_kubectl
        cls.applied = tool("apply", "-f", EXAMPLE).stdout
        for name, replicas in (("redis", 1), ("front", 3)):
            path = f"/apis/apps/v1/namespaces/default/deployments/{name}"
            ready = lambda: cls.cluster.api.get(path)["status"].get("readyReplicas") == replicas  # noqa: E731,B023
            eventually(ready, 60, f"deployment {name}")

    @classmethod
    def start_registry(cls, lab):
        """Debian's docker-registry on the LAN, holding the images under the name registries.yaml leads to it."""
        program = shutil.which("docker-registry")
        if program is None:
            return False
        folder = os.path.join(lab.folder, "registry")
        os.makedirs(folder)
        address = f"{lab.NETWORK}.1:5000"
        with open(folder + "/config.yml", "w", encoding="ascii") as out:
            out.write(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}}}}}\nhttp: {{addr: '{address}'}}\n")
        with open(folder + "/registry.log", "wb") as out:
            registry = subprocess.Popen([program, "serve", folder + "/config.yml"], stdout=out, stderr=out)
        cls.addClassCleanup(registry.wait)
        cls.addClassCleanup(registry.kill)

        def answers():
            connection = http.client.HTTPConnection(address, timeout=2)
            connection.request("GET", "/v2/")
            return connection.getresponse().status == 200

        eventually(answers, 15, "the registry")
        guestbook_images.push_all(guestbook_images.make_images(), address)
        with open(cls.cluster.registries, "w", encoding="ascii") as out:
            out.write(f"mirrors:\n  {REPOSITORIES}:\n    endpoint: [\"http://{address}\"]\n")
        return True

    def http(self, method, path, body=None, address=None, port=30080):
        connection = http.client.HTTPConnection(address or self.cluster.host.address, port, timeout=10)
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        out = answer.status, answer.read().decode()
        connection.close()
        return out

    def sign(self, text):
        return self.http("POST", "/cgi-bin/add", urllib.parse.urlencode({"entry": text}))[0]

    def entries(self):
        status, text = self.http("GET", "/cgi-bin/entries")
        self.assertEqual(status, 200, text)
        return text.splitlines()

    def pods(self, tier):
        return self.cluster.pods("default", f"app=guestbook,tier={tier}")

    def test_images_came_from_the_registry(self):
        if not self.from_registry:
            self.skipTest("needs docker-registry, which this machine does not have; imported the images instead")
        pulled = [each for each in self.cluster.api.get("/api/v1/namespaces/default/events")["items"]
                  if each["reason"] == "Pulled" and "Successfully pulled" in each["message"]]
        self.assertTrue(pulled)

    def test_entries_go_through_service_and_dns_to_redis(self):
        for text in ("first", "zweite & <third>", "наука"):
            self.assertEqual(self.sign(text), 303)
        self.assertEqual(self.entries()[-3:], ["first", "zweite & <third>", "наука"])
        page = self.http("GET", "/")[1]
        self.assertIn("<li>zweite &amp; &lt;third&gt;", page)

    def test_all_front_pods_answer_the_node_port(self):
        names = {each["metadata"]["name"] for each in self.pods("front")}

        def seen():
            page = self.http("GET", "/")[1]
            return page.rpartition("served by pod ")[2].split()[0]

        found = set()
        eventually(lambda: found.add(seen()) or found == names, 20, "every pod to serve")

    def test_the_title_follows_the_config_map(self):
        self.assertIn("<h1>mk guestbook</h1>", self.http("GET", "/")[1])
        path = "/api/v1/namespaces/default/configmaps/guestbook"
        self.cluster.api.patch("merge", path, {"data": {"title": "Another title"}})
        address = [each["status"]["podIP"] for each in self.pods("front")]
        self.assertEqual(len(address), 3)
        changed = lambda: "<h1>Another title</h1>" in self.http("GET", "/")[1]  # noqa: E731
        eventually(changed, 10, "the new title")
        self.cluster.api.patch("merge", path, {"data": {"title": "mk guestbook"}})
        eventually(lambda: "<h1>mk guestbook</h1>" in self.http("GET", "/")[1], 10)

    def test_without_its_back_end_the_front_is_not_ready(self):
        scale = "/apis/apps/v1/namespaces/default/deployments/redis/scale"
        front = "/apis/apps/v1/namespaces/default/deployments/front"
        self.cluster.api.patch("merge", scale, {"spec": {"replicas": 0}})
        eventually(lambda: not self.cluster.api.get(front)["status"].get("readyReplicas"), 40, "no front ready")
        slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Dfront"
        ready = lambda: [each["conditions"]["ready"] for part in self.cluster.api.get(slices)["items"]  # noqa: E731
                         for each in part.get("endpoints") or []]
        eventually(lambda: not any(ready()), 20, "no endpoint ready")
        self.cluster.api.patch("merge", scale, {"spec": {"replicas": 1}})
        eventually(lambda: self.cluster.api.get(front)["status"].get("readyReplicas") == 3, 60, "all ready again")
        self.assertEqual(self.sign("after"), 303)

    def test_cluster_dns_answers_in_a_pod(self):
        pod = next(each["metadata"]["name"] for each in self.pods("front") if is_ready(each))
        service = self.cluster.api.get("/api/v1/namespaces/default/services/redis")["spec"]["clusterIP"]
        for name in ("redis.default.svc.cluster.local", "kubernetes.default.svc.cluster.local"):
            out = self.cluster.exec("default", pod, "nslookup", name).stdout
            self.assertIn(service if name.startswith("redis") else "10.43.0.1", out)
        done = self.cluster.exec("default", pod, "nslookup", "nothing.default.svc.cluster.local", check=False)
        self.assertIn("NXDOMAIN", done.stdout + done.stderr)

    def test_the_host_reaches_cluster_addresses(self):
        service = self.cluster.api.get("/api/v1/namespaces/default/services/front")["spec"]["clusterIP"]
        out = self.cluster.host.run("curl", "-s", "-m", "5", f"http://{service}/cgi-bin/title").stdout
        self.assertEqual(out.strip(), "mk guestbook")
        out = self.cluster.host.run("curl", "-s", "-m", "5", "http://127.0.0.1:30080/cgi-bin/title").stdout
        self.assertEqual(out.strip(), "mk guestbook")
