"""Quotas, disruption budgets, volumes and certificates, as kubectl and many clients at once meet them."""

import base64
import json
import shutil
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from lab import fixture
from lab.fixture import OnSharedCluster, deployment
from lab.wait import eventually


class Policies(OnSharedCluster):
    def setUp(self):
        fixture.need_kubectl()
        super().setUp()

    def kubectl(self, *words, **options):
        return self.cluster.real_kubectl("-n", self.namespace, *words, **options)

    def used(self, quota="q"):
        return self.api.get(f"{self.core}/resourcequotas/{quota}").get("status", {}).get("used", {})

    def counted(self, name, number, quota="q"):
        eventually(lambda: self.used(quota).get(name) == number, what=f"{name} is {number}")

    def test_a_quota_refuses_in_kubernetes_words_and_is_released(self):
        self.kubectl("create", "quota", "q", "--hard=configmaps=3,count/deployments.apps=1")
        self.counted("configmaps", "1")  # kube-root-ca.crt
        self.kubectl("create", "configmap", "a")
        self.kubectl("create", "configmap", "b")
        told = self.kubectl("create", "configmap", "c", check=False)
        self.assertNotEqual(told.returncode, 0)
        self.assertIn('configmaps "c" is forbidden: exceeded quota: q, requested: configmaps=1, '
                      "used: configmaps=3, limited: configmaps=3", told.stderr)
        self.kubectl("delete", "configmap", "a")
        self.kubectl("create", "configmap", "c")
        self.assertEqual(self.used()["configmaps"], "3")

    def test_clients_at_once_do_not_exceed_a_quota(self):
        self.kubectl("create", "quota", "q", "--hard=configmaps=11")
        self.counted("configmaps", "1")

        def create(number):
            client = self.cluster.client()
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}"}}
            return client.request("POST", f"{self.core}/configmaps", json.dumps(body)).status

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(create, range(40)))
        self.assertEqual(answers.count(201), 10)
        self.assertEqual(answers.count(403), 30)
        self.assertEqual(self.used()["configmaps"], "11")

    def test_a_deployment_gets_as_many_pods_as_the_quota_has(self):
        self.kubectl("create", "quota", "q", "--hard=pods=1")
        self.counted("pods", "0")
        self.api.create(f"{self.apps}/deployments", deployment("web", replicas=2))
        self.counted("pods", "1")
        failure = lambda: [c for c in self.api.get(f"{self.apps}/deployments/web").get("status", {})
                           .get("conditions", []) if c["type"] == "ReplicaFailure" and "exceeded quota" in c["message"]]
        eventually(failure, what="the deployment says why")
        self.kubectl("patch", "quota", "q", "--type=merge", "-p", '{"spec":{"hard":{"pods":"2"}}}')
        self.counted("pods", "2")

    def test_an_eviction_asks_the_budget(self):
        self.api.create(f"{self.apps}/deployments", deployment("web", replicas=2))
        self.kubectl("create", "poddisruptionbudget", "b", "--selector=app=web", "--min-available=2")
        self.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        budget = lambda: self.api.get(f"/apis/policy/v1/namespaces/{self.namespace}/poddisruptionbudgets/b")
        eventually(lambda: budget().get("status", {}).get("currentHealthy") == 2, what="both pods count")
        name = self.cluster.pods(self.namespace, "app=web")[0]["metadata"]["name"]
        eviction = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction",
                               "metadata": {"name": name, "namespace": self.namespace}})
        evict = lambda: self.kubectl("create", "--raw", f"{self.core}/pods/{name}/eviction", "-f", "-",
                                     stdin=eviction, check=False)
        told = evict()
        self.assertIn("Cannot evict pod as it would violate the pod's disruption budget.", told.stderr)
        self.kubectl("patch", "poddisruptionbudget", "b", "--type=merge", "-p", '{"spec":{"minAvailable":1}}')
        eventually(lambda: budget()["status"]["disruptionsAllowed"] == 1, what="one may go")
        self.assertEqual(evict().returncode, 0)
        eventually(lambda: name not in [p["metadata"]["name"] for p in self.cluster.pods(self.namespace, "app=web")],
                   what="the pod is gone")
        eventually(lambda: budget()["status"].get("currentHealthy") == 2, 60, "its successor counts")

    def test_a_claim_binds_to_a_volume_and_releases_it(self):
        volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": self.namespace},
                  "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                           "storageClassName": self.namespace, "hostPath": {"path": "/tmp"}}}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"},
                 "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": self.namespace,
                          "resources": {"requests": {"storage": "500Mi"}}}}
        self.addCleanup(self.api.request, "DELETE", f"/api/v1/persistentvolumes/{self.namespace}")
        self.api.create("/api/v1/persistentvolumes", volume)
        self.api.create(f"{self.core}/persistentvolumeclaims", claim)
        self.kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/c", "--timeout=20s")
        self.kubectl("delete", "pvc", "c", "--timeout=20s")
        self.kubectl("wait", "--for=jsonpath={.status.phase}=Released", f"pv/{self.namespace}", "--timeout=20s")

    def test_an_approved_request_becomes_a_certificate(self):
        if shutil.which("openssl") is None:
            raise unittest.SkipTest("needs the openssl program, which this machine does not have")
        made = subprocess.run(["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null",
                               "-subj", "/O=users/CN=ann"], capture_output=True, check=True)
        request = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
                   "metadata": {"name": self.namespace},
                   "spec": {"request": base64.b64encode(made.stdout).decode(), "usages": ["client auth"],
                            "signerName": "kubernetes.io/kube-apiserver-client"}}
        path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
        self.addCleanup(self.api.request, "DELETE", f"{path}/{self.namespace}")
        self.api.create(path, request)
        self.kubectl("certificate", "approve", self.namespace)
        pem = base64.b64decode(eventually(lambda: self.api.get(f"{path}/{self.namespace}")["status"]["certificate"]))
        subject = subprocess.run(["openssl", "x509", "-noout", "-subject", "-issuer"], input=pem, capture_output=True,
                                 check=True).stdout.decode()
        self.assertIn("ann", subject)
