"""What people type, with `mk kubectl` and with the real kubectl: the same commands, the same outcome."""

import json
import os

from lab import fixture
from lab.fixture import OnSharedCluster, deployment
from lab.laboratory import TOOLS
from lab.wait import eventually

MANIFEST = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
data: {{key: value}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, labels: {{app: web}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - {{name: main, image: "{TOOLS}", imagePullPolicy: Never}}
"""


class Commands:
    """Run with both clients: `kubectl` is what the subclass says."""

    def kubectl(self, *words, **options):
        return self.tool("-n", self.namespace, *words, **options)

    def applied(self):
        out = self.kubectl("apply", "-f", "-", stdin=MANIFEST).stdout
        self.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
        return out

    def test_apply_creates_then_changes_nothing_then_configures(self):
        out = self.applied()
        self.assertIn("configmap/settings created", out)
        self.assertIn("deployment.apps/web created", out)
        out = self.kubectl("apply", "-f", "-", stdin=MANIFEST).stdout
        self.assertIn("configmap/settings unchanged", out)
        out = self.kubectl("apply", "-f", "-", stdin=MANIFEST.replace("key: value", "other: value")).stdout
        self.assertIn("configmap/settings configured", out)
        data = self.api.get(self.core + "/configmaps/settings")["data"]
        self.assertEqual(data, {"other": "value"})

    def test_get_prints_tables_names_yaml_and_json(self):
        self.applied()
        lines = self.kubectl("get", "deployments").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"])
        self.assertEqual(lines[1].split()[:4], ["web", "2/2", "2", "2"])
        wide = self.kubectl("get", "pods", "-o", "wide").stdout.splitlines()
        self.assertEqual(wide[0].split()[:7], ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"])
        self.assertEqual(len(wide), 3)
        self.assertEqual(len(self.kubectl("get", "pods", "-l", "app=web", "-o", "name").stdout.split()), 2)
        self.assertEqual(json.loads(self.kubectl("get", "cm", "settings", "-o", "json").stdout)["data"]["key"], "value")
        self.assertIn("key: value", self.kubectl("get", "cm/settings", "-o", "yaml").stdout)
        self.assertIn(self.namespace, self.tool("get", "pods", "-A").stdout)

    def test_describe_tells_conditions_and_events(self):
        self.applied()
        name = self.kubectl("get", "pods", "-o", "name").stdout.split()[0]
        eventually(lambda: "Started" in self.kubectl("describe", name).stdout, 15, "the Started event")
        out = self.kubectl("describe", name).stdout
        for word in ("Name:", "Node:", "Conditions:", "Events:", "Scheduled"):
            self.assertIn(word, out)
        self.assertIn("Replicas:", self.kubectl("describe", "deployment", "web").stdout)

    def test_scale_and_delete(self):
        self.applied()
        self.kubectl("scale", "deployment", "web", "--replicas=1")
        ready = lambda: self.api.get(self.apps + "/deployments/web")["status"].get("replicas") == 1  # noqa: E731
        eventually(ready, 30, "one replica")
        self.assertIn("deleted", self.kubectl("delete", "deployment", "web").stdout)
        eventually(lambda: not self.cluster.pods(self.namespace), 30, "no pods")

    def test_create_and_delete_from_a_file(self):
        path = os.path.join(self.cluster.host.folder, f"{self.namespace}.yaml")
        with open(path, "w", encoding="ascii") as out:
            out.write(MANIFEST)
        self.kubectl("create", "-f", path)
        again = self.kubectl("create", "-f", path, check=False)
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("AlreadyExists", again.stderr)
        self.kubectl("delete", "-f", path)
        self.assertEqual(self.api.request("GET", self.core + "/configmaps/settings").status, 404)

    def test_what_does_not_exist_says_so(self):
        for words, wanted in ((("get", "pod", "nobody"), 'pods "nobody" not found'),
                              (("get", "nothings"), "the server doesn't have a resource type"),
                              (("delete", "cm", "nobody"), 'configmaps "nobody" not found'),
                              (("apply", "-f", "/no/such/file"), "/no/such/file")):
            with self.subTest(words=words):
                done = self.kubectl(*words, check=False)
                self.assertEqual((done.returncode, wanted in done.stderr), (1, True), done.stderr)

    def test_bad_manifests_name_the_field(self):
        wrong = MANIFEST.replace("replicas: 2", "replicaz: 2")
        done = self.kubectl("apply", "-f", "-", stdin=wrong, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("replicaz", done.stderr)
        done = self.kubectl("apply", "-f", "-", stdin="kind: [", check=False)
        self.assertNotEqual(done.returncode, 0)

    def test_a_failed_rollout_is_noticed(self):
        body = deployment("never", 1, image="registry.example/no/such:v1")
        self.api.create(self.apps + "/deployments", body)
        done = self.kubectl("rollout", "status", "deployment/never", "--timeout=2s", check=False)
        self.assertNotEqual(done.returncode, 0)


class MkKubectl(Commands, OnSharedCluster):
    def tool(self, *words, **options):
        return self.cluster.mk_kubectl(*words, **options)


class RealKubectl(Commands, OnSharedCluster):
    def setUp(self):
        fixture.need_kubectl()
        super().setUp()

    def tool(self, *words, **options):
        return self.cluster.real_kubectl(*words, **options)

    def test_server_side_apply_and_patch(self):
        self.kubectl("apply", "--server-side", "-f", "-", stdin=MANIFEST)
        self.kubectl("patch", "deployment", "web", "-p", '{"spec": {"replicas": 1}}')
        done = self.kubectl("apply", "--server-side", "-f", "-", stdin=MANIFEST, check=False)
        self.assertIn("conflict", done.stderr)
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=MANIFEST)

    def test_editing_is_a_patch(self):
        self.applied()
        editor = os.path.join(self.cluster.host.folder, "editor.sh")
        with open(editor, "w", encoding="ascii") as out:
            out.write('#!/bin/sh\nsed -i "s/key: value/key: edited/" "$1"\n')
        os.chmod(editor, 0o755)
        os.environ["KUBE_EDITOR"] = editor
        self.addCleanup(os.environ.pop, "KUBE_EDITOR")
        self.assertIn("edited", self.kubectl("edit", "configmap", "settings").stdout)
        self.assertEqual(self.api.get(self.core + "/configmaps/settings")["data"]["key"], "edited")

    def test_labels_annotations_history_and_undo(self):
        self.applied()
        self.kubectl("label", "deployment", "web", "tier=front")
        self.kubectl("annotate", "deployment", "web", "note=seen")
        self.kubectl("set", "env", "deployment/web", "A=1")
        self.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
        self.assertEqual(len(self.kubectl("rollout", "history", "deployment/web").stdout.split("REVISION")[1].split()) >= 4, True)
        self.kubectl("rollout", "undo", "deployment/web")
        self.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
        spec = self.api.get(self.apps + "/deployments/web")["spec"]["template"]["spec"]
        self.assertNotIn("env", spec["containers"][0])

    def test_explain_and_api_resources(self):
        self.assertIn("replicas", self.tool("explain", "deployment.spec").stdout)
        out = self.tool("api-resources").stdout
        for word in ("deployments", "customresourcedefinitions", "storageclasses"):
            self.assertIn(word, out)
        self.assertIn("Server Version: v1.36", self.tool("version").stdout)

    def test_waiting_for_a_condition(self):
        self.applied()
        self.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=20s")
        self.kubectl("delete", "deployment", "web", "--wait=false")
        self.kubectl("wait", "--for=delete", "pod", "-l", "app=web", "--timeout=30s")

    def test_auth_can_i(self):
        self.assertEqual(self.kubectl("auth", "can-i", "create", "pods").stdout.strip(), "yes")
        account = f"--as=system:serviceaccount:{self.namespace}:default"
        self.assertEqual(self.kubectl("auth", "can-i", "create", "pods", account, check=False).stdout.strip(), "no")
