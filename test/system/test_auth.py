"""Who may do what: anonymous, bearer tokens, client certificates, RBAC, and nodes."""

import base64
import os
import subprocess
import tempfile

from lab.client import Client, Credentials
from lab.cluster import PORT
from lab.fixture import OnSharedCluster
from lab.wait import eventually


class Authentication(OnSharedCluster):
    def test_anonymous_sees_health_and_nothing_else(self):
        nobody = self.cluster.client(self.cluster.credentials().nobody())
        self.assertEqual(nobody.request("GET", "/readyz").status, 200)
        self.assertEqual(nobody.request("GET", "/version").status, 200)
        answer = nobody.request("GET", self.core + "/pods")
        self.assertEqual((answer.status, answer.json["reason"]), (403, "Forbidden"))
        self.assertIn("system:anonymous", answer.json["message"])

    def test_a_bad_token_is_unauthorized(self):
        for token in ("nonsense", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzeXN0ZW06YWRtaW4ifQ.", "a.b.c"):
            with self.subTest(token=token):
                answer = self.cluster.client(self.cluster.credentials().with_token(token)).request("GET", "/api")
                self.assertEqual((answer.status, answer.json["reason"]), (401, "Unauthorized"))

    def test_an_expired_certificate_is_refused(self):
        credentials = self.cluster.credentials()
        expired = self.issue("system:admin", "system:masters", "-days", "-1")
        client = Client(self.cluster.host.address, PORT, Credentials(credentials.ca, *expired))
        self.assertEqual(self.answer_of(client), "refused")
        fresh = self.issue("system:admin", "system:masters", "-days", "1")
        client = Client(self.cluster.host.address, PORT, Credentials(credentials.ca, *fresh))
        self.assertEqual(client.request("GET", self.core + "/pods").status, 200)

    def test_a_certificate_of_another_authority_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder + "/key", "-out",
                            folder + "/pem", "-subj", "/O=system:masters/CN=system:admin"], check=True, capture_output=True)
            pair = [open(os.path.join(folder, name), encoding="ascii").read() for name in ("pem", "key")]
        client = Client(self.cluster.host.address, PORT, Credentials(self.cluster.credentials().ca, *pair))
        self.assertEqual(self.answer_of(client), "refused")

    def answer_of(self, client):
        """Refused: by the TLS handshake, or with 401."""
        try:
            answer = client.request("GET", self.core + "/pods")
            return "refused" if answer.status == 401 else answer
        except OSError:
            return "refused"

    def issue(self, name, group, *validity):
        """A client certificate by the cluster's own CA; its key is in the data directory."""
        folder = os.path.join(self.cluster.data, "server", "tls")
        with tempfile.TemporaryDirectory() as work:
            run = lambda *words: subprocess.run(["openssl", *words], check=True, capture_output=True)  # noqa: E731
            with open(work + "/ext", "w", encoding="ascii") as out:
                out.write("extendedKeyUsage=clientAuth\n")
            run("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", work + "/key", "-out", work + "/csr", "-subj",
                f"/O={group}/CN={name}")
            run("x509", "-req", "-in", work + "/csr", "-CA", folder + "/ca.crt", "-CAkey", folder + "/ca.key",
                "-CAcreateserial", "-CAserial", work + "/serial", "-out", work + "/pem", "-extfile", work + "/ext", *validity)
            return [open(f"{work}/{part}", encoding="ascii").read() for part in ("pem", "key")]


class Authorization(OnSharedCluster):
    def token_of(self, account):
        self.api.create(self.core + "/serviceaccounts", {"metadata": {"name": account}})
        path = f"{self.core}/serviceaccounts/{account}/token"
        return self.api.create(path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})["status"]["token"]

    def client_of(self, account):
        return self.cluster.client(self.cluster.credentials().with_token(self.token_of(account)))

    def bind(self, account, rules):
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        self.api.create(rbac + "/roles", {"metadata": {"name": account}, "rules": rules})
        self.api.create(rbac + "/rolebindings", {
            "metadata": {"name": account}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": self.namespace}]})

    def test_a_role_allows_what_it_says_and_no_more(self):
        client = self.client_of("reader")
        self.assertEqual(client.request("GET", self.core + "/configmaps").status, 403)
        self.bind("reader", [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}])
        eventually(lambda: client.request("GET", self.core + "/configmaps").status == 200, 10, "the role to count")
        self.assertEqual(client.request("POST", self.core + "/configmaps", {"metadata": {"name": "a"}}).status, 403)
        self.assertEqual(client.request("GET", self.core + "/secrets").status, 403)
        self.assertEqual(client.request("GET", "/api/v1/namespaces/default/configmaps").status, 403)

    def test_nobody_grants_what_he_does_not_have(self):
        client = self.client_of("climber")
        self.bind("climber", [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create", "list"]}])
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}/roles"
        eventually(lambda: client.request("GET", path).status == 200, 10, "the role to count")
        body = {"metadata": {"name": "more"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}
        answer = client.request("POST", path, body)
        self.assertEqual(answer.status, 403, answer)

    def test_the_token_of_a_deleted_account_is_worthless(self):
        client = self.client_of("leaver")
        self.assertEqual(client.request("GET", self.core + "/pods").status, 403)
        self.api.delete(self.core + "/serviceaccounts/leaver")
        eventually(lambda: client.request("GET", self.core + "/pods").status == 401, 10, "401")

    def test_access_reviews_answer(self):
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": {"namespace": self.namespace, "verb": "delete", "resource": "pods"}}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        self.assertTrue(self.api.create(path, body)["status"]["allowed"])
        self.assertFalse(self.client_of("asker").create(path, body)["status"]["allowed"])


class Nodes(Authentication):
    """A node's identity reads what its pods need and changes nothing but its own."""

    def setUp(self):
        super().setUp()
        pair = self.issue("system:node:stranger", "system:nodes", "-days", "1")
        self.node = Client(self.cluster.host.address, PORT, Credentials(self.cluster.credentials().ca, *pair))

    def test_a_node_reads_no_secret_that_its_pods_do_not_use(self):
        secret = {"metadata": {"name": "s"}, "data": {"k": base64.b64encode(b"v").decode()}}
        self.api.create(self.core + "/secrets", secret)
        self.assertEqual(self.node.request("GET", self.core + "/secrets/s").status, 403)
        self.assertEqual(self.node.request("GET", self.core + "/secrets").status, 403)

    def test_a_node_changes_no_other_node(self):
        path = "/api/v1/nodes/" + self.cluster.host.name
        patch = {"metadata": {"labels": {"a": "b"}}}
        answer = self.node.request("PATCH", path, patch, "application/merge-patch+json")
        self.assertEqual(answer.status, 403)

    def test_a_node_creates_no_pods_for_others(self):
        body = {"metadata": {"name": "p"}, "spec": {"nodeName": self.cluster.host.name,
                "containers": [{"name": "c", "image": "registry.example/none:v1"}]}}
        self.assertEqual(self.node.request("POST", self.core + "/pods", body).status, 403)


for inherited in [name for name in dir(Authentication) if name.startswith("test_")]:
    setattr(Nodes, inherited, None)  # its helpers are wanted, not its tests
