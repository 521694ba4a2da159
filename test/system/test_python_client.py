"""Kubernetes' Python client, as Debian 12 has it (python3-kubernetes): its flows against a real server."""

import json
import unittest

from lab.fixture import OnSharedCluster, pod
from lab.wait import eventually

try:
    import kubernetes
    import kubernetes.dynamic
    import kubernetes.stream
    from kubernetes.client.rest import ApiException
except ImportError:
    kubernetes = None

APP = {"app": "web"}


class PythonClient(OnSharedCluster):
    @classmethod
    def setUpClass(cls):
        if kubernetes is None:
            raise unittest.SkipTest("needs the package python3-kubernetes, which this machine does not have")
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.client = kubernetes.config.new_client_from_config(self.cluster.kubeconfig)
        self.addCleanup(self.client.close)
        self.v1 = kubernetes.client.CoreV1Api(self.client)
        self.apps_v1 = kubernetes.client.AppsV1Api(self.client)
        self.dynamic = kubernetes.dynamic.DynamicClient(self.client, cache_file=self.cluster.host.folder + "/discovery")

    def config_map(self, name, **data):
        return kubernetes.client.V1ConfigMap(metadata={"name": name, "labels": APP}, data=data)

    def deployment(self, name="web", replicas=0):
        container = kubernetes.client.V1Container(name="main", image="registry.example/none:v1")
        template = kubernetes.client.V1PodTemplateSpec(metadata={"labels": APP}, spec={"containers": [container]})
        return kubernetes.client.V1Deployment(metadata={"name": name}, spec=kubernetes.client.V1DeploymentSpec(
            replicas=replicas, selector={"matchLabels": APP}, template=template))


class Objects(PythonClient):
    def test_an_object_is_made_read_replaced_and_deleted(self):
        made = self.v1.create_namespaced_config_map(self.namespace, self.config_map("a", k="1"))
        self.assertEqual((made.metadata.name, made.data), ("a", {"k": "1"}))
        made.data["k"] = "2"
        self.v1.replace_namespaced_config_map("a", self.namespace, made)
        self.assertEqual(self.v1.read_namespaced_config_map("a", self.namespace).data, {"k": "2"})
        with self.assertRaises(ApiException) as stale:
            self.v1.replace_namespaced_config_map("a", self.namespace, made)
        self.assertEqual((stale.exception.status, stale.exception.reason), (409, "Conflict"))
        self.assertEqual(self.v1.delete_namespaced_config_map("a", self.namespace).status, "Success")
        with self.assertRaises(ApiException) as gone:
            self.v1.read_namespaced_config_map("a", self.namespace)
        self.assertEqual(gone.exception.status, 404)

    def test_lists_select_and_come_in_pages(self):
        for number in range(5):
            self.v1.create_namespaced_config_map(self.namespace, self.config_map(f"c{number}"))
        chosen = self.v1.list_namespaced_config_map(self.namespace, label_selector="app=web",
                                                    field_selector="metadata.name!=c0")
        self.assertEqual([each.metadata.name for each in chosen.items], ["c1", "c2", "c3", "c4"])
        names, token = [], None
        while token != "":
            page = self.v1.list_namespaced_config_map(self.namespace, label_selector="app=web", limit=2,
                                                      _continue=token)
            self.assertLessEqual(len(page.items), 2)
            names += [each.metadata.name for each in page.items]
            token = page.metadata._continue or ""
        self.assertEqual(names, ["c0", "c1", "c2", "c3", "c4"])

    def test_deleting_a_collection_leaves_what_is_not_selected(self):
        for name, labels in (("a", APP), ("b", {}), ("c", APP)):
            body = kubernetes.client.V1ConfigMap(metadata={"name": name, "labels": labels})
            self.v1.create_namespaced_config_map(self.namespace, body)
        self.v1.delete_collection_namespaced_config_map(self.namespace, label_selector="app=web")
        left = {each.metadata.name for each in self.v1.list_namespaced_config_map(self.namespace).items}
        self.assertIn("b", left)
        self.assertFalse({"a", "c"} & left)

    def test_refusals_name_the_field(self):
        body = self.deployment()
        body.spec.selector = {"matchLabels": {"other": "x"}}
        with self.assertRaises(ApiException) as refused:
            self.apps_v1.create_namespaced_deployment(self.namespace, body)
        self.assertEqual(refused.exception.status, 422)
        self.assertIn("spec.template.metadata.labels", refused.exception.body)


class Watching(PythonClient):
    def test_a_watch_tells_every_change_as_typed_objects(self):
        start = self.v1.list_namespaced_config_map(self.namespace).metadata.resource_version
        self.v1.create_namespaced_config_map(self.namespace, self.config_map("a", k="1"))
        self.v1.patch_namespaced_config_map("a", self.namespace, {"data": {"k": "2"}})
        self.v1.delete_namespaced_config_map("a", self.namespace)
        seen, watch = [], kubernetes.watch.Watch()
        for event in watch.stream(self.v1.list_namespaced_config_map, self.namespace, resource_version=start,
                                  field_selector="metadata.name=a", timeout_seconds=20):
            seen.append((event["type"], event["object"].data["k"]))
            if event["type"] == "DELETED":
                watch.stop()
        self.assertEqual(seen, [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")])

    def test_a_watch_from_nowhere_begins_with_what_is_there(self):
        for name in ("a", "b"):
            self.v1.create_namespaced_config_map(self.namespace, self.config_map(name))
        events = kubernetes.watch.Watch().stream(self.v1.list_namespaced_config_map, self.namespace,
                                                 label_selector="app=web", timeout_seconds=2)
        self.assertEqual([(each["type"], each["object"].metadata.name) for each in events],
                         [("ADDED", "a"), ("ADDED", "b")])

    def test_a_dynamic_watch_sees_custom_resources(self):
        group = f"{self.namespace}.example.com"
        schema = {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": "integer", "default": 1}}}}}}
        definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                      "metadata": {"name": f"things.{group}"}, "spec": {
                          "group": group, "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
                          "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}]}}
        crds = self.dynamic.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition")
        crds.create(body=definition)
        self.addCleanup(crds.delete, name=f"things.{group}")

        def things():
            self.dynamic.resources.invalidate_cache()
            return self.dynamic.resources.get(api_version=f"{group}/v1", kind="Thing")

        resource = eventually(things, 20, "discovery of the custom resource")
        resource.create(namespace=self.namespace, body={
            "apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": {}})
        event = next(iter(resource.watch(namespace=self.namespace, timeout=20)))
        self.assertEqual((event["type"], event["object"].spec.size), ("ADDED", 1))


class Patching(PythonClient):
    def test_a_list_is_a_json_patch(self):
        self.v1.create_namespaced_config_map(self.namespace, self.config_map("a", k="1"))
        patched = self.v1.patch_namespaced_config_map("a", self.namespace, [
            {"op": "test", "path": "/data/k", "value": "1"}, {"op": "add", "path": "/data/l", "value": "2"}])
        self.assertEqual(patched.data, {"k": "1", "l": "2"})

    def test_a_merge_patch_replaces_lists(self):
        self.apps_v1.create_namespaced_deployment(self.namespace, self.deployment())
        deployments = self.dynamic.resources.get(api_version="apps/v1", kind="Deployment")
        containers = [{"name": "other", "image": "registry.example/other:v1"}]
        patched = deployments.patch(name="web", namespace=self.namespace,
                                    body={"spec": {"template": {"spec": {"containers": containers}}}},
                                    content_type="application/merge-patch+json")
        self.assertEqual([each.name for each in patched.spec.template.spec.containers], ["other"])

    def test_a_strategic_patch_merges_containers_by_name(self):
        self.apps_v1.create_namespaced_deployment(self.namespace, self.deployment())
        deployments = self.dynamic.resources.get(api_version="apps/v1", kind="Deployment")
        containers = [{"name": "other", "image": "registry.example/other:v1"}]
        patched = deployments.patch(name="web", namespace=self.namespace,
                                    body={"spec": {"template": {"spec": {"containers": containers}}}},
                                    content_type="application/strategic-merge-patch+json")
        self.assertEqual({each.name for each in patched.spec.template.spec.containers}, {"main", "other"})

    def test_server_side_apply_owns_takes_over_and_gives_up_fields(self):
        maps = self.dynamic.resources.get(api_version="v1", kind="ConfigMap")
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1", "l": "1"}}

        def apply(manager, **options):
            return maps.server_side_apply(body=json.dumps(body), name="a", namespace=self.namespace,
                                          field_manager=manager, **options)

        apply("first")
        body["data"] = {"k": "2"}
        with self.assertRaises(ApiException) as conflict:
            apply("second")
        self.assertEqual(conflict.exception.status, 409)
        self.assertIn('conflict with \\"first\\"', conflict.exception.body.decode())
        self.assertEqual(apply("second", force_conflicts=True).to_dict()["data"], {"k": "2", "l": "1"})
        body["data"] = {}
        self.assertEqual(apply("first").to_dict()["data"], {"k": "2"})

    def test_scale_and_status_are_patched_apart(self):
        self.apps_v1.create_namespaced_deployment(self.namespace, self.deployment())
        scale = self.apps_v1.patch_namespaced_deployment_scale("web", self.namespace, {"spec": {"replicas": 0}})
        self.assertEqual((scale.kind, scale.spec.replicas or 0), ("Scale", 0))
        condition = {"type": "Tested", "status": "True"}
        self.apps_v1.patch_namespaced_deployment_status("web", self.namespace, {"status": {"conditions": [condition]}})
        read = self.apps_v1.read_namespaced_deployment_status("web", self.namespace)
        self.assertIn("Tested", [each.type for each in read.status.conditions])


class Streams(PythonClient):
    def started(self, name, command):
        self.api.create(self.core + "/pods", pod(name, command))
        eventually(lambda: self.cluster.pod(self.namespace, name)["status"]["phase"] == "Running", 60, "pod runs")
        return name

    def exec(self, name, command, **options):
        return kubernetes.stream.stream(self.v1.connect_get_namespaced_pod_exec, name, self.namespace,
                                        command=command, stdout=True, stderr=True, tty=False, **options)

    def test_exec_returns_both_outputs_takes_input_and_tells_the_exit_code(self):
        name = self.started("exec", None)
        self.assertEqual(self.exec(name, ["sh", "-c", "echo out; echo err >&2"], stdin=False).split(), ["out", "err"])
        session = self.exec(name, ["sh"], stdin=True, _preload_content=False)
        session.write_stdin("echo got $((6 * 7))\n")
        self.assertEqual(session.readline_stdout(timeout=20), "got 42")
        session.write_stdin("exit 3\n")
        session.run_forever(timeout=20)
        self.assertEqual(session.returncode, 3)

    def test_logs_are_read_and_followed(self):
        name = self.started("logs", ["sh", "-c", "for i in 1 2 3; do echo line $i; done; sleep 1; echo last"])
        lines = kubernetes.watch.Watch().stream(self.v1.read_namespaced_pod_log, name, self.namespace)
        self.assertEqual(list(lines)[:4], ["line 1", "line 2", "line 3", "last"])
        self.assertEqual(self.v1.read_namespaced_pod_log(name, self.namespace, tail_lines=1).strip(), "last")

    def test_port_forward_carries_bytes_both_ways(self):
        name = self.started("forward", ["sh", "-c", "echo hello > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"])
        forward = kubernetes.stream.portforward(self.v1.connect_get_namespaced_pod_portforward, name, self.namespace,
                                                ports="8080")
        socket = forward.socket(8080)
        socket.setblocking(True)
        socket.settimeout(20)
        socket.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
        answer = b""
        while b"hello" not in answer:
            more = socket.recv(4096)
            self.assertTrue(more, (answer, forward.error(8080)))
            answer += more
        self.assertIsNone(forward.error(8080))
