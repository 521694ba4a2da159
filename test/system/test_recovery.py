"""Crashes and bad disks: what was acknowledged stays, what runs goes on, what cannot work says why."""

import os
import shutil
import sqlite3
import threading
import unittest

from lab import fixture
from lab.cluster import Cluster, is_ready, tail
from lab.fixture import deployment, pod
from lab.host import run
from lab.wait import eventually


class Acknowledged(unittest.TestCase):
    def test_nothing_acknowledged_is_lost_by_kill_9(self):
        cluster = Cluster(fixture.lab, "ledger", agent=False).start()
        self.addCleanup(cluster.host.end)
        ledger = {}
        for crash in range(5):
            writers = [threading.Thread(target=self.write, args=(cluster.client(), f"c{crash}-w{each}", ledger))
                       for each in range(4)]
            for writer in writers:
                writer.start()
            wanted = len(ledger) + 150 + 37 * crash
            eventually(lambda: len(ledger) >= wanted, 30, "writes")  # noqa: B023
            cluster.kill()
            for writer in writers:
                writer.join()
            cluster.start()
            self.check(cluster, ledger)
        self.assertGreater(len(ledger), 800)

    def write(self, client, prefix, ledger):
        """Creates and updates until the server is gone; writes down what was acknowledged."""
        number = 0
        try:
            while True:
                name = f"{prefix}-{number}"
                path = "/api/v1/namespaces/default/configmaps"
                made = client.create(path, {"metadata": {"name": name}, "data": {"n": "created"}})
                ledger[name] = (int(made["metadata"]["resourceVersion"]), "created")
                if number % 3 == 0:
                    ledger[name] = (ledger[name][0], "either")  # the answer may be lost, the update not
                    made = client.patch("merge", f"{path}/{name}", {"data": {"n": "updated"}})
                    ledger[name] = (int(made["metadata"]["resourceVersion"]), "updated")
                number += 1
        except (OSError, AssertionError, Exception) as error:  # noqa: the crash is meant
            if isinstance(error, AssertionError) and " 5" not in str(error):
                raise

    def check(self, cluster, ledger):
        listed = cluster.api.get("/api/v1/namespaces/default/configmaps")
        now = {each["metadata"]["name"]: each for each in listed["items"]}
        for name, (revision, content) in ledger.items():
            self.assertIn(name, now)
            self.assertGreaterEqual(int(listed["metadata"]["resourceVersion"]), revision)
            if content != "either":
                self.assertEqual(now[name]["data"]["n"], content)
                self.assertEqual(int(now[name]["metadata"]["resourceVersion"]), revision)


class JobsOutliveMk(unittest.TestCase):
    def test_no_end_of_a_pod_is_lost_or_counted_twice_by_kill_9(self):
        cluster = Cluster(fixture.lab, "count").start().with_node()
        self.addCleanup(cluster.host.end)
        space = cluster.namespace()
        path = f"/apis/batch/v1/namespaces/{space}/jobs"
        spec = pod("j", ["/bin/sh", "-c", "sleep 0.2"], spec={"restartPolicy": "Never"})["spec"]
        cluster.api.create(path, {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {
            "completions": 24, "parallelism": 4, "template": {"metadata": {"labels": {"app": "j"}}, "spec": spec}}})
        status = lambda: cluster.api.get(path + "/j")["status"]  # noqa: E731
        for crash in range(3):
            eventually(lambda: status().get("succeeded", 0) >= 5 * (crash + 1), 60, "progress")  # noqa: B023
            cluster.kill()
            cluster.start()
        ended = lambda: any(each["type"] == "Complete" for each in status().get("conditions", []))  # noqa: E731
        eventually(ended, 90, "the job complete")
        self.assertEqual((status()["succeeded"], status().get("failed", 0)), (24, 0))
        self.assertEqual(len(cluster.pods(space, "app=j")), 24)


class ContainersOutliveMk(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(fixture.lab, "adopt").start().with_node()
        self.addCleanup(self.cluster.host.end)
        self.space = self.cluster.namespace()
        self.apps = f"/apis/apps/v1/namespaces/{self.space}/deployments"
        self.cluster.api.create(self.apps, deployment("d", 2))
        eventually(lambda: len(self.ready()) == 2, 40, "two pods")

    def ready(self):
        return [each for each in self.cluster.pods(self.space, "app=d") if is_ready(each)]

    def containers(self):
        """(container id, start) of all: a restarted container has another id."""
        return sorted((s["containerID"], s["state"].get("running", {}).get("startedAt"), s["restartCount"])
                      for each in self.cluster.pods(self.space, "app=d") for s in each["status"]["containerStatuses"])

    def processes(self):
        out = self.cluster.host.run("busybox", "ps", "-o", "pid,args").stdout
        return sorted(line.split()[0] for line in out.splitlines() if "sleep 100000" in line)

    def test_kill_9_and_start_again(self):
        before, pids = self.containers(), self.processes()
        self.assertEqual(len(pids), 2)
        self.cluster.kill()
        self.assertEqual(self.processes(), pids)
        self.cluster.start()
        self.cluster.wait_ready(self.cluster.host.name)
        self.cluster.api.patch("merge", self.apps + "/d/scale", {"spec": {"replicas": 3}})
        eventually(lambda: len(self.ready()) == 3, 30, "three pods")
        self.assertLessEqual(set(before), set(self.containers()))
        self.assertLessEqual(set(pids), set(self.processes()))

    def test_a_clean_stop_leaves_them_too(self):
        before = self.containers()
        self.assertEqual(self.cluster.stop(), 0)
        self.cluster.start()
        eventually(lambda: len(self.ready()) == 2, 30, "both ready")
        self.assertEqual(self.containers(), before)

    def test_what_ended_meanwhile_is_noticed(self):
        self.cluster.kill()
        self.cluster.host.run("kill", "-9", self.processes()[0])
        self.cluster.start()
        restarts = lambda: sum(count for _, _, count in self.containers())  # noqa: E731
        eventually(lambda: restarts() == 1 and len(self.ready()) == 2, 40, "one restart")


class BadDisks(unittest.TestCase):
    """A server that cannot keep its state says so and ends, or goes on refusing; it never pretends."""

    def make(self, name, **options):
        cluster = Cluster(fixture.lab, name, agent=False, **options)
        self.addCleanup(cluster.host.end)
        return cluster

    def complaint(self, cluster, seconds=20):
        """Starts a server that must end by itself; its output."""
        process = cluster.host.start(cluster.log, *cluster.server_words())
        self.assertNotIn(process.wait(seconds), (0, None))
        return tail(cluster.log)

    def test_a_port_in_use(self):
        cluster = self.make("port").start()
        other = os.path.join(cluster.host.folder, "other")
        words = [word if word != cluster.data else other for word in cluster.server_words()]
        log = os.path.join(cluster.host.folder, "second.log")
        self.assertNotEqual(cluster.host.start(log, *words).wait(20), 0)
        self.assertIn("6443", tail(log))
        self.assertIn("in use", tail(log))

    def test_a_data_directory_in_use(self):
        cluster = self.make("twice").start()
        log = os.path.join(cluster.host.folder, "second.log")
        process = cluster.host.start(log, *cluster.server_words(), "--https-listen-port", "7443")
        self.assertNotEqual(process.wait(20), 0)
        self.assertIn(cluster.data, tail(log))
        self.assertEqual(cluster.api.request("GET", "/readyz").status, 200)

    def test_a_read_only_data_directory(self):
        cluster = self.make("readonly")
        os.makedirs(cluster.data)
        cluster.host.run("mount", "--bind", cluster.data, cluster.data)
        cluster.host.run("mount", "-o", "remount,ro,bind", cluster.data)
        self.assertIn(cluster.data, text := self.complaint(cluster))
        self.assertIn("ead-only", text)

    def test_a_data_directory_of_another_version(self):
        cluster = self.make("version").start()
        cluster.stop()
        changed = 0
        for folder, _, names in os.walk(os.path.join(cluster.data, "server", "db")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as opened:
                    if opened.read(15) != b"SQLite format 3":
                        continue
                database = sqlite3.connect(os.path.join(folder, name))
                changed += self.make_newer(database)
                database.commit()
                database.close()
        self.assertGreater(changed, 0, "no format version found in the store")
        text = self.complaint(cluster)
        self.assertRegex(text, "(?i)version|format|newer")

    def make_newer(self, database):
        return database.execute("UPDATE meta SET value = value + 1000 WHERE name = 'format'").rowcount

    def test_garbage_instead_of_a_database(self):
        cluster = self.make("garbage").start()
        cluster.stop()
        for folder, _, names in os.walk(os.path.join(cluster.data, "server", "db")):
            for name in names:
                with open(os.path.join(folder, name), "r+b") as out:
                    out.write(b"no database" * 1000)
        self.assertIn(cluster.data, self.complaint(cluster))

    def test_a_full_disk_refuses_writes_and_recovers(self):
        cluster = self.make("full")
        os.makedirs(cluster.data)
        cluster.host.run("mount", "-t", "tmpfs", "-o", "size=24m", "disk", cluster.data)
        cluster.start()
        path = "/api/v1/namespaces/default/configmaps"
        cluster.api.create(path, {"metadata": {"name": "before"}})
        cluster.host.run("sh", "-c", f"dd if=/dev/zero of={cluster.data}/filler bs=64k 2>/dev/null; true")
        body = lambda number: {"metadata": {"name": f"big-{number}"}, "data": {"k": "x" * 500000}}  # noqa: E731
        answers = []
        for number in range(20):
            answers.append(cluster.api.request("POST", path, body(number)))
            if answers[-1].status >= 500:
                break
        self.assertGreaterEqual(answers[-1].status, 500, "a full disk was not noticed")
        self.assertEqual(answers[-1].json["kind"], "Status")
        self.assertEqual(cluster.api.request("GET", path + "/before").status, 200)
        cluster.host.run("rm", cluster.data + "/filler")
        good = lambda: cluster.api.request("POST", path, {"metadata": {"generateName": "after-"}}).status == 201  # noqa: E731
        self.go_on(cluster, good)
        names = {each["metadata"]["name"] for each in cluster.api.get(path)["items"]}
        kept = {f"big-{number}" for number, answer in enumerate(answers) if answer.status == 201}
        self.assertLessEqual(kept | {"before"}, names)

    def go_on(self, cluster, good):
        """With room again the server writes again, if need be after a restart."""
        try:
            eventually(good, 10, "writes to work again")
        except AssertionError:
            cluster.kill()
            cluster.start()
            eventually(lambda: cluster.api.request("POST", "/api/v1/namespaces/default/configmaps",
                                                   {"metadata": {"generateName": "after-"}}).status == 201, 10)


class MissingTools(unittest.TestCase):
    def test_a_missing_runc_is_named(self):
        cluster = Cluster(fixture.lab, "noruntime")
        self.addCleanup(cluster.host.end)
        cluster.host.run("mount", "--bind", "/dev/null", shutil.which("runc"))
        process = cluster.host.start(cluster.log, *cluster.server_words())
        eventually(lambda: "runc" in tail(cluster.log), 20, "a complaint about runc")
        process.forget()

    def test_wrong_flags_say_what_is_wrong(self):
        for words, wanted in ((["--no-such-flag"], "--no-such-flag"), (["--https-listen-port", "x"], "https-listen-port"),
                              (["--cluster-cidr", "nonsense"], "cluster-cidr"), (["--service-cidr", "10.42.0.0/16"], "overlap")):
            with self.subTest(words=words):
                done = run(fixture.lab.mk, "server", "--disable-agent", "--data-dir", fixture.lab.folder + "/flags",
                           "--config", "/nonexistent", *words, check=False, timeout=20)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(wanted, done.stderr + done.stdout)


