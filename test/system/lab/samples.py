"""The least valid object of each kind that needs more than a name: (group, or v1 for core; resource) -> body."""

POD_SPEC = {"containers": [{"name": "main", "image": "registry.example/none:v1"}], "nodeSelector": {"never": "here"}}
JOB_SPEC = {"suspend": True, "template": {"spec": dict(POD_SPEC, restartPolicy="Never")}}
APP = {"matchLabels": {"app": "sample"}}
TEMPLATE = {"metadata": {"labels": {"app": "sample"}}, "spec": POD_SPEC}
SUBJECTS = [{"kind": "User", "name": "somebody", "apiGroup": "rbac.authorization.k8s.io"}]
RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
HOOK = [{"name": "hook.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
         "failurePolicy": "Ignore", "clientConfig": {"url": "https://127.0.0.1:1/"},
         "namespaceSelector": {"matchLabels": {"never": "here"}}}]
CRD = {
    "metadata": {"name": "samples.mk-test.example.com"},
    "spec": {"group": "mk-test.example.com", "scope": "Namespaced",
             "names": {"plural": "samples", "singular": "sample", "kind": "Sample", "listKind": "SampleList"},
             "versions": [{"name": "v1", "served": True, "storage": True,
                           "schema": {"openAPIV3Schema": {"type": "object"}}}]},
}
DEVICES = {"requests": [{"name": "one", "exactly": {"deviceClassName": "sample.example.com"}}]}
LIMIT_TO = {"type": "Limited", "limited": {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}}}

SAMPLES = {
    ("v1", "endpoints"): {"subsets": []},
    ("v1", "events"): {"involvedObject": {}, "reason": "Test"},
    ("v1", "limitranges"): {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "100"}}]}},
    ("v1", "namespaces"): {"metadata": {"name": "sample-namespace"}},
    ("v1", "persistentvolumeclaims"): {"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "none",
                                                "resources": {"requests": {"storage": "1Mi"}}}},
    ("v1", "persistentvolumes"): {"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Mi"},
                                           "storageClassName": "none", "hostPath": {"path": "/nonexistent"}}},
    ("v1", "pods"): {"spec": POD_SPEC},
    ("v1", "podtemplates"): {"template": TEMPLATE},
    ("v1", "replicationcontrollers"): {"spec": {"replicas": 0, "selector": {"app": "sample"}, "template": TEMPLATE}},
    ("v1", "resourcequotas"): {"spec": {"hard": {"pods": "1000"}}},
    ("v1", "services"): {"metadata": {"name": "sample"}, "spec": {"ports": [{"port": 80}]}},
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): {"webhooks": HOOK},
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): {"webhooks": HOOK},
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): {
        "spec": {"matchConstraints": {"resourceRules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"],
                                                         "operations": ["CREATE"], "resources": ["none"]}]},
                 "validations": [{"expression": "true"}]}},
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"): {
        "spec": {"policyName": "none.example.com", "validationActions": ["Deny"]}},
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"): {
        "spec": {"matchConstraints": {"resourceRules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"],
                                                         "operations": ["CREATE"], "resources": ["none"]}]},
                 "reinvocationPolicy": "Never",
                 "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}]}},
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"): {"spec": {"policyName": "none.example.com"}},
    ("apiextensions.k8s.io", "customresourcedefinitions"): CRD,
    ("apiregistration.k8s.io", "apiservices"): {
        "metadata": {"name": "v1.none.example.com"},
        "spec": {"group": "none.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
                 "service": {"name": "none", "namespace": "default"}, "insecureSkipTLSVerify": True}},
    ("apps", "controllerrevisions"): {"revision": 1, "data": {"any": "thing"}},
    ("apps", "daemonsets"): {"spec": {"selector": APP, "template": TEMPLATE}},
    ("apps", "deployments"): {"spec": {"replicas": 0, "selector": APP, "template": TEMPLATE}},
    ("apps", "replicasets"): {"spec": {"replicas": 0, "selector": APP, "template": TEMPLATE}},
    ("apps", "statefulsets"): {"spec": {"replicas": 0, "serviceName": "none", "selector": APP, "template": TEMPLATE}},
    ("autoscaling", "horizontalpodautoscalers"): {
        "spec": {"maxReplicas": 1, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}}},
    ("batch", "cronjobs"): {"metadata": {"name": "sample"}, "spec": {"suspend": True, "schedule": "0 0 1 1 *", "jobTemplate": {"spec": JOB_SPEC}}},
    ("batch", "jobs"): {"metadata": {"name": "sample"}, "spec": JOB_SPEC},
    ("coordination.k8s.io", "leasecandidates"): {
        "spec": {"leaseName": "none", "binaryVersion": "1.36.0", "strategy": "OldestEmulationVersion",
                 "emulationVersion": "1.36.0"}},
    ("discovery.k8s.io", "endpointslices"): {"addressType": "IPv4", "endpoints": []},
    ("events.k8s.io", "events"): {"eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "example.com/test",
                                  "reportingInstance": "test", "action": "Test", "reason": "Test", "type": "Normal"},
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): {"spec": {"priorityLevelConfiguration": {"name": "global-default"}}},
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): {"spec": LIMIT_TO},
    ("networking.k8s.io", "ingressclasses"): {"spec": {"controller": "example.com/none"}},
    ("networking.k8s.io", "ingresses"): {
        "spec": {"defaultBackend": {"service": {"name": "none", "port": {"number": 80}}}}},
    ("networking.k8s.io", "ipaddresses"): {
        "metadata": {"name": "10.43.200.200"},
        "spec": {"parentRef": {"resource": "services", "name": "none", "namespace": "default"}}},
    ("networking.k8s.io", "networkpolicies"): {"spec": {"podSelector": {"matchLabels": {"never": "here"}}}},
    ("networking.k8s.io", "servicecidrs"): {"spec": {"cidrs": ["10.77.0.0/24"]}},
    ("node.k8s.io", "runtimeclasses"): {"handler": "none"},
    ("policy", "poddisruptionbudgets"): {"spec": {"minAvailable": 0, "selector": APP}},
    ("rbac.authorization.k8s.io", "clusterrolebindings"): {
        "subjects": SUBJECTS, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}},
    ("rbac.authorization.k8s.io", "clusterroles"): {"rules": RULES},
    ("rbac.authorization.k8s.io", "rolebindings"): {
        "subjects": SUBJECTS, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}},
    ("rbac.authorization.k8s.io", "roles"): {"rules": RULES},
    ("resource.k8s.io", "deviceclasses"): {"spec": {}},
    ("resource.k8s.io", "resourceclaims"): {"spec": {"devices": DEVICES}},
    ("resource.k8s.io", "resourceclaimtemplates"): {"spec": {"spec": {"devices": DEVICES}}},
    ("resource.k8s.io", "resourceslices"): {
        "spec": {"driver": "sample.example.com", "allNodes": True, "devices": [],
                 "pool": {"name": "sample", "generation": 1, "resourceSliceCount": 1}}},
    ("scheduling.k8s.io", "priorityclasses"): {"value": 7},
    ("storage.k8s.io", "csidrivers"): {"spec": {"attachRequired": False}},
    ("storage.k8s.io", "csinodes"): {"spec": {"drivers": []}},
    ("storage.k8s.io", "csistoragecapacities"): {"storageClassName": "none"},
    ("storage.k8s.io", "storageclasses"): {"provisioner": "example.com/none"},
    ("storage.k8s.io", "volumeattachments"): {
        "spec": {"attacher": "example.com", "nodeName": "none", "source": {"persistentVolumeName": "none"}}},
    ("storage.k8s.io", "volumeattributesclasses"): {"driverName": "example.com", "parameters": {"a": "b"}},
}
