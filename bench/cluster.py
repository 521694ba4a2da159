"""What the measurements do with clusters of the laboratory: start them by the clock, make pods, watch."""

import http.client
import ssl
import threading
import time

from lab.client import Client, Credentials
from lab.cluster import PORT, Cluster, tail
from lab.laboratory import TOOLS, Laboratory, tools_image
from lab.wait import eventually
from oci_image import write_tarball

PODS = "/api/v1/namespaces/default/pods"


class BenchLaboratory(Laboratory):
    def end_hosts(self):
        """Ends the hosts of a measurement, before the next."""
        for host in self._hosts:
            host.end()
        self._hosts.clear()

    def write_tools_image(self, path):
        write_tarball(path, [tools_image()])


def import_image(cluster, path):
    cluster.host.run(cluster.lab.mk, "images", "import", path, "--data-dir", cluster.data, "--config", "/nonexistent")


def start_timed(cluster, seconds=60):
    """Starts the server; returns (when it was started, when /readyz first answered 200) and sets cluster.api."""
    began = time.monotonic()
    cluster.server = cluster.host.start(cluster.log, *cluster.server_words())
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the CA does not exist yet
    while not answers_ready(cluster.host.address, context):
        if time.monotonic() > began + seconds or not cluster.server.running():
            raise RuntimeError(f"no 200 on /readyz; the server's log:\n{tail(cluster.log)}")
        time.sleep(0.001)
    ready = time.monotonic()
    credentials = eventually(lambda: Credentials.of_kubeconfig(cluster.kubeconfig + ".local"), 10, "the kubeconfig")
    cluster.api = Client(cluster.host.address, PORT, credentials)
    return began, ready


def answers_ready(address, context):
    connection = http.client.HTTPSConnection(address, PORT, timeout=2, context=context)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ready_cluster(bench, name, flags=(), agent=True):
    """A cluster without a clock on it: the API ready, the node Ready, the image imported."""
    cluster = Cluster(bench.lab, name, agent=agent, flags=flags).start()
    cluster.api.close()  # start() was impatient; the next connection is not
    if agent:
        cluster.wait_ready(cluster.host.name)
        import_image(cluster, bench.image)
        eventually(lambda: cluster.api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default").status == 200,
                   20, "the default service account")
    return cluster


def node_ready_at(cluster, seconds=60):
    for event in cluster.api.watch("/api/v1/nodes", timeout=seconds):
        conditions = event["object"].get("status", {}).get("conditions", [])
        if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
            return time.monotonic()
    raise RuntimeError("the watch of nodes ended before a node was Ready")


def pod(name):
    container = {"name": "main", "image": TOOLS, "imagePullPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "bench"}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}


def delete_pods(cluster):
    for item in cluster.api.get(PODS)["items"]:
        cluster.api.delete(f"{PODS}/{item['metadata']['name']}")
    eventually(lambda: not cluster.api.get(PODS)["items"], 60, "all pods gone")


class RunningWatch:
    """Notes on its own thread when each pod of namespace default was first seen Running."""

    def __init__(self, cluster):
        version = cluster.api.get(PODS)["metadata"]["resourceVersion"]
        self._events = cluster.api.watch(PODS, timeout=60, resourceVersion=version)
        self._seen, self._change, self._error = {}, threading.Condition(), None
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self):
        try:
            for event in self._events:
                now, seen = time.monotonic(), event["object"]
                if seen.get("status", {}).get("phase") == "Running":
                    with self._change:
                        self._seen.setdefault(seen["metadata"]["name"], now)
                        self._change.notify_all()
        except Exception as error:  # noqa: told to the thread that waits
            with self._change:
                self._error = error
                self._change.notify_all()

    def when(self, names, seconds=60):
        """Times of the first Running, in the order of names."""
        def done():
            return self._error or all(name in self._seen for name in names)

        with self._change:
            if not self._change.wait_for(done, seconds) or self._error:
                missing = [name for name in names if name not in self._seen]
                raise RuntimeError(f"not seen Running: {', '.join(missing)} ({self._error or 'timeout'})")
            return [self._seen[name] for name in names]
