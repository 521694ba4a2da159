"""A cluster of the real binary: one server on a host of its own, and agents on others."""

import os
import subprocess

from lab.client import Client, Credentials
from lab.wait import eventually

PORT = 6443


class Cluster:
    def __init__(self, lab, name="server", agent=True, flags=()):
        self.lab, self.agent, self.flags = lab, agent, list(flags)
        self.host = lab.host(name)
        self.agents = []
        self.data = os.path.join(self.host.folder, "data")
        self.log = os.path.join(self.host.folder, "mk.log")
        self.registries = os.path.join(self.host.folder, "registries.yaml")
        self.kubeconfig = os.path.join(self.host.folder, "kubeconfig")
        self.server = None
        self.api = None
        self._spaces = 0

    def node_flags(self, host, data):
        return ["--data-dir", data, "--node-name", host.name, "--node-ip", host.address,
                "--root-cgroup", host.cgroup, "--config", os.path.join(host.folder, "config.yaml"),
                "--private-registry", self.registries, "--resolv-conf", self.lab.resolv_conf]

    def server_words(self):
        words = [self.lab.mk, "server", *self.node_flags(self.host, self.data),
                 "--advertise-address", self.host.address, "--write-kubeconfig", self.kubeconfig + ".local"]
        return words + ([] if self.agent else ["--disable-agent"]) + self.flags

    def start(self):
        """Returns when the API is ready to serve."""
        self.server = self.host.start(self.log, *self.server_words())
        eventually(self._read_kubeconfig, 30, "the kubeconfig of the server; its log:\n" + tail(self.log))
        eventually(self._ready, 30, "/readyz")
        return self

    def _read_kubeconfig(self):
        assert self.server.running(), f"mk server ended with {self.server.exit_code}:\n{tail(self.log)}"
        with open(self.kubeconfig + ".local", encoding="utf-8") as opened:
            text = opened.read()
        with open(self.kubeconfig, "w", encoding="utf-8") as out:
            out.write(text.replace(f"https://127.0.0.1:{PORT}", f"https://{self.host.address}:{PORT}"))
        os.chmod(self.kubeconfig, 0o600)
        return text

    def _ready(self):
        assert self.server.running(), f"mk server ended with {self.server.exit_code}:\n{tail(self.log)}"
        self.api = self.client()
        return self.api.request("GET", "/readyz", timeout=2).status == 200

    def with_node(self):
        self.wait_ready(self.host.name)
        self.import_images(self.host, self.data)
        return self

    def import_images(self, host, data):
        host.run(self.lab.mk, "images", "import", self.lab.images(), "--data-dir", data, "--config", "/nonexistent")

    def join(self, name="agent", flags=()):
        """A second machine, Ready and with the test images."""
        host = self.lab.host(name)
        agent = Agent(self, host, list(flags))
        self.agents.append(agent)
        agent.start()
        self.wait_ready(host.name)
        self.import_images(host, agent.data)
        return agent

    def token(self):
        return self.host.run(self.lab.mk, "token", "create", "--data-dir", self.data).stdout.strip()

    def wait_ready(self, node, wanted="True", seconds=60):
        def condition():
            status = self.api.get(f"/api/v1/nodes/{node}")["status"]
            ready = next(each for each in status["conditions"] if each["type"] == "Ready")
            return ready["status"] == wanted

        eventually(condition, seconds, f"node {node} Ready={wanted}")

    def kill(self):
        self.server.kill()

    def stop(self):
        return self.server.stop()

    def client(self, credentials=None):
        return Client(self.host.address, PORT, credentials or self.credentials())

    def credentials(self):
        return Credentials.of_kubeconfig(self.kubeconfig)

    def real_kubectl(self, *words, **options):
        return self._tool([self.lab.kubectl], words, **options)

    def mk_kubectl(self, *words, **options):
        return self._tool([self.lab.mk, "kubectl"], words, **options)

    def _tool(self, program, words, stdin=None, check=True, timeout=60):
        environment = dict(os.environ, KUBECONFIG=self.kubeconfig, HOME=self.host.folder)
        done = subprocess.run([*program, *words], input=stdin, capture_output=True, text=True, timeout=timeout,
                              env=environment, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join([*program, *words])}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def namespace(self, prefix="test"):
        """A new namespace, usable for pods (its service account is there)."""
        self._spaces += 1
        name = f"{prefix}-{self._spaces}"
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        path = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        eventually(lambda: self.api.request("GET", path).status == 200, 20, f"service account of {name}")
        return name

    def pod(self, namespace, name):
        return self.api.get(f"/api/v1/namespaces/{namespace}/pods/{name}")

    def pods(self, namespace, selector=""):
        path = f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector.replace('=', '%3D').replace(',', '%2C')}"
        return self.api.get(path)["items"]

    def exec(self, namespace, pod, *words, check=True, stdin=None):
        return self.mk_kubectl("-n", namespace, "exec", *(["-i"] if stdin else []), pod, "--", *words, check=check,
                               stdin=stdin)


class Agent:
    def __init__(self, cluster, host, flags):
        self.cluster, self.host, self.flags = cluster, host, flags
        self.data = os.path.join(host.folder, "data")
        self.log = os.path.join(host.folder, "mk.log")
        self.process = None

    def start(self):
        url = f"https://{self.cluster.host.address}:{PORT}"
        self.process = self.host.start(self.log, self.cluster.lab.mk, "agent", "--join", url, "--token",
                                       self.cluster.token(), *self.cluster.node_flags(self.host, self.data), *self.flags)
        return self


def tail(path, lines=30):
    try:
        with open(path, encoding="utf-8", errors="replace") as opened:
            return "".join(opened.readlines()[-lines:])
    except OSError as error:
        return str(error)


def is_ready(pod):
    conditions = pod.get("status", {}).get("conditions", [])
    return "deletionTimestamp" not in pod["metadata"] and any(
        each["type"] == "Ready" and each["status"] == "True" for each in conditions)


