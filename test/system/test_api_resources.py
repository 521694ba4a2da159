"""Every resource the server says it has: create, get, list, update, patch, apply, delete, by discovery."""

import base64
import copy
import subprocess

from lab.fixture import OnSharedCluster
from lab.samples import SAMPLES
from lab.wait import eventually

NEEDED = {"create", "get", "list", "update", "patch", "delete"}


def resources(api):
    """(group version, resource) of everything that discovery offers and that is no subresource."""
    groups = [("/api/v1", "v1")]
    for group in api.get("/apis")["groups"]:
        for version in group["versions"]:
            groups.append(("/apis/" + version["groupVersion"], version["groupVersion"]))
    for path, group_version in groups:
        for resource in api.get(path)["resources"]:
            if "/" not in resource["name"]:
                yield path, group_version, resource


def certificate_request():
    """A PEM request in base64, as the API wants it."""
    made = subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                           "-keyout", "/dev/null", "-subj", "/CN=somebody"], capture_output=True, check=True)
    return base64.b64encode(made.stdout).decode()


class ApiResources(OnSharedCluster):
    def path_of(self, path, resource):
        return f"{path}/namespaces/{self.namespace}/{resource['name']}" if resource["namespaced"] else \
            f"{path}/{resource['name']}"

    def sample(self, group_version, resource):
        made = copy.deepcopy(SAMPLES.get((group_version.partition("/")[0], resource["name"]), {}))
        made.update(apiVersion=group_version, kind=resource["kind"])
        made.setdefault("metadata", {}).setdefault("name", self.namespace + ".example.com")
        if resource["kind"] == "Event" and group_version == "v1":
            made["involvedObject"] = {"namespace": self.namespace}
        if resource["kind"] == "CertificateSigningRequest":
            made["spec"] = {"request": certificate_request(), "usages": ["client auth"], "signerName": "example.com/none"}
        return made

    def test_every_writable_resource_has_the_whole_life(self):
        seen = 0
        for path, group_version, resource in resources(self.api):
            if not NEEDED <= set(resource["verbs"]):
                continue
            with self.subTest(resource=f"{group_version}/{resource['name']}"):
                self.whole_life(self.path_of(path, resource), self.sample(group_version, resource))
                seen += 1
        self.assertGreater(seen, 45)

    def whole_life(self, path, body):
        one = f"{path}/{body['metadata']['name']}"
        self.addCleanup(self.api.request, "DELETE", one)
        made = self.api.create(path, body)
        self.assertEqual(made["kind"], body["kind"])
        self.assertTrue(made["metadata"]["uid"])
        self.assertEqual(self.api.get(one)["metadata"]["uid"], made["metadata"]["uid"])
        listed = self.api.get(path)
        self.assertEqual(listed["kind"], body["kind"] + "List")
        self.assertIn(made["metadata"]["uid"], [each["metadata"]["uid"] for each in listed["items"]])
        self.change(one)
        event = next(self.api.watch(path, resourceVersion=made["metadata"]["resourceVersion"],
                                    fieldSelector="metadata.name=" + body["metadata"]["name"]))
        self.assertEqual(event["type"], "MODIFIED")
        self.api.delete(one, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
        if "finalizers" not in made["metadata"] and body["kind"] != "Namespace":
            eventually(lambda: self.api.request("GET", one).status == 404, 10, "the object to be gone")

    def change(self, one):
        labels = {"metadata": {"labels": {"step": "merge"}}}
        self.assertEqual(self.api.patch("merge", one, labels)["metadata"]["labels"]["step"], "merge")
        labels["metadata"]["labels"]["step"] = "strategic"
        self.assertEqual(self.api.patch("strategic", one, labels)["metadata"]["labels"]["step"], "strategic")
        operation = [{"op": "replace", "path": "/metadata/labels/step", "value": "json"}]
        self.assertEqual(self.api.patch("json", one, operation)["metadata"]["labels"]["step"], "json")
        now = self.api.get(one)
        now["metadata"]["annotations"] = {"step": "update"}
        again = self.api.request("PUT", one, now)
        if again.status == 409:  # its controller was faster
            now["metadata"]["resourceVersion"] = ""
            again = self.api.request("PUT", one, now)
        self.assertEqual(again.status, 200, again)
        applied = {"apiVersion": now["apiVersion"], "kind": now["kind"], "metadata": {"name": now["metadata"]["name"],
                   "labels": {"applied": "yes"}}}
        answer = self.api.apply(one, applied)
        self.assertEqual(answer.status, 200, answer)
        managers = [each["manager"] for each in answer.json["metadata"]["managedFields"]]
        self.assertIn("test", managers)

    def test_every_resource_lists_as_a_table(self):
        accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
        for path, group_version, resource in resources(self.api):
            if "list" not in resource["verbs"]:
                continue
            with self.subTest(resource=f"{group_version}/{resource['name']}"):
                answer = self.api.expect(200, "GET", self.path_of(path, resource), headers=accept).json
                self.assertEqual(answer["kind"], "Table")
                self.assertIn("Name", [column["name"] for column in answer["columnDefinitions"]])

    def test_discovery_and_openapi_answer(self):
        for path in ("/api", "/apis", "/version", "/openapi/v2", "/openapi/v3", "/healthz", "/livez", "/readyz",
                     "/metrics"):
            with self.subTest(path=path):
                self.api.expect(200, "GET", path)
        accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
        self.assertEqual(self.api.expect(200, "GET", "/apis", headers=accept).json["kind"], "APIGroupDiscoveryList")
        document = self.api.get("/openapi/v3")["paths"]["apis/apps/v1"]["serverRelativeURL"]
        self.assertIn("/apis/apps/v1/namespaces/{namespace}/deployments", self.api.get(document)["paths"])
