#include "runtime/runtime.h"

#include "runtime/test_node.h"

using namespace mk;
using namespace mk::kubelet;
using namespace mk::kubelet::testing;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> sh(const std::string& text) {
  return {"/bin/sh", "-c", text};
}

int supervisor_pid(const TestNode& node, const std::string& sandbox) {
  const std::string text = *read_file(node.dir + "/run/pods/" + sandbox + "/supervisor.pid");
  return static_cast<int>(*parse_int(split(text, ' ')[0]));
}

}  // namespace

TEST_CASE("containers run, end with their codes, and are logged", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  const auto pod = node.sandbox({});
  CHECK(pod.ready);
  const auto good =
      node.script(pod.id, node.config("a", sh("echo out; echo err >&2; hostname; ls /gone; exit 7")));
  CHECK(good.exit_code == 7);
  CHECK(good.signal == 0);
  CHECK(good.finished_at >= good.started_at);
  const auto log = node.log("a");
  CHECK(log.find("stdout F out\n") != std::string::npos);
  CHECK(log.find("stderr F err\n") != std::string::npos);
  CHECK(log.find("stdout F podone\n") != std::string::npos);
  CHECK(log.find("No such file") != std::string::npos);  // the whiteout
  const auto killed = node.script(pod.id, node.config("b", sh("kill -9 $$; sleep 1; exit 3")));
  CHECK(killed.exit_code == 3);  // PID 1 is immune against itself
  CHECK(node.changes > 0);
  auto missing = node.config("c", {"/nope"});
  const auto id = run(node.loop, node.runtime->create_container(pod.id, missing));
  REQUIRE_FALSE(id.ok());
  INFO(id.error().message());
  CHECK(id.error().message().find("/nope") != std::string::npos);
  CHECK(run(node.loop, node.runtime->pod(pod.pod_uid))->containers.size() == 2);
}

TEST_CASE("a pod runs with the OCI runtime that its handler names, or not at all", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  const std::string program = node.dir + "/told", told = node.dir + "/told.log";
  const auto* real = file_exists("/usr/sbin/runc") ? "/usr/sbin/runc" : "/usr/bin/runc";
  const std::string script =
      std::string("#!/bin/sh\necho \"$@\" >> ") + told + "\nexec " + real + " \"$@\"\n";
  REQUIRE(write_file(program, script, 0755).ok());
  node.handlers["told"] = program;
  node.make_runtime();
  SandboxConfig config;
  config.handler = "told";
  const auto pod = node.sandbox(config);
  CHECK(node.script(pod.id, node.config("a", sh("exit 4"))).exit_code == 4);
  CHECK(read_file(told)->find(" create ") != std::string::npos);
  config.handler = "nobody";
  config.pod_uid = "uid-nobody";
  config.cgroup_parent = "kubepods/besteffort/poduid-nobody";
  const auto refused = run(node.loop, node.runtime->run_sandbox(config));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message() ==
        "failed to get sandbox runtime: no runtime for \"nobody\" is configured");
  config.handler.clear();
  config.host_users = false;
  const auto mapped = run(node.loop, node.runtime->run_sandbox(config));
  REQUIRE_FALSE(mapped.ok());
  CHECK(mapped.error().message().find("hostUsers: false") != std::string::npos);
}

TEST_CASE("long lines are cut and logs rotate", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  const auto pod = node.sandbox({});
  node.script(
      pod.id,
      node.config("long", sh("head -c 20000 /dev/zero | busybox tr '\\0' x; echo; busybox printf end")));
  const auto log = node.log("long");
  CHECK(log.find("stdout P xxx") == 0);
  CHECK(log.find("\nstdout F xxx") != std::string::npos);
  CHECK(log.find("\nstdout P end\n") != std::string::npos);
  node.script(pod.id,
              node.config("big", sh("i=0; while [ $i -lt 60 ]; do seq 1 2000; i=$((i+1)); done; echo last")));
  const auto ls = rt::run_process_blocking(rt::Command({"/bin/sh", "-c", "ls " + node.dir + "/big.log*"}));
  CHECK(split(trim(ls->out), '\n').size() == 3);
  CHECK(node.log("big").ends_with("stdout F last\n"));
}

TEST_CASE("users, environment, mounts and limits arrive in the container", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  REQUIRE(make_dirs(node.dir + "/vol").ok());
  REQUIRE(write_file(node.dir + "/vol/x", "volume").ok());
  const auto pod = node.sandbox({});
  auto config = node.config("u", sh("id; echo $A-$HOSTNAME; cat /data/x; echo; touch /data/y || echo ro; "
                                    "pwd; grep NoNewPrivs /proc/self/status; "
                                    "grep Seccomp: /proc/self/status; grep CapEff /proc/self/status; cat "
                                    "/proc/1/oom_score_adj; unshare -U true || echo no-unshare"));
  config.env = {"A=b"};
  config.working_dir = "/work/here";
  config.mounts.emplace_back(node.dir + "/vol", "/data", true);
  config.security.run_as_user_name = "web";
  config.security.supplemental_groups = {2000};
  config.security.no_new_privileges = true;
  config.security.seccomp = "RuntimeDefault";
  config.security.drop_capabilities = {"ALL"};
  config.oom_score_adj = 500;
  CHECK(node.script(pod.id, config).exit_code == 0);
  const auto log = node.log("u");
  INFO(log);
  CHECK(log.find("uid=1000(web) gid=1000(web) groups=50(staff),1000(web),2000") != std::string::npos);
  CHECK(log.find("F b-podone\n") != std::string::npos);
  CHECK(log.find("F volume\n") != std::string::npos);
  CHECK(log.find("F ro\n") != std::string::npos);
  CHECK(log.find("F /work/here\n") != std::string::npos);
  CHECK(log.find("NoNewPrivs:\t1") != std::string::npos);
  CHECK(log.find("Seccomp:\t2") != std::string::npos);
  CHECK(log.find("CapEff:\t0000000000000000") != std::string::npos);
  CHECK(log.find("F 500\n") != std::string::npos);
  CHECK(log.find("F no-unshare\n") != std::string::npos);
  auto unknown = node.config("v", sh("true"));
  unknown.security.run_as_user_name = "nobody-here";
  CHECK_FALSE(run(node.loop, node.runtime->create_container(pod.id, unknown)).ok());
  auto privileged = node.config("p", sh("mount -t tmpfs none /tmp && ls /dev/null && echo may"));
  privileged.security.privileged = true;
  privileged.oom_score_adj = -998;
  node.script(pod.id, privileged);
  CHECK(node.log("p").find("F may\n") != std::string::npos);
}

TEST_CASE("exec and attach reach a running container", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  const auto pod = node.sandbox({});
  auto config = node.config("cat", sh("while read line; do echo got $line; done; echo bye"));
  config.stdin = config.stdin_once = true;
  const auto id = node.start(pod.id, config);
  const auto result = run(node.loop, node.runtime->exec_sync(id, sh("echo hi; echo no >&2; exit 5"), 10s));
  if (!result.ok()) FAIL(result.error().message());
  CHECK(result->exit_code == 5);
  CHECK(result->out == "hi\n");
  CHECK(result->err == "no\n");
  const auto slow = run(node.loop, node.runtime->exec_sync(id, {"/bin/sleep", "60"}, 300ms));
  REQUIRE(slow.ok());
  CHECK(slow->timed_out);
  CHECK_FALSE(run(node.loop, node.runtime->exec_sync(id, {"/nope"}, 1s)).ok());
  const auto ps = run(node.loop, node.runtime->exec_sync(id, {"/bin/ps"}, 5s));
  CHECK(ps->out.find("sleep 60") == std::string::npos);

  ExecOptions terminal;
  terminal.argv = {"/bin/sh"};
  terminal.stdin = terminal.tty = true;
  auto shell = run(node.loop, node.runtime->exec(id, terminal));
  if (!shell.ok()) FAIL(shell.error().message());
  (*shell)->resize(101, 33);
  CHECK((*shell)->error() == nullptr);
  REQUIRE(run(node.loop, (*shell)->input()->write_all("stty size; exit 9\n")).ok());
  std::string seen;
  for (;;) {
    const auto data = run(node.loop, (*shell)->output()->read_some(4096));
    if (!data.ok() || data->empty()) break;
    seen += *data;
  }
  CHECK(seen.find("33 101") != std::string::npos);
  CHECK(*run(node.loop, (*shell)->wait()) == 9);

  ExecOptions streams;
  streams.stdin = true;
  auto attached = run(node.loop, node.runtime->attach(id, streams));
  if (!attached.ok()) FAIL(attached.error().message());
  REQUIRE(run(node.loop, (*attached)->input()->write_all("one\n")).ok());
  CHECK(*run(node.loop, (*attached)->output()->read_some(4096)) == "got one\n");
  (*attached)->close_input();  // stdinOnce: the container sees the end
  CHECK(*run(node.loop, (*attached)->output()->read_some(4096)) == "bye\n");
  CHECK(*run(node.loop, (*attached)->wait()) == 0);
  CHECK(node.wait_exit(id).exit_code == 0);
}

TEST_CASE("stop: signal, grace, kill", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  const auto pod = node.sandbox({});
  const auto polite = node.start(
      pod.id, node.config("polite", sh("trap 'exit 4' TERM; echo ready; while true; do sleep 0.1; done")));
  const auto deaf =
      node.start(pod.id, node.config("deaf", sh("trap '' TERM; echo ready; while true; do sleep 1; done")));
  while (node.log("polite").empty() || node.log("deaf").empty()) node.loop.poll();
  CHECK(run(node.loop, node.runtime->stop_container(polite, 10s)).ok());
  CHECK(node.status(polite).exit_code == 4);
  const auto before = std::chrono::steady_clock::now();
  CHECK(run(node.loop, node.runtime->stop_container(deaf, 400ms)).ok());
  CHECK(std::chrono::steady_clock::now() - before < 5s);
  CHECK(node.status(deaf).exit_code == 137);
  CHECK(node.status(deaf).signal == 9);
  CHECK(run(node.loop, node.runtime->remove_container(deaf)).ok());
  CHECK(run(node.loop, node.runtime->remove_container(deaf)).ok());
  CHECK_FALSE(file_exists(node.dir + "/containers/" + deaf));
}

TEST_CASE("a restarted agent finds its pods", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  const auto pod = node.sandbox({});
  const auto stays = node.start(pod.id, node.config("stays", sh("echo up; sleep 1000")));
  const auto ends = node.start(pod.id, node.config("ends", sh("sleep 0.3; echo over; exit 42")));
  node.end_runtime();
  ::usleep(600000);  // it ends while nobody looks
  node.make_runtime();
  const auto found = run(node.loop, node.runtime->pod(pod.pod_uid));
  REQUIRE(found);
  CHECK(found->sandbox.ready);
  CHECK(found->sandbox.id == pod.id);
  CHECK(node.status(stays).state == ContainerState::kRunning);
  CHECK(node.status(ends).state == ContainerState::kExited);
  CHECK(node.status(ends).exit_code == 42);
  CHECK(node.log("ends") == "stdout F over\n");
  CHECK(run(node.loop, node.runtime->exec_sync(stays, {"/bin/true"}, 5s))->exit_code == 0);
  CHECK(run(node.loop, node.runtime->stop_sandbox(pod.id)).ok());
  CHECK(node.status(stays).exit_code == 137);
  CHECK_FALSE(run(node.loop, node.runtime->pod(pod.pod_uid))->sandbox.ready);
  SandboxConfig again;
  again.pod_uid = pod.pod_uid;
  CHECK(node.sandbox(again).attempt == 1);
  CHECK(run(node.loop, node.runtime->pod(pod.pod_uid))->containers.size() == 2);
}

TEST_CASE("a pod whose supervisor dies is ended", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  const auto pod = node.sandbox({});
  const auto id = node.start(pod.id, node.config("x", sh("sleep 1000")));
  REQUIRE(::kill(supervisor_pid(node, pod.id), SIGKILL) == 0);
  const auto status = node.wait_exit(id);
  CHECK(status.exit_code == 137);
  CHECK_FALSE(run(node.loop, node.runtime->pod(pod.pod_uid))->sandbox.ready);
  const auto left = rt::run_process_blocking(
      rt::Command({"/usr/sbin/runc", "--root", node.dir + "/run/runc", "state", id}));
  if (left.ok()) CHECK(left->out.find("running") == std::string::npos);
}

TEST_CASE("a sandbox that a crash left half made is made anew", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  const auto pod = node.sandbox({});
  // As written before the supervisor was started; it runs, but its pid and the network never were noted.
  const auto record = node.dir + "/run/pods/" + pod.id + "/sandbox.json";
  auto json = *api::parse_json(*read_file(record));
  api::set(json, "supervisor", 0);
  api::set(json, "networked", false);
  api::set(json, "ips", api::JsonArray());
  REQUIRE(write_file(record, api::to_json(json)).ok());
  node.make_runtime();
  CHECK_FALSE(run(node.loop, node.runtime->pod(pod.pod_uid))->sandbox.ready);
  REQUIRE(run(node.loop, node.runtime->stop_sandbox(pod.id)).ok());
  SandboxConfig again;
  again.pod_uid = pod.pod_uid;
  const auto next = node.sandbox(again);
  CHECK(next.attempt == 1);
  CHECK(node.script(next.id, node.config("x", sh("exit 3"))).exit_code == 3);
}

TEST_CASE("a container that needs too much memory is reported as such", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  const auto pod = node.sandbox({});
  auto config = node.config("oom", sh("x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done"));
  config.resources.memory_limit = 24 << 20;
  config.resources.pids_limit = 20;
  const auto status = node.script(pod.id, config);
  CHECK(status.exit_code == 137);
  CHECK(status.oom_killed);
}

TEST_CASE("resources change in place", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  const auto pod = node.sandbox({});
  auto config = node.config("r", sh("sleep 1000"));
  config.resources.memory_limit = 64 << 20;
  const auto id = node.start(pod.id, config);
  LinuxResources more;
  more.memory_limit = 128 << 20;
  more.cpu_quota_us = 20000;
  more.cpu_shares = 512;
  const auto updated = run(node.loop, node.runtime->update_resources(id, more));
  if (!updated.ok()) FAIL(updated.error().message());
}

TEST_CASE("a shared pid namespace ends with its container's remains", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  SandboxConfig shared;
  shared.share_processes = true;
  const auto pod = node.sandbox(shared);
  const auto a = node.start(pod.id, node.config("a", sh("sleep 1001 & sleep 1002")));
  const auto b = node.start(pod.id, node.config("b", sh("sleep 1003")));
  const auto ps = run(node.loop, node.runtime->exec_sync(b, {"/bin/ps"}, 5s));
  INFO(ps->out);
  CHECK(ps->out.find("sleep 1002") != std::string::npos);
  CHECK(run(node.loop, node.runtime->stop_container(a, 0s)).ok());
  const auto after = run(node.loop, node.runtime->exec_sync(b, {"/bin/ps"}, 5s));
  CHECK(after->out.find("sleep 100") != std::string::npos);
  CHECK(after->out.find("sleep 1001") == std::string::npos);
}

TEST_CASE("port-forward dials the pod's loopback", "[root]") {
  if (skip_without_runtime()) return;
  TestNode node;
  const auto pod = node.sandbox({});
  node.start(pod.id, node.config("nc", sh("echo hello | nc -l -p 8080")));
  for (int i = 0;; ++i) {
    auto dialed = run(node.loop, node.runtime->dial(pod.id, 8080));
    if (!dialed.ok() && i < 100) {
      ::usleep(20000);
      continue;
    }
    if (!dialed.ok()) FAIL(dialed.error().message());
    CHECK(*run(node.loop, dialed->read_some(100)) == "hello\n");
    break;
  }
  CHECK_FALSE(run(node.loop, node.runtime->dial(pod.id, 8081)).ok());
}

TEST_CASE("how long a pod takes to start", "[root][.measure]") {
  if (skip_without_runtime()) return;
  TestNode node;
  for (int i = 0; i < 8; ++i) {
    const auto now = [] { return std::chrono::steady_clock::now(); };
    const auto start = now();
    const auto pod = node.sandbox({});
    const auto made = now();
    const auto id = node.create(pod.id, node.config("m" + std::to_string(i), sh("sleep 1000")));
    const auto created = now();
    CHECK(run(node.loop, node.runtime->start_container(id)).ok());
    const auto started = now();
    const auto ms = [](auto d) { return std::chrono::duration<double, std::milli>(d).count(); };
    const auto memory = *read_file("/proc/" + std::to_string(supervisor_pid(node, pod.id)) + "/smaps_rollup");
    WARN("sandbox " << ms(made - start) << " create " << ms(created - made) << " start "
                    << ms(started - created) << " ms; " << memory.substr(memory.find("Rss"), 60));
  }
}
