"""Admission policies written in CEL, over HTTPS: what they refuse, warn of and change, and what is said of their types."""

from lab.fixture import OnSharedCluster, deployment
from lab.wait import eventually

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"


class AdmissionPolicies(OnSharedCluster):
    def write(self, kind, name, spec):
        path = f"{REGISTRATION}/{kind}"
        self.addCleanup(self.api.request, "DELETE", f"{path}/{name}")
        return self.api.create(path, {"metadata": {"name": name}, "spec": spec})

    def here(self, groups=("",), resources=("configmaps",)):
        """Rules for writes of resources in the namespace of this test."""
        rule = {"apiGroups": list(groups), "apiVersions": ["v1"], "resources": list(resources),
                "operations": ["CREATE", "UPDATE"]}
        return {"resourceRules": [rule],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}}}

    def policy(self, name, validations, actions=("Deny",), **spec):
        name = f"{self.namespace}-{name}"
        made = self.write("validatingadmissionpolicies", name,
                          {"matchConstraints": self.here(), "validations": validations, **spec})
        self.write("validatingadmissionpolicybindings", name,
                   {"policyName": name, "validationActions": list(actions)})
        return made["metadata"]["name"]

    def put(self, name, **data):
        return self.api.request("POST", self.core + "/configmaps", {"metadata": {"name": name}, "data": data})

    def test_a_policy_refuses_what_it_is_about(self):
        name = self.policy("p", [{"expression": "variables.n > 1", "messageExpression": "'n is ' + string(variables.n)"}],
                           variables=[{"name": "n", "expression": "int(object.data.n)"}])
        answer = self.put("a", n="1")
        self.assertEqual(answer.status, 422)
        self.assertEqual(answer.json["reason"], "Invalid")
        self.assertEqual(answer.json["message"], f'configmaps "a" is forbidden: ValidatingAdmissionPolicy \'{name}\' '
                                                 f"with binding '{name}' denied request: n is 1")
        self.assertEqual(self.put("a", n="2").status, 201)
        changed = self.api.request("PATCH", self.core + "/configmaps/a", {"data": {"n": "0"}},
                                   content_type="application/merge-patch+json")
        self.assertEqual(changed.status, 422)

    def test_a_warning_comes_with_the_answer(self):
        self.policy("w", [{"expression": "has(object.data.owner)", "message": "say whose it is"}], actions=["Warn"])
        answer = self.put("a", n="1")
        self.assertEqual(answer.status, 201)
        self.assertIn("say whose it is", str(answer.headers))

    def test_a_mutation_is_merged_into_what_was_sent(self):
        name = f"{self.namespace}-m"
        expression = ('Object{spec: Object.spec{replicas: 3, template: Object.spec.template{spec: '
                      'Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: "main", '
                      'imagePullPolicy: "IfNotPresent"}]}}}}')
        self.write("mutatingadmissionpolicies", name, {
            "matchConstraints": self.here(["apps"], ["deployments"]), "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}]})
        self.write("mutatingadmissionpolicybindings", name, {"policyName": name})
        made = self.api.create(self.apps + "/deployments", deployment("d", 0))
        containers = made["spec"]["template"]["spec"]["containers"]
        self.assertEqual(made["spec"]["replicas"], 3)
        self.assertEqual([each["imagePullPolicy"] for each in containers], ["IfNotPresent"])
        self.assertEqual(containers[0]["name"], "main")

    def test_types_are_checked_where_they_are_known(self):
        refused = self.api.request("POST", f"{REGISTRATION}/validatingadmissionpolicies", {
            "metadata": {"name": f"{self.namespace}-bad"},
            "spec": {"matchConstraints": self.here(), "validations": [{"expression": "object.data.n + nothing"}]}})
        self.assertEqual(refused.status, 422)
        self.assertEqual(refused.json["details"]["causes"][0]["field"], "spec.validations[0].expression")
        self.assertIn("undeclared reference to 'nothing'", refused.text)
        name = self.policy("typed", [{"expression": "object.immutable > 'a'"}])
        path = f"{REGISTRATION}/validatingadmissionpolicies/{name}"
        status = eventually(lambda: self.api.get(path).get("status", {}).get("typeChecking"), what="types are checked")
        self.assertEqual([each["fieldRef"] for each in status["expressionWarnings"]],
                         ["spec.validations[0].expression"])
        self.assertIn("v1, Kind=ConfigMap: ERROR: <input>:1:18: found no matching overload for '_>_' applied to "
                      "'(bool, string)'", status["expressionWarnings"][0]["warning"])
