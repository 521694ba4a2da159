"""The ways into a pod besides its address: the API's proxies, ports of the node, port-forward; and its resize."""

import os
import subprocess
import unittest
import urllib.request

from lab import fixture
from lab.fixture import OnSharedCluster, need_kubectl, pod
from lab.wait import eventually

SERVE = ["/bin/sh", "-c", "mkdir -p /tmp/www && hostname > /tmp/www/name && exec httpd -f -p 80 -h /tmp/www"]


class Doors(OnSharedCluster):
    def serve(self, **port):
        probe = {"tcpSocket": {"port": 80}, "periodSeconds": 1}
        self.api.create(self.core + "/pods", pod("web", SERVE, readinessProbe=probe,
                                                 ports=[{"name": "http", "containerPort": 80, **port}]))
        eventually(lambda: self.conditions().get("Ready") == "True", 30, "the pod")

    def conditions(self):
        status = self.cluster.pod(self.namespace, "web")["status"]
        return {each["type"]: each["status"] for each in status.get("conditions", [])}

    def test_the_proxies_of_pods_and_services_reach_it(self):
        self.serve()
        self.api.create(self.core + "/services", {"metadata": {"name": "front"}, "spec": {
            "selector": {"app": "web"}, "ports": [{"name": "web", "port": 8080, "targetPort": "http"}]}})
        pods = self.core + "/pods/"
        for path in (pods + "web/proxy/name", pods + "http:web:80/proxy/name"):
            self.assertEqual(self.api.request("GET", path).text, "web\n")
        proxy = self.core + "/services/front:web/proxy/name"
        eventually(lambda: self.api.request("GET", proxy).text == "web\n", 20, "the Service's proxy")
        moved = self.api.request("GET", pods + "web/proxy?a=b")
        self.assertEqual((moved.status, moved.headers["Location"]), (301, pods + "web/proxy/?a=b"))
        self.assertEqual(self.api.request("GET", pods + "web:81/proxy/").status, 503)
        self.assertEqual(self.api.request("GET", self.core + "/services/front:none/proxy/").status, 503)

    def test_a_host_port_leads_to_it_and_goes_with_it(self):
        self.serve(hostPort=18080)
        address = f"http://{self.cluster.host.address}:18080/name"
        with urllib.request.urlopen(address, timeout=5) as answer:
            self.assertEqual(answer.read(), b"web\n")
        inside = self.cluster.host.run("curl", "-sS", "-m", "5", "http://127.0.0.1:18080/name")
        self.assertIn("web", str(inside))
        self.api.delete(self.core + "/pods/web")
        eventually(lambda: self.api.request("GET", self.core + "/pods/web").status == 404, 30, "the pod's end")
        with self.assertRaises(OSError):
            urllib.request.urlopen(address, timeout=2)

    def test_port_forward_over_websockets_and_over_spdy(self):
        need_kubectl()
        self.serve()
        for number, sockets in enumerate(("true", "false")):
            environment = dict(os.environ, KUBECONFIG=self.cluster.kubeconfig, HOME=self.cluster.host.folder,
                               KUBECTL_PORT_FORWARD_WEBSOCKETS=sockets)
            with subprocess.Popen([fixture.lab.kubectl, "-n", self.namespace, "port-forward", "pod/web", ":80"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env=environment) as process:
                try:
                    line = process.stdout.readline()
                    self.assertIn("Forwarding from 127.0.0.1:", line)
                    port = line.split("127.0.0.1:")[1].split()[0]
                    for _ in range(3):
                        with urllib.request.urlopen(f"http://127.0.0.1:{port}/name", timeout=10) as answer:
                            self.assertEqual(answer.read(), b"web\n", number)
                finally:
                    process.terminate()

    def test_exec_over_spdy_has_streams_and_exit_codes(self):
        need_kubectl()
        self.serve()
        environment = dict(os.environ, KUBECONFIG=self.cluster.kubeconfig, HOME=self.cluster.host.folder,
                           KUBECTL_REMOTE_COMMAND_WEBSOCKETS="false")
        done = subprocess.run([fixture.lab.kubectl, "-n", self.namespace, "exec", "-i", "web", "--", "sh", "-c",
                               "cat; echo oops >&2; exit 3"], input="in\n", capture_output=True, text=True, timeout=60,
                              env=environment, check=False)
        self.assertEqual((done.returncode, done.stdout), (3, "in\n"))
        self.assertIn("oops", done.stderr)

    def test_a_resize_reaches_the_running_container(self):
        self.api.create(self.core + "/pods", pod("web", resources={"requests": {"cpu": "100m", "memory": "32Mi"},
                                                                   "limits": {"cpu": "200m", "memory": "64Mi"}}))
        eventually(lambda: self.conditions().get("Ready") == "True", 30, "the pod")
        before = self.cluster.pod(self.namespace, "web")
        wanted = {"requests": {"cpu": "150m", "memory": "32Mi"}, "limits": {"cpu": "300m", "memory": "96Mi"}}
        self.api.patch("strategic", self.core + "/pods/web/resize",
                       {"spec": {"containers": [{"name": "main", "resources": wanted}]}})

        def there():
            now = self.cluster.pod(self.namespace, "web")
            status = now["status"]["containerStatuses"][0]
            return (now["status"]["observedGeneration"] == now["metadata"]["generation"]
                    and status["resources"] == wanted and "PodResizeInProgress" not in self.conditions())

        eventually(there, 30, "the resize")
        after = self.cluster.pod(self.namespace, "web")["status"]["containerStatuses"][0]
        self.assertEqual(after["restartCount"], 0)
        self.assertEqual(after["containerID"], before["status"]["containerStatuses"][0]["containerID"])
        limit = self.cluster.exec(self.namespace, "web", "sh", "-c",
                                  "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null",
                                  check=False).stdout.strip()
        self.assertEqual(limit, str(96 << 20))
        self.api.patch("strategic", self.core + "/pods/web/resize",
                       {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "9999"},
                                                                                "limits": {"cpu": "9999"}}}]}})
        eventually(lambda: self.conditions().get("PodResizePending") == "True", 20, "what the node cannot grant")

    def test_statistics_tell_what_it_uses(self):
        self.serve()
        node = f"/api/v1/nodes/{self.cluster.host.name}/proxy"
        summary = self.api.get(node + "/stats/summary")
        mine = [each for each in summary["pods"] if each["podRef"]["namespace"] == self.namespace]
        self.assertEqual([each["name"] for each in mine[0]["containers"]], ["main"])
        self.assertGreater(mine[0]["containers"][0]["memory"]["workingSetBytes"], 0)
        self.assertGreater(summary["node"]["memory"]["usageBytes"], 0)
        for path in ("resource", "cadvisor"):
            text = self.api.request("GET", node + "/metrics/" + path).text
            lines = [each for each in text.splitlines() if each.startswith("container_memory_working_set_bytes{")
                     and f'namespace="{self.namespace}"' in each and 'container="main"' in each]
            self.assertEqual(len(lines), 1, text[:2000])
            self.assertGreater(int(lines[0].rpartition("} ")[2].split()[0]), 0)
