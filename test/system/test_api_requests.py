"""Requests, good and bad: watches, concurrency, validation, and what malformed input is answered with."""

import http.client
import json
import ssl
import subprocess
import threading

from lab.fixture import OnSharedCluster, deployment, pod
from lab.wait import eventually


class Watching(OnSharedCluster):
    def config_map(self, name, **data):
        return {"metadata": {"name": name}, "data": data}

    def test_a_watch_tells_every_change_in_order(self):
        path = self.core + "/configmaps"
        start = self.api.get(path)["metadata"]["resourceVersion"]
        self.api.create(path, self.config_map("a", k="1"))
        self.api.patch("merge", path + "/a", {"data": {"k": "2"}})
        self.api.delete(path + "/a")
        events = []
        for event in self.api.watch(path, resourceVersion=start, fieldSelector="metadata.name=a"):
            events.append((event["type"], event["object"]["data"]["k"]))
            if event["type"] == "DELETED":
                break
        self.assertEqual(events, [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")])

    def test_a_watch_list_sends_what_is_there_and_a_bookmark(self):
        path = self.core + "/configmaps"
        for name in ("a", "b"):
            self.api.create(path, self.config_map(name))
        names = set()
        for event in self.api.watch(path, sendInitialEvents="true", allowWatchBookmarks="true",
                                    resourceVersionMatch="NotOlderThan"):
            if event["type"] == "BOOKMARK":
                self.assertEqual(event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true")
                break
            names.add(event["object"]["metadata"]["name"])
        self.assertLessEqual({"a", "b"}, names)

    def test_a_selector_turns_changes_into_coming_and_going(self):
        path = self.core + "/configmaps"
        self.api.create(path, {"metadata": {"name": "a", "labels": {"on": "no"}}})
        start = self.api.get(path)["metadata"]["resourceVersion"]
        for value in ("yes", "no"):
            self.api.patch("merge", path + "/a", {"metadata": {"labels": {"on": value}}})
        watch = self.api.watch(path, resourceVersion=start, labelSelector="on=yes")
        self.assertEqual([next(watch)["type"], next(watch)["type"]], ["ADDED", "DELETED"])

    def test_a_list_comes_in_pages(self):
        path = self.core + "/configmaps"
        wanted = {f"c{number}" for number in range(7)}
        for name in wanted:
            self.api.create(path, self.config_map(name))
        seen, go_on = set(), ""
        while True:
            page = self.api.get(f"{path}?limit=3&continue={go_on}")
            seen |= {each["metadata"]["name"] for each in page["items"]}
            go_on = page["metadata"].get("continue", "")
            if not go_on:
                break
            self.assertEqual(len(page["items"]), 3)
        self.assertLessEqual(wanted, seen)


class Writing(OnSharedCluster):
    def test_a_stale_update_is_a_conflict(self):
        path = self.core + "/configmaps"
        old = self.api.create(path, {"metadata": {"name": "a"}})
        self.api.patch("merge", path + "/a", {"data": {"k": "1"}})
        answer = self.api.request("PUT", path + "/a", old)
        self.assertEqual((answer.status, answer.json["reason"]), (409, "Conflict"))

    def test_apply_tells_of_another_owner(self):
        path = self.core + "/configmaps/a"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}
        self.assertEqual(self.api.apply(path, body, "first").status, 201)
        body["data"]["k"] = "2"
        answer = self.api.apply(path, body, "second")
        self.assertEqual(answer.status, 409)
        self.assertIn("first", answer.json["message"])
        self.assertEqual(self.api.apply(path, body, "second", force=True).json["data"]["k"], "2")
        self.assertEqual(self.api.apply(path, {**body, "data": {}}, "second").json.get("data", {}), {})

    def test_strategic_patches_merge_lists_by_key(self):
        self.api.create(self.apps + "/deployments", deployment("d", 0, env=[{"name": "A", "value": "1"}]))
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "B", "value": "2"}]}]}}}}
        changed = self.api.patch("strategic", self.apps + "/deployments/d", patch)
        environment = changed["spec"]["template"]["spec"]["containers"][0]["env"]
        self.assertEqual({each["name"] for each in environment}, {"A", "B"})

    def test_strict_validation_names_the_field(self):
        body = pod("a")
        body["spec"]["containers"][0]["imagee"] = "x"
        answer = self.api.request("POST", self.core + "/pods?fieldValidation=Strict", body)
        self.assertEqual(answer.status, 400)
        self.assertIn('unknown field "spec.containers[0].imagee"', answer.json["message"])

    def test_invalid_objects_name_every_cause(self):
        body = pod("Not_A_Name")
        body["spec"]["containers"][0]["ports"] = [{"containerPort": 70000}]
        answer = self.api.request("POST", self.core + "/pods", body)
        self.assertEqual((answer.status, answer.json["reason"]), (422, "Invalid"))
        fields = {cause["field"] for cause in answer.json["details"]["causes"]}
        self.assertLessEqual({"metadata.name", "spec.containers[0].ports[0].containerPort"}, fields)

    def test_deletecollection_takes_what_the_selector_says(self):
        path = self.core + "/configmaps"
        for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
            self.api.create(path, {"metadata": {"name": name, "labels": {"l": label}}})
        self.api.delete(path + "?labelSelector=l%3Dx")
        names = {each["metadata"]["name"] for each in self.api.get(path)["items"]}
        self.assertIn("c", names)
        self.assertFalse({"a", "b"} & names)

    def test_dry_run_changes_nothing(self):
        self.api.expect(201, "POST", self.core + "/configmaps?dryRun=All", {"metadata": {"name": "a"}})
        self.api.expect(404, "GET", self.core + "/configmaps/a")

    def test_a_namespace_takes_its_content_along(self):
        space = self.cluster.namespace("going")
        self.api.create(f"/api/v1/namespaces/{space}/configmaps", {"metadata": {"name": "a"}})
        self.api.delete(f"/api/v1/namespaces/{space}")
        eventually(lambda: self.api.request("GET", f"/api/v1/namespaces/{space}").status == 404, 30, "namespace gone")
        self.assertEqual(self.api.get(f"/api/v1/namespaces/{space}/configmaps")["items"], [])

    def test_dependents_go_with_their_owner(self):
        owner = self.api.create(self.core + "/configmaps", {"metadata": {"name": "owner"}})
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
        self.api.create(self.core + "/secrets", {"metadata": {"name": "owned", "ownerReferences": [reference]}})
        self.api.delete(self.core + "/configmaps/owner")
        eventually(lambda: self.api.request("GET", self.core + "/secrets/owned").status == 404, 20, "dependent gone")


class BadInput(OnSharedCluster):
    """One clear Status each, and the server goes on."""

    def tearDown(self):
        self.assertEqual(self.api.request("GET", "/readyz").status, 200)

    def refused(self, status, body, content_type="application/json", path="/configmaps", method="POST"):
        answer = self.api.request(method, self.core + path, body, content_type)
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.json["kind"], "Status")
        self.assertEqual(answer.json["status"], "Failure")
        self.assertTrue(answer.json["message"])
        return answer.json["message"]

    def test_malformed_json(self):
        for body in ('{"metadata": {"name": "a"', "[]", '"text"', "{]", "", '{"metadata":{"name":"a\xff"}}'.encode("latin-1")):
            with self.subTest(body=body):
                self.refused(400, body)

    def test_malformed_yaml(self):
        self.refused(400, "kind: ConfigMap\n  metadata: [", "application/yaml")

    def test_wrong_types_name_the_field(self):
        self.assertIn("data", self.refused(400, {"metadata": {"name": "a"}, "data": ["list"]}))
        self.assertIn("replicas", self.api.request("POST", self.apps + "/deployments", {
            **deployment("d"), "spec": {**deployment("d")["spec"], "replicas": "three"}}).json["message"])

    def test_another_kind_than_the_path_says(self):
        self.refused(400, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})

    def test_unknown_media_type(self):
        self.refused(415, "<xml/>", "application/xml")

    def test_a_body_over_three_mebibytes(self):
        self.refused(413, {"metadata": {"name": "a"}, "data": {"k": "x" * (3 * 1024 * 1024 + 1)}})

    def test_deep_nesting(self):
        self.refused(400, '{"metadata":' * 10000 + "1" + "}" * 10000)
        self.refused(400, '{"metadata":{"name":"a","x":' + "[" * 100000 + "]" * 100000 + "}}")
        self.refused(400, "a: " + "[" * 5000 + "]" * 5000, "application/yaml")

    def test_a_yaml_bomb(self):
        lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
        lines += [f"a{n}: &a{n} [" + ",".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 10)]
        self.refused(400, "\n".join(lines), "application/yaml")

    def test_unknown_paths_and_methods(self):
        for method, path, status in (("GET", "/api/v1/nothing", 404), ("GET", "/apis/none.example.com/v1/x", 404),
                                     ("PATCH", self.core + "/configmaps", 405), ("GET", "/api/v1/pods/%zz", 400)):
            with self.subTest(path=path):
                answer = self.api.request(method, path, content_type="application/merge-patch+json",
                                          body={} if method == "PATCH" else None)
                self.assertIn(answer.status, (status, 404), answer)

    def test_an_old_revision_is_gone_and_a_wrong_one_bad(self):
        self.assertEqual(self.api.request("GET", self.core + "/configmaps?resourceVersion=abc").status, 400)
        answer = self.api.request("GET", self.core + "/configmaps?limit=1&continue=nonsense")
        self.assertEqual(answer.status, 400, answer)

    def test_noise_instead_of_tls_and_http(self):
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 4000, b"\0" * 10):
            words = ["busybox", "nc", "-w", "2", self.cluster.host.address, "6443"]
            subprocess.run(words, input=noise, capture_output=True, timeout=20, check=False)
        context = ssl.create_default_context(cadata=self.cluster.credentials().ca)
        context.check_hostname = False
        for noise in (b"\xff\xfe\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                      b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100000):
            self.send_noise(context, noise)

    def send_noise(self, context, noise):
        connection = http.client.HTTPSConnection(self.cluster.host.address, 6443, timeout=5, context=context)
        connection.connect()
        try:
            connection.sock.sendall(noise)
            connection.sock.recv(10000)
        except OSError:
            pass
        connection.close()

    def test_clients_that_leave_in_the_middle(self):
        threads = [threading.Thread(target=self.leave_early) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def leave_early(self):
        client = self.cluster.client()
        connection = client.connect(5)
        connection.putrequest("POST", self.core + "/configmaps")
        connection.putheader("Content-Length", "1000000")
        connection.endheaders()
        connection.send(json.dumps({"metadata": {"name": "half"}}).encode()[:10])
        connection.close()
