"""Workloads that end, are numbered, or run everywhere: Jobs, CronJobs, StatefulSets, DaemonSets, with both kubectls."""

import json

from lab import fixture
from lab.fixture import OnSharedCluster, container
from lab.wait import eventually, stays


def template(name, command=None, **spec):
    return {"metadata": {"labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container(command)], **spec}}


def job(name, command, **spec):
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"template": template(name, command, restartPolicy="Never"), **spec}}


WITH_ENV = {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "A", "value": "1"}]}]}}}}


class Commands:
    """Run with both clients: `tool` is what the subclass says."""

    def kubectl(self, *words, **options):
        return self.tool("-n", self.namespace, *words, **options)

    def apply(self, body):
        self.kubectl("apply", "-f", "-", stdin=json.dumps(body))

    def get(self, kind, name, group="apps/v1"):
        return self.api.get(f"/apis/{group}/namespaces/{self.namespace}/{kind}/{name}")

    def pods(self, app):
        return {each["metadata"]["name"]: each for each in self.cluster.pods(self.namespace, "app=" + app)}

    def test_an_indexed_job_runs_each_index_once(self):
        self.apply(job("j", ["/bin/sh", "-c", "echo $JOB_COMPLETION_INDEX $(hostname)"],
                       completions=3, parallelism=2, completionMode="Indexed"))
        self.kubectl("wait", "--for=condition=complete", "job/j", "--timeout=40s")
        status = self.get("jobs", "j", "batch/v1")["status"]
        self.assertEqual((status["succeeded"], status["completedIndexes"]), (3, "0-2"))
        self.assertNotIn("active", status)
        said = {self.kubectl("logs", name).stdout.strip() for name in self.pods("j")}
        self.assertEqual(said, {f"{i} j-{i}" for i in range(3)})
        self.assertEqual([each for each in self.pods("j").values() if each["metadata"].get("finalizers")], [])

    def test_a_job_that_fails_says_why_and_expires(self):
        self.apply(job("j", ["/bin/sh", "-c", "exit 3"], backoffLimit=0, ttlSecondsAfterFinished=2))
        self.kubectl("wait", "--for=condition=failed", "job/j", "--timeout=40s")
        self.kubectl("wait", "--for=delete", "job/j", "--timeout=30s")
        eventually(lambda: not self.pods("j"), 20, "the pods gone with their job")

    def test_a_suspended_job_starts_when_resumed(self):
        self.apply(job("j", ["/bin/true"], suspend=True))
        eventually(lambda: self.get("jobs", "j", "batch/v1")["status"]["conditions"][0]["type"] == "Suspended", 20)
        self.assertEqual(self.pods("j"), {})
        self.kubectl("patch", "job", "j", "-p", '{"spec": {"suspend": false}}')
        self.kubectl("wait", "--for=condition=complete", "job/j", "--timeout=40s")

    def test_deleting_a_running_job_leaves_no_pod(self):
        self.apply(job("j", ["/bin/sleep", "1000"]))
        eventually(lambda: len(self.pods("j")) == 1, 20, "the pod")
        self.kubectl("delete", "job", "j")
        eventually(lambda: not self.pods("j"), 30, "no pods")

    def test_a_cron_job_starts_what_it_missed_and_by_hand(self):
        spec = {"template": template("c", ["/bin/true"], restartPolicy="Never")}
        self.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
                    "spec": {"schedule": "0 0 1 1 *", "timeZone": "Asia/Tokyo", "jobTemplate": {"spec": spec}}})
        self.kubectl("create", "job", "by-hand", "--from=cronjob/c")
        self.kubectl("wait", "--for=condition=complete", "job/by-hand", "--timeout=40s")
        path = f"/apis/batch/v1/namespaces/{self.namespace}/cronjobs/c"
        self.api.patch("merge", path + "/status", {"status": {"lastScheduleTime": "2020-06-01T00:00:00Z"}})
        last = eventually(lambda: (s := self.api.get(path)["status"])["lastScheduleTime"][:4] != "2020" and s, 20)
        self.assertTrue(last["lastScheduleTime"].endswith("-12-31T15:00:00Z"), last)
        eventually(lambda: self.api.get(path)["status"].get("lastSuccessfulTime"), 40, "the job's success noted")

    def stateful_set(self, **more):
        self.api.create(self.core + "/services", {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
            "spec": {"clusterIP": "None", "selector": {"app": "s"}, "ports": [{"port": 80}]}})
        self.apply({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"},
                    "spec": {"serviceName": "s", "replicas": 2, "selector": {"matchLabels": {"app": "s"}},
                             "template": template("s"), **more}})
        self.kubectl("rollout", "status", "statefulset/s", "--timeout=60s")

    def test_a_stateful_set_keeps_names_and_rolls_back(self):
        self.stateful_set()
        self.assertEqual(sorted(self.pods("s")), ["s-0", "s-1"])
        self.assertEqual(self.kubectl("exec", "s-1", "--", "hostname", "-f").stdout.strip(),
                         f"s-1.s.{self.namespace}.svc.cluster.local")
        before = self.pods("s")["s-0"]["metadata"]["uid"]
        self.kubectl("delete", "pod", "s-0")
        eventually(lambda: self.pods("s")["s-0"]["metadata"]["uid"] != before, 30, "another s-0")
        self.kubectl("rollout", "status", "statefulset/s", "--timeout=60s")

        first = self.get("statefulsets", "s")["status"]["currentRevision"]
        self.kubectl("patch", "statefulset", "s", "-p", json.dumps(WITH_ENV))
        self.kubectl("rollout", "status", "statefulset/s", "--timeout=60s")
        self.assertNotEqual(self.get("statefulsets", "s")["status"]["currentRevision"], first)
        lines = self.kubectl("rollout", "history", "statefulset/s").stdout.split()
        self.assertEqual([word for word in lines if word.isdigit()], ["1", "2"])
        self.kubectl("rollout", "undo", "statefulset/s")
        eventually(lambda: self.get("statefulsets", "s")["status"]["currentRevision"] == first, 60, "rolled back")
        self.assertNotIn("env", self.pods("s")["s-1"]["spec"]["containers"][0])

    def test_a_stateful_set_scales_down_from_the_top(self):
        self.stateful_set(podManagementPolicy="Parallel")
        self.kubectl("scale", "statefulset/s", "--replicas=1")
        eventually(lambda: sorted(self.pods("s")) == ["s-0"], 30, "s-0 alone")

    def test_a_daemon_set_follows_labels_and_rolls_back(self):
        node = self.api.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
        label = "daemons-" + self.namespace
        self.apply({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d"},
                    "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": template("d", nodeSelector={label: "yes"})}})
        eventually(lambda: self.get("daemonsets", "d")["status"].get("observedGeneration") == 1, 20)
        stays(lambda: not self.pods("d"), 0.5, "no daemon without the label")
        self.tool("label", "node", node, label + "=yes")
        self.addCleanup(self.tool, "label", "node", node, label + "-")
        eventually(lambda: self.get("daemonsets", "d")["status"].get("numberReady") == 1, 40, "the daemon")
        self.kubectl("patch", "daemonset", "d", "-p", json.dumps(WITH_ENV))
        self.kubectl("rollout", "status", "daemonset/d", "--timeout=60s")
        self.kubectl("rollout", "undo", "daemonset/d")
        self.kubectl("rollout", "status", "daemonset/d", "--timeout=60s")
        pods = eventually(lambda: len(p := list(self.pods("d").values())) == 1 and p, 20, "one daemon")
        self.assertNotIn("env", pods[0]["spec"]["containers"][0])
        lines = self.kubectl("rollout", "history", "daemonset/d").stdout.split()
        self.assertEqual([word for word in lines if word.isdigit()], ["2", "3"])
        self.tool("label", "node", node, label + "=no", "--overwrite")
        eventually(lambda: not self.pods("d"), 30, "the daemon gone with the label")


class MkKubectl(Commands, OnSharedCluster):
    def tool(self, *words, **options):
        return self.cluster.mk_kubectl(*words, **options)


class RealKubectl(Commands, OnSharedCluster):
    def setUp(self):
        fixture.need_kubectl()
        super().setUp()

    def tool(self, *words, **options):
        return self.cluster.real_kubectl(*words, **options)
