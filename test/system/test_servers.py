"""Three servers: joining, one truth on all of them, loss of the leader, of the majority, and of a disk."""

import http.client
import os
import shutil
import threading
import time
import unittest

from lab import fixture
from lab.cluster import PORT, Cluster, is_ready, tail
from lab.fixture import deployment
from lab.wait import eventually

MAPS = "/api/v1/namespaces/default/configmaps"


def join(first, name, token=None):
    flags = ("--join", f"https://{first.host.address}:{PORT}", "--token", token or server_token(first))
    return Cluster(fixture.lab, name, agent=False, flags=flags)


def server_token(cluster):
    with open(os.path.join(cluster.data, "server", "server-token"), encoding="ascii") as opened:
        return opened.read().strip()


def servers(cluster):
    return cluster.api.get("/mk/v1/servers")["items"]


def roles(cluster):
    return sorted(each["role"] for each in servers(cluster))


def three(add_cleanup, prefix):
    first = Cluster(fixture.lab, prefix + "1", agent=False).start()
    add_cleanup(first.host.end)
    out = [first]
    for number in (2, 3):
        server = join(first, f"{prefix}{number}").start()
        add_cleanup(server.host.end)
        out.append(server)
    eventually(lambda: roles(first) == ["leader", "voter", "voter"], 30, "three voters")
    return out


def leader_of(clusters):
    """The one that most recently leads, by what any that answers says."""
    for cluster in clusters:
        try:
            lead = next((each for each in servers(cluster) if each["role"] == "leader"), None)
        except (OSError, http.client.HTTPException, AssertionError):
            continue
        if lead is not None:
            return next((each for each in clusters if lead["apiAddress"].startswith(each.host.address + ":")), None)
    return None


class Writers:
    """Clients that write through every server, go on with the next when one fails, and keep a ledger."""

    def __init__(self, clusters, name, count=3):
        self.clusters, self.ledger, self.unknown, self.stopping = clusters, {}, set(), False
        self._threads = [threading.Thread(target=self._write, args=(f"{name}-{number}", number)) for number in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        for thread in self._threads:
            thread.join()

    def _write(self, prefix, first):
        clients = [each.client() for each in self.clusters]
        turn, number = first, 0
        while not self.stopping:
            name = f"{prefix}-{number}"
            try:
                made = clients[turn % len(clients)].request("POST", MAPS, {"metadata": {"name": name}}, timeout=5)
            except (OSError, http.client.HTTPException):
                self.unknown.add(name)
                turn, number = turn + 1, number + 1
                continue
            number += 1
            if made.status == 201:
                self.ledger[name] = int(made.json["metadata"]["resourceVersion"])
            else:
                self.unknown.add(name)
                turn += 1
                time.sleep(0.05)


class ThreeServers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = three(cls.addClassCleanup, "s")

    def alive(self):
        return [each for each in self.servers if each.server.running()]

    def check(self, writers):
        revisions = sorted(writers.ledger.values())
        self.assertEqual(len(revisions), len(set(revisions)), "a revision was given twice")
        for server in self.servers:
            listed = server.api.get(MAPS)["items"]
            there = {each["metadata"]["name"]: int(each["metadata"]["resourceVersion"]) for each in listed}
            for name, revision in writers.ledger.items():
                self.assertEqual(there.get(name), revision, f"{name} on {server.host.name}")

    def heal(self):
        for server in self.servers:
            if not server.server.running():
                server.start()
        eventually(lambda: roles(self.servers[0]) == ["leader", "voter", "voter"], 30, "a leader and two voters")

    def test_what_one_acknowledged_the_others_know(self):
        for number in range(30):
            writer, reader = self.servers[number % 3], self.servers[(number + 1) % 3]
            made = writer.api.create(MAPS, {"metadata": {"name": f"seen-{number}"}})
            read = reader.api.get(f"{MAPS}/seen-{number}")
            self.assertEqual(read["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"])

    def test_the_kubernetes_service_has_all_of_them(self):
        wanted = sorted(each.host.address for each in self.servers)

        def addresses():
            subsets = self.servers[2].api.get("/api/v1/namespaces/default/endpoints/kubernetes")["subsets"]
            return sorted(each["ip"] for each in subsets[0]["addresses"])

        eventually(lambda: addresses() == wanted, 20, "three addresses")

    def test_controllers_run_once(self):
        space = self.servers[1].namespace()
        self.servers[2].api.create(f"/apis/apps/v1/namespaces/{space}/deployments", deployment("d", 3))
        count = lambda: len(self.servers[0].pods(space, "app=d"))  # noqa: E731
        eventually(lambda: count() == 3, 20, "three pods")
        time.sleep(1)
        self.assertEqual(count(), 3)

    def test_no_update_is_lost_when_all_count_up(self):
        self.servers[0].api.create(MAPS, {"metadata": {"name": "counter"}, "data": {"n": "0"}})

        def count(server):
            api, done = server.client(), 0
            while done < 20:
                current = api.get(f"{MAPS}/counter")
                current["data"]["n"] = str(int(current["data"]["n"]) + 1)
                done += api.request("PUT", f"{MAPS}/counter", current).status == 200

        threads = [threading.Thread(target=count, args=(each,)) for each in self.servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for server in self.servers:
            self.assertEqual(server.api.get(f"{MAPS}/counter")["data"]["n"], "60")

    def test_y_the_leader_dies_under_load_and_nothing_acknowledged_is_lost(self):
        with Writers(self.servers, "kill") as writers:
            for round_number in range(3):
                wanted = len(writers.ledger) + 40
                eventually(lambda: len(writers.ledger) >= wanted, 40, f"writes in round {round_number}")  # noqa: B023
                leader = eventually(lambda: leader_of(self.alive()), 20, "a leader")
                leader.kill()
                wanted = len(writers.ledger) + 40
                eventually(lambda: len(writers.ledger) >= wanted, 40, "writes without it")  # noqa: B023
                leader.start()
        self.heal()
        self.check(writers)

    def test_z_without_a_majority_nothing_is_acknowledged_and_old_reads_go_on(self):
        self.servers[0].api.create(MAPS, {"metadata": {"name": "before"}})
        for server in self.servers[1:]:
            server.kill()
        api = self.servers[0].client()
        eventually(lambda: api.request("POST", MAPS, {"metadata": {"name": "refused"}}, timeout=30).status in (503, 504),
                   40, "writes are refused")
        self.assertIn(api.request("GET", MAPS + "/before", timeout=30).status, (503, 504))
        stale = api.request("GET", MAPS + "/before?resourceVersion=0")
        self.assertEqual(stale.status, 200, stale.body)
        self.servers[1].start()
        eventually(lambda: api.request("GET", MAPS + "/before", timeout=10).status == 200, 30, "two of three are enough")
        self.heal()

    def test_zz_a_server_with_an_empty_disk_joins_anew_under_another_id(self):
        lost = self.servers[2]
        old = {each["apiAddress"]: each["id"] for each in servers(self.servers[0])}
        gone = next(number for address, number in old.items() if address.startswith(lost.host.address + ":"))
        lost.kill()
        shutil.rmtree(lost.data)
        self.servers[0].api.expect(200, "DELETE", f"/mk/v1/servers/{gone}", timeout=20)
        lost.start()
        self.heal()
        self.assertNotIn(gone, [each["id"] for each in servers(self.servers[0])])
        made = self.servers[0].api.create(MAPS, {"metadata": {"name": "for-the-new-one"}})
        self.assertEqual(lost.api.get(MAPS + "/for-the-new-one")["metadata"]["uid"], made["metadata"]["uid"])


class JoiningServers(unittest.TestCase):
    def test_a_wrong_token_is_refused_and_an_agents_token_too(self):
        first = Cluster(fixture.lab, "only", agent=False, flags=("--agent-token", "another-secret")).start()
        self.addCleanup(first.host.end)
        for number, token in enumerate((first.token(), server_token(first)[:-4] + "beef")):
            other = join(first, f"no{number}", token)
            self.addCleanup(other.host.end)
            other.server = other.host.start(other.log, *other.server_words())
            self.assertNotEqual(other.server.wait(30), 0)
            self.assertIn("token", tail(other.log))


class AgentsOfThree(unittest.TestCase):
    def test_an_agent_goes_on_with_another_server(self):
        clusters = three(self.addCleanup, "a")
        agent = clusters[0].join("worker")
        self.addCleanup(agent.host.end)
        space = clusters[0].namespace()
        clusters[0].api.create(f"/apis/apps/v1/namespaces/{space}/deployments", deployment("d", 1))
        ready = lambda api: [each for each in api.pods(space, "app=d") if is_ready(each)]  # noqa: E731
        eventually(lambda: len(ready(clusters[0])) == 1, 40, "a pod on the agent")
        clusters[0].kill()
        path = f"/apis/apps/v1/namespaces/{space}/deployments/d"
        scaled = lambda: clusters[1].client().request("PATCH", path + "/scale", {"spec": {"replicas": 2}}, timeout=5,  # noqa: E731
                                                      content_type="application/merge-patch+json").status == 200
        eventually(scaled, 30, "a write through another server")
        eventually(lambda: len(ready(clusters[1])) == 2, 60, "a second pod, though the agent's server is gone")
