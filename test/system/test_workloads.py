"""Pods that really run: Deployments, healing, probes, volumes, logs, exec, termination."""

import base64
import os
import signal

from lab.cluster import is_ready
from lab.fixture import OnSharedCluster, container, deployment, pod
from lab.laboratory import TOOLS
from lab.wait import eventually, stays


class Workloads(OnSharedCluster):
    def ready_pods(self, app):
        return [each for each in self.cluster.pods(self.namespace, "app=" + app) if is_ready(each)]

    def run_pod(self, body):
        self.api.create(self.core + "/pods", body)
        name = body["metadata"]["name"]
        eventually(lambda: is_ready(self.cluster.pod(self.namespace, name)), 30, f"pod {name} ready")
        return name

    def status_of(self, name, index=0):
        return self.cluster.pod(self.namespace, name)["status"]["containerStatuses"][index]

    def process_of(self, name):
        """The pid, as the laboratory sees it, of the container's first process: found by its cgroup."""
        uid = self.cluster.pod(self.namespace, name)["metadata"]["uid"]
        container_id = self.status_of(name)["containerID"].rpartition("/")[2]
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/cgroup", encoding="ascii") as opened:
                    text = opened.read()
                with open(f"/proc/{entry}/status", encoding="ascii") as opened:
                    inner = next(line for line in opened if line.startswith("NSpid:")).split()
            except OSError:
                continue
            if (uid in text or uid.replace("-", "_") in text) and container_id[:12] in text and inner[-1] == "1":
                return int(entry)
        raise AssertionError(f"no process of pod {name}")


class Deployments(Workloads):
    def make(self, **options):
        self.api.create(self.apps + "/deployments", deployment("d", **options))
        eventually(lambda: len(self.ready_pods("d")) == options.get("replicas", 1), 40, "the pods of the deployment")

    def test_it_runs_and_scales_up_and_down(self):
        self.make(replicas=2)
        scale = self.api.get(self.apps + "/deployments/d/scale")
        scale["spec"]["replicas"] = 4
        scale["metadata"].pop("resourceVersion")  # the status may still be on its way
        self.api.replace(self.apps + "/deployments/d/scale", scale)
        eventually(lambda: len(self.ready_pods("d")) == 4, 30, "four pods")
        self.api.patch("merge", self.apps + "/deployments/d/scale", {"spec": {"replicas": 1}})
        eventually(lambda: len(self.cluster.pods(self.namespace, "app=d")) == 1, 30, "one pod")
        addresses = [each["status"]["podIP"] for each in self.cluster.pods(self.namespace, "app=d")]
        self.assertTrue(all(address.startswith("10.42.") for address in addresses), addresses)

    def test_a_rollout_replaces_pods_without_a_gap(self):
        self.make(replicas=2)
        old = {each["metadata"]["name"] for each in self.ready_pods("d")}
        patch = {"spec": {"template": {"metadata": {"annotations": {"version": "2"}}}}}
        self.api.patch("strategic", self.apps + "/deployments/d", patch)

        def finished():
            ready = self.ready_pods("d")
            assert len(ready) >= 2, "fewer pods ready than wanted"
            return len(ready) == 2 and not old & {each["metadata"]["name"] for each in ready}

        eventually(finished, 40, "new pods only")
        status = self.api.get(self.apps + "/deployments/d")["status"]
        self.assertEqual(status["updatedReplicas"], 2)

    def test_a_deleted_pod_is_replaced(self):
        self.make(replicas=1)
        name = self.ready_pods("d")[0]["metadata"]["name"]
        self.api.delete(f"{self.core}/pods/{name}")
        eventually(lambda: any(each["metadata"]["name"] != name for each in self.ready_pods("d")), 30, "another pod")
        eventually(lambda: self.api.request("GET", f"{self.core}/pods/{name}").status == 404, 20, "the old one gone")

    def test_deleting_it_ends_its_pods(self):
        self.make(replicas=2)
        self.api.delete(self.apps + "/deployments/d", {"propagationPolicy": "Background"})
        eventually(lambda: not self.cluster.pods(self.namespace, "app=d"), 30, "no pods")


class Healing(Workloads):
    def test_a_killed_container_starts_again(self):
        name = self.run_pod(pod("p"))
        os.kill(self.process_of(name), signal.SIGKILL)
        again = eventually(lambda: (s := self.status_of(name))["restartCount"] == 1 and s["ready"] and s, 30, "a restart")
        self.assertEqual(again["lastState"]["terminated"]["exitCode"], 137)

    def test_a_crashing_container_backs_off(self):
        self.api.create(self.core + "/pods", pod("p", ["/bin/sh", "-c", "exit 3"]))
        waiting = lambda: self.status_of("p")["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"  # noqa: E731
        eventually(waiting, 30, "CrashLoopBackOff")
        self.assertEqual(self.status_of("p")["lastState"]["terminated"]["exitCode"], 3)

    def test_a_failing_liveness_probe_restarts(self):
        probe = {"exec": {"command": ["/bin/test", "-e", "/tmp/alive"]}, "periodSeconds": 1, "failureThreshold": 2}
        command = ["/bin/sh", "-c", "touch /tmp/alive; sleep 3; rm /tmp/alive; sleep 1000"]
        self.api.create(self.core + "/pods", pod("p", command, livenessProbe=probe))
        eventually(lambda: self.status_of("p")["restartCount"] >= 1, 40, "a restart")

    def test_readiness_follows_its_probe(self):
        probe = {"exec": {"command": ["/bin/test", "-e", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
        self.api.create(self.core + "/pods", pod("p", readinessProbe=probe))
        eventually(lambda: "running" in self.status_of("p")["state"], 30, "the container running")
        self.assertFalse(self.status_of("p")["ready"])
        self.cluster.exec(self.namespace, "p", "touch", "/tmp/ready")
        eventually(lambda: self.status_of("p")["ready"], 10, "ready")
        self.cluster.exec(self.namespace, "p", "rm", "/tmp/ready")
        eventually(lambda: not self.status_of("p")["ready"], 10, "not ready any more")


class Life(Workloads):
    def test_a_pod_that_ends_succeeds_or_fails(self):
        for code, phase in ((0, "Succeeded"), (4, "Failed")):
            name = f"ends-{code}"
            command = ["/bin/sh", "-c", f"echo bye > /dev/termination-log; exit {code}"]
            self.api.create(self.core + "/pods", pod(name, command, spec={"restartPolicy": "Never"}))
            eventually(lambda: self.cluster.pod(self.namespace, name)["status"]["phase"] == phase, 30, phase)
            ended = self.status_of(name)["state"]["terminated"]
            self.assertEqual((ended["exitCode"], ended.get("message", "").strip()), (code, "bye"))

    def test_init_containers_run_first_and_in_order(self):
        mounts = [{"name": "shared", "mountPath": "/shared"}]
        inits = [{**container(["/bin/sh", "-c", f"echo {word} >> /shared/out"], volumeMounts=mounts), "name": word}
                 for word in ("one", "two")]
        body = pod("p", ["/bin/sh", "-c", "cat /shared/out; exec /bin/serve"], volumeMounts=mounts,
                   spec={"initContainers": inits, "volumes": [{"name": "shared", "emptyDir": {}}]})
        self.run_pod(body)
        text = self.api.expect(200, "GET", self.core + "/pods/p/log").text
        self.assertEqual(text.split()[:2], ["one", "two"])

    def test_a_graceful_stop_lets_the_program_finish(self):
        command = ["/bin/sh", "-c", "trap 'echo got TERM; exit 0' TERM; echo up; while :; do sleep 0.1; done"]
        self.run_pod(pod("p", command, spec={"restartPolicy": "Never"}))
        self.api.patch("merge", self.core + "/pods/p", {"metadata": {"finalizers": ["example.com/hold"]}})
        self.api.delete(self.core + "/pods/p")
        ended = eventually(lambda: self.status_of("p")["state"].get("terminated"), 20, "the end")
        self.assertEqual(ended["exitCode"], 0)
        self.api.patch("merge", self.core + "/pods/p", {"metadata": {"finalizers": None}})
        eventually(lambda: self.api.request("GET", self.core + "/pods/p").status == 404, 20, "the pod gone")

    def test_memory_over_the_limit_is_oom_killed(self):
        command = ["/bin/sh", "-c", "x=a; while :; do x=$x$x; done"]
        limits = {"limits": {"memory": "16Mi"}}
        self.api.create(self.core + "/pods", pod("p", command, resources=limits, spec={"restartPolicy": "Never"}))
        ended = eventually(lambda: self.status_of("p")["state"].get("terminated"), 40, "the end")
        self.assertEqual((ended["exitCode"], ended["reason"]), (137, "OOMKilled"))

    def test_a_pod_that_fits_nowhere_stays_pending_and_says_why(self):
        self.api.create(self.core + "/pods", pod("p", resources={"requests": {"cpu": "1000"}}))
        condition = lambda: next(each for each in self.cluster.pod(self.namespace, "p")["status"]["conditions"]  # noqa: E731
                                 if each["type"] == "PodScheduled")
        eventually(lambda: condition()["reason"] == "Unschedulable", 15, "Unschedulable")
        self.assertIn("Insufficient cpu", condition()["message"])


class Environment(Workloads):
    def test_variables_and_volumes_hold_what_the_objects_say(self):
        self.api.create(self.core + "/configmaps", {"metadata": {"name": "c"}, "data": {"key": "from-map", "file": "line"}})
        secret = {"metadata": {"name": "s"}, "data": {"key": base64.b64encode(b"from-secret").decode()}}
        self.api.create(self.core + "/secrets", secret)
        environment = [{"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "key"}}},
                       {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
                       {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                       {"name": "BOTH", "value": "$(MAP)+$(SECRET)"}]
        volumes = [{"name": "c", "configMap": {"name": "c"}}, {"name": "s", "secret": {"secretName": "s"}},
                   {"name": "e", "emptyDir": {"medium": "Memory"}}]
        mounts = [{"name": each["name"], "mountPath": "/v/" + each["name"]} for each in volumes]
        self.run_pod(pod("p", env=environment, volumeMounts=mounts, spec={"volumes": volumes}))
        look = lambda text: self.cluster.exec(self.namespace, "p", "sh", "-c", text).stdout.strip()  # noqa: E731
        self.assertEqual(look("echo $BOTH $NODE"), f"from-map+from-secret {self.cluster.host.name}")
        self.assertEqual(look("cat /v/c/file /v/s/key"), "line\nfrom-secret".replace("\n", ""))
        self.assertEqual(look("echo hi > /v/e/x && cat /v/e/x"), "hi")
        self.api.patch("merge", self.core + "/configmaps/c", {"data": {"file": "changed"}})
        eventually(lambda: look("cat /v/c/file") == "changed", 10, "the new content")

    def test_the_service_account_reaches_the_api(self):
        self.run_pod(pod("p"))
        folder = "/var/run/secrets/kubernetes.io/serviceaccount"
        look = lambda text: self.cluster.exec(self.namespace, "p", "sh", "-c", text).stdout.strip()  # noqa: E731
        self.assertEqual(look(f"cat {folder}/namespace"), self.namespace)
        token = look(f"cat {folder}/token")
        client = self.cluster.client(self.cluster.credentials().with_token(token))
        answer = client.request("GET", self.core + "/pods")
        self.assertIn(f"system:serviceaccount:{self.namespace}:default", answer.json["message"])
        self.assertIn("BEGIN CERTIFICATE", look(f"cat {folder}/ca.crt"))
        self.assertIn("10.43.0.1", look("echo $KUBERNETES_SERVICE_HOST"))


class LogsAndExec(Workloads):
    def tools(self):
        tools = [("mk kubectl", self.cluster.mk_kubectl)]
        return tools + ([("kubectl", self.cluster.real_kubectl)] if self.cluster.lab.kubectl else [])

    def test_both_clients_read_logs(self):
        self.run_pod(pod("p", ["/bin/sh", "-c", "echo one >&2; echo two; exec /bin/serve"]))
        for name, tool in self.tools():
            with self.subTest(client=name):
                out = tool("-n", self.namespace, "logs", "p").stdout
                self.assertLessEqual({"one", "two", "started"}, set(out.split()))
                # The two streams are not ordered with each other: either may hold the last line.
                last = tool("-n", self.namespace, "logs", "p", "--tail=1").stdout.splitlines()
                self.assertIn(last, (["started"], ["one"]))

    def test_following_logs_ends_with_the_container(self):
        command = ["/bin/sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.3; done"]
        for number, (name, tool) in enumerate(self.tools()):
            with self.subTest(client=name):
                pod_name = f"p{number}"
                self.api.create(self.core + "/pods", pod(pod_name, command, spec={"restartPolicy": "Never"}))
                eventually(lambda: "waiting" not in self.status_of(pod_name)["state"], 20, "started")
                self.assertEqual(tool("-n", self.namespace, "logs", "-f", pod_name).stdout.split(), list("12345"))

    def test_both_clients_run_programs(self):
        self.run_pod(pod("p"))
        for name, tool in self.tools():
            with self.subTest(client=name):
                out = tool("-n", self.namespace, "exec", "-i", "p", "--", "cat", stdin="through and back\n").stdout
                self.assertEqual(out, "through and back\n")
                done = tool("-n", self.namespace, "exec", "p", "--", "sh", "-c", "echo err >&2; exit 7", check=False)
                self.assertEqual((done.returncode, "err" in done.stderr), (7, True))

    def test_a_program_that_does_not_exist_says_so(self):
        self.run_pod(pod("p"))
        for name, tool in self.tools():
            with self.subTest(client=name):
                done = tool("-n", self.namespace, "exec", "p", "--", "/no/such/program", check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("/no/such/program", done.stderr)

    def test_much_output_arrives_whole(self):
        self.run_pod(pod("p"))
        for name, tool in self.tools():
            with self.subTest(client=name):
                out = tool("-n", self.namespace, "exec", "p", "--", "sh", "-c", "seq 1 200000").stdout
                self.assertEqual((out.count("\n"), out[-7:]), (200000, "200000\n"))


class Images(Workloads):
    def test_an_image_that_does_not_exist_says_so(self):
        body = pod("p", image="registry.example/no/such:v1", imagePullPolicy="IfNotPresent")
        self.api.create(self.core + "/pods", body)
        reason = lambda: self.status_of("p")["state"]["waiting"]["reason"]  # noqa: E731
        eventually(lambda: reason() in ("ErrImagePull", "ImagePullBackOff"), 30, "the reason")
        good = self.run_pod(pod("good"))
        self.assertTrue(good)

    def test_never_pulling_what_is_not_there(self):
        self.api.create(self.core + "/pods", pod("p", image="registry.example/no/such:v1"))
        reason = lambda: self.status_of("p")["state"]["waiting"]["reason"]  # noqa: E731
        eventually(lambda: reason() == "ErrImageNeverPull", 20, "ErrImageNeverPull")

    def test_a_broken_image_name(self):
        self.api.create(self.core + "/pods", pod("p", image="::bad::"))
        reason = lambda: self.status_of("p")["state"]["waiting"]["reason"]  # noqa: E731
        eventually(lambda: reason() == "InvalidImageName", 20, "InvalidImageName")

    def test_the_store_lists_what_was_imported(self):
        lab = self.cluster.lab
        out = self.cluster.host.run(lab.mk, "images", "list", "--data-dir", self.cluster.data).stdout
        for name in (TOOLS, "registry.example/guestbook/front:v1", "registry.example/guestbook/redis:v1"):
            self.assertIn(name, out)

    def test_a_tarball_that_is_none_is_refused(self):
        path = os.path.join(self.cluster.host.folder, "bad.tar")
        with open(path, "wb") as out:
            out.write(b"no tar at all" * 1000)
        done = self.cluster.host.run(self.cluster.lab.mk, "images", "import", path, "--data-dir", self.cluster.data, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertTrue(done.stderr.strip())


class Steadiness(Workloads):
    def test_a_running_pod_is_left_alone(self):
        self.run_pod(pod("p"))
        pid = self.process_of("p")
        self.api.patch("merge", self.core + "/pods/p", {"metadata": {"labels": {"more": "labels"}}})
        stays(lambda: self.process_of("p") == pid, 2, "the same process")
