"""Two machines: joining, pods on both, traffic over VXLAN, loss of a machine and its return."""

import os
import unittest
import urllib.request

from lab import fixture
from lab.cluster import Cluster, is_ready, tail
from lab.fixture import deployment
from lab.wait import eventually


class TwoNodes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(fixture.lab, "first").start().with_node()
        cls.addClassCleanup(cls.cluster.host.end)
        cls.agent = cls.cluster.join("second")
        cls.addClassCleanup(cls.agent.host.end)
        cls.api = cls.cluster.api

    def setUp(self):
        self.space = self.cluster.namespace()
        self.apps = f"/apis/apps/v1/namespaces/{self.space}/deployments"
        self.addCleanup(self.api.request, "DELETE", f"/api/v1/namespaces/{self.space}")

    def spread(self, name, replicas, command=None, **more):
        body = deployment(name, replicas, command, **more)
        body["spec"]["template"]["spec"]["topologySpreadConstraints"] = [{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app": name}}}]
        tolerations = [{"key": f"node.kubernetes.io/{reason}", "operator": "Exists", "effect": "NoExecute",
                        "tolerationSeconds": 1} for reason in ("not-ready", "unreachable")]
        body["spec"]["template"]["spec"]["tolerations"] = tolerations
        self.api.create(self.apps, body)
        eventually(lambda: len(self.ready(name)) == replicas, 60, f"{replicas} pods of {name}")
        return self.ready(name)

    def ready(self, name):
        return [each for each in self.cluster.pods(self.space, "app=" + name) if is_ready(each)]

    def web(self):
        command = ["/bin/sh", "-c", "mkdir -p /tmp/www && hostname > /tmp/www/name && exec httpd -f -p 80 -h /tmp/www"]
        probe = {"tcpSocket": {"port": 80}, "periodSeconds": 1}
        return self.spread("web", 2, command, readinessProbe=probe)

    def test_pods_on_both_reach_each_other(self):
        pods = self.web()
        nodes = {each["spec"]["nodeName"] for each in pods}
        self.assertEqual(nodes, {self.cluster.host.name, self.agent.host.name})
        for asker in pods:
            for target in pods:
                out = self.fetch(asker, target["status"]["podIP"])
                self.assertEqual(out, target["metadata"]["name"])

    def fetch(self, asker, address, path="/name"):
        text = f"printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {address} 80"
        out = self.cluster.exec(self.space, asker["metadata"]["name"], "sh", "-c", text).stdout
        return out.rpartition("\n\n")[2].strip()

    def test_a_service_reaches_pods_of_both_from_both(self):
        pods = self.web()
        service = self.api.create(f"/api/v1/namespaces/{self.space}/services", {
            "metadata": {"name": "web"}, "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}]}})
        names = {each["metadata"]["name"] for each in pods}
        address, port = service["spec"]["clusterIP"], service["spec"]["ports"][0]["nodePort"]
        for asker in pods:
            seen = set()
            eventually(lambda: seen.add(self.fetch(asker, address)) or seen == names, 20, "both pods through the Service")  # noqa: B023
            eventually(lambda: self.fetch(asker, "web") in names, 10, "the Service by name")  # noqa: B023
        for host in (self.cluster.host, self.agent.host):
            look = lambda: get_text(f"http://{host.address}:{port}/name") in names  # noqa: E731,B023
            eventually(look, 10, "the node port on " + host.name)

    def test_big_answers_cross_the_tunnel_whole(self):
        pods = self.web()
        for asker, target in (pods, pods[::-1]):
            self.cluster.exec(self.space, target["metadata"]["name"], "sh", "-c",
                              "dd if=/dev/urandom of=/tmp/www/big bs=1M count=8 2>/dev/null")
            want = self.cluster.exec(self.space, target["metadata"]["name"], "md5sum", "/tmp/www/big").stdout.split()[0]
            text = f"printf 'GET /big HTTP/1.0\\r\\n\\r\\n' | nc -w 10 {target['status']['podIP']} 80 | sed '1,/^\\r$/d' | md5sum"
            got = self.cluster.exec(self.space, asker["metadata"]["name"], "sh", "-c", text).stdout.split()[0]
            self.assertEqual(got, want)

    def test_logs_and_exec_reach_the_agent(self):
        pods = self.spread("d", 2)
        away = next(each for each in pods if each["spec"]["nodeName"] == self.agent.host.name)
        name = away["metadata"]["name"]
        self.assertIn("started", self.cluster.mk_kubectl("-n", self.space, "logs", name).stdout)
        self.assertEqual(self.cluster.exec(self.space, name, "hostname").stdout.strip(), name)

    def test_a_node_selector_is_obeyed(self):
        body = deployment("d", 2)
        body["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": self.agent.host.name}
        self.api.create(self.apps, body)
        eventually(lambda: len(self.ready("d")) == 2, 40, "two pods")
        self.assertEqual({each["spec"]["nodeName"] for each in self.ready("d")}, {self.agent.host.name})

    def test_a_daemon_runs_on_both_and_rolls_back_without_needless_restarts(self):
        path = f"/apis/apps/v1/namespaces/{self.space}/daemonsets"
        body = deployment("d", 1)
        del body["spec"]["replicas"]
        self.api.create(path, {**body, "kind": "DaemonSet"})
        eventually(lambda: len(self.ready("d")) == 2, 60, "a daemon on each")
        nodes = {each["spec"]["nodeName"] for each in self.ready("d")}
        self.assertEqual(nodes, {self.cluster.host.name, self.agent.host.name})
        before = {each["metadata"]["uid"] for each in self.ready("d")}

        def use(image):
            self.api.patch("strategic", path + "/d",
                           {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}})

        good = body["spec"]["template"]["spec"]["containers"][0]["image"]
        use("registry.example/nothing:v1")
        stuck = lambda: [each for each in self.cluster.pods(self.space, "app=d")  # noqa: E731
                         if each["spec"]["containers"][0]["image"] != good]
        eventually(lambda: len(stuck()) == 1 and len(self.ready("d")) == 1, 30, "one daemon that cannot start")
        kept = self.ready("d")[0]["metadata"]["uid"]
        self.assertIn(kept, before)
        use(good)
        eventually(lambda: len(self.ready("d")) == 2 and not stuck(), 60, "both good again")
        self.assertIn(kept, {each["metadata"]["uid"] for each in self.ready("d")})

    def test_zz_a_killed_agent_goes_on_where_it_was(self):
        before = {each["metadata"]["uid"] for each in self.spread("d", 2)}
        self.agent.process.kill()
        self.agent.start()
        self.cluster.wait_ready(self.agent.host.name)
        eventually(lambda: {each["metadata"]["uid"] for each in self.ready("d")} == before, 30, "the same pods")

    def test_zzz_a_lost_machine_is_replaced_and_comes_back(self):
        self.spread("d", 2)
        lost = self.agent.host.name
        self.agent.host.unplug()
        self.cluster.wait_ready(lost, "Unknown", 90)
        here = lambda: [each for each in self.ready("d") if each["spec"]["nodeName"] == self.cluster.host.name]  # noqa: E731
        eventually(lambda: len(here()) == 2, 90, "both pods on the machine that is left")
        self.agent.host.plug()
        self.cluster.wait_ready(lost, "True", 60)
        gone = lambda: len(self.cluster.pods(self.space, "app=d")) == 2  # noqa: E731
        eventually(gone, 60, "the lost machine's pods to be gone")


class Joining(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = fixture.shared_cluster()

    def attempt(self, name, token, url=None):
        host = fixture.lab.host(name)
        self.addCleanup(host.end)
        data, log = os.path.join(host.folder, "data"), os.path.join(host.folder, "mk.log")
        process = host.start(log, fixture.lab.mk, "agent", "--join", url or f"https://{self.cluster.host.address}:6443",
                             "--token", token, *self.cluster.node_flags(host, data))
        return host, process, log

    def test_a_wrong_token_is_refused_with_a_reason(self):
        good = self.cluster.token()
        wrong_password = good[:-4] + ("aaaa" if not good.endswith("aaaa") else "bbbb")
        wrong_authority = good[:3] + ("0" if good[3] != "0" else "1") + good[4:]
        for token, word in ((wrong_password, "token is wrong"), (wrong_authority, "CA"), ("nonsense", "token")):
            with self.subTest(token=word):
                _, process, log = self.attempt("stranger", token)
                self.assertNotEqual(process.wait(20), 0)
                self.assertIn(word, tail(log))

    def test_the_name_of_another_machine_is_refused(self):
        host, process, log = self.attempt("double", self.cluster.token())
        eventually(lambda: "the node works" in tail(log), 30, "the first to join")
        process.kill()
        other = os.path.join(host.folder, "other")
        words = self.cluster.node_flags(host, other)
        second = host.start(log + ".2.log", fixture.lab.mk, "agent", "--join", f"https://{self.cluster.host.address}:6443",
                            "--token", self.cluster.token(), *words)
        self.assertNotEqual(second.wait(20), 0)
        self.assertIn(host.name, tail(log + ".2.log"))
        self.cluster.api.request("DELETE", "/api/v1/nodes/" + host.name)


def get_text(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode().strip()
