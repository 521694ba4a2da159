"""CustomResourceDefinitions as operators and their users meet them, with the real kubectl and with raw requests."""

import json

from lab import fixture
from lab.fixture import OnSharedCluster
from lab.wait import eventually

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{plural: {plural}, kind: Crontab, shortNames: [{short}]}}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {{status: {{}}, scale: {{specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}}}
    additionalPrinterColumns:
    - {{name: Schedule, type: string, jsonPath: .spec.schedule}}
    - {{name: Replicas, type: integer, jsonPath: .spec.replicas}}
    schema:
      openAPIV3Schema:
        type: object
        description: Crontab runs something again and again.
        properties:
          spec:
            type: object
            description: What is wanted.
            required: [schedule]
            properties:
              schedule: {{type: string, description: When to run., pattern: '^[0-9*/, -]+$'}}
              replicas: {{type: integer, minimum: 0, default: 1}}
          status: {{type: object, properties: {{replicas: {{type: integer}}}}}}
"""


def definition(namespace):
    """A group of its own for each test: definitions belong to the whole cluster."""
    group = f"{namespace}.example.com"
    short = "ct" + namespace.rsplit("-", 1)[-1][:8].lower()
    return group, "crontabs.%s" % group, DEFINITION.format(plural="crontabs", group=group, short=short)


class CustomResources(OnSharedCluster):
    def setUp(self):
        fixture.need_kubectl()
        super().setUp()
        self.group, self.resource, self.manifest = definition(self.namespace)
        self.path = f"/apis/{self.group}/v1/namespaces/{self.namespace}/crontabs"
        self.kubectl("apply", "-f", "-", stdin=self.manifest)
        self.addCleanup(self.api.request, "DELETE",
                        f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{self.resource}")
        self.kubectl("wait", "--for=condition=Established", "crd/" + self.resource, "--timeout=20s")

    def kubectl(self, *words, **options):
        return self.cluster.real_kubectl("-n", self.namespace, *words, **options)

    def crontab(self, name="a", **spec):
        return json.dumps({"apiVersion": self.group + "/v1", "kind": "Crontab", "metadata": {"name": name},
                           "spec": {"schedule": "* * * * *", **spec}})

    def test_kubectl_creates_shows_explains_and_patches(self):
        self.kubectl("create", "-f", "-", stdin=self.crontab())
        lines = self.kubectl("get", self.resource).stdout.splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "SCHEDULE", "REPLICAS"])
        self.assertEqual(lines[1].split(), ["a", "*", "*", "*", "*", "*", "1"])
        out = self.kubectl("explain", self.resource + ".spec").stdout
        self.assertIn("What is wanted.", out)
        self.assertIn("schedule\t<string> -required-", out)
        self.kubectl("patch", self.resource, "a", "--type=merge", "-p", '{"spec":{"schedule":"0 0 * * *"}}')
        self.kubectl("scale", self.resource + "/a", "--replicas=3")
        spec = self.api.get(self.path + "/a")["spec"]
        self.assertEqual(spec, {"schedule": "0 0 * * *", "replicas": 3})

    def test_apply_changes_and_leaves_alone(self):
        for server_side in ([], ["--server-side"]):
            out = self.kubectl("apply", *server_side, "-f", "-", stdin=self.crontab("b", replicas=2)).stdout
            self.assertIn("crontab", out)
        out = self.kubectl("apply", "--server-side", "-f", "-", stdin=self.crontab("b", replicas=4), check=False)
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertEqual(self.api.get(self.path + "/b")["spec"]["replicas"], 4)

    def test_what_is_wrong_is_refused(self):
        for body, told in ((self.crontab(size=1), 'unknown field "spec.size"'),
                           (self.crontab(replicas=-1), "spec.replicas in body should be greater than or equal to 0"),
                           (self.crontab(schedule="soon"), "spec.schedule in body should match")):
            out = self.kubectl("create", "-f", "-", stdin=body, check=False)
            self.assertNotEqual(out.returncode, 0)
            self.assertIn(told, out.stderr)

    def test_owners_are_collected_with_their_dependents(self):
        self.kubectl("create", "-f", "-", stdin=self.crontab("owner"))
        owner = self.api.get(self.path + "/owner")
        reference = {"apiVersion": owner["apiVersion"], "kind": "Crontab", "name": "owner",
                     "uid": owner["metadata"]["uid"]}
        for path, body in ((self.core + "/configmaps", {"apiVersion": "v1", "kind": "ConfigMap"}),
                           (self.path, json.loads(self.crontab()))):
            body["metadata"] = {"name": "owned", "ownerReferences": [reference]}
            self.api.create(path, body)
        self.kubectl("delete", self.resource, "owner")
        for path in (self.core + "/configmaps/owned", self.path + "/owned"):
            eventually(lambda path=path: self.api.request("GET", path).status == 404, what=path + " is collected")

    def test_the_namespace_takes_its_custom_resources_along(self):
        other = self.cluster.namespace()
        self.kubectl("create", "-n", other, "-f", "-", stdin=self.crontab("c"))
        self.kubectl("delete", "namespace", other, "--timeout=30s")
        self.assertEqual(self.api.get(f"/apis/{self.group}/v1/crontabs")["items"], [])

    def test_deleting_the_definition_deletes_everything_and_survives_being_made_again(self):
        self.kubectl("create", "-f", "-", stdin=self.crontab("d"))
        self.kubectl("delete", "crd", self.resource, "--timeout=30s")
        self.assertEqual(self.api.request("GET", self.path).status, 404)
        self.kubectl("apply", "-f", "-", stdin=self.manifest)
        eventually(lambda: self.api.request("GET", self.path).status == 200, what="served again")
        self.assertEqual(self.api.get(self.path)["items"], [])
