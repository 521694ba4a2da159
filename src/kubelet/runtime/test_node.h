#pragma once

#include <signal.h>
#include <sys/mount.h>
#include <catch2/catch.hpp>

#include <thread>

#include "images/testing.h"
#include "mk/base/strings.h"
#include "mk/rt/process.h"
#include "runtime/rootfs.h"
#include "runtime/runtime.h"

// A node with real runc, overlayfs and namespaces, for tests that run as root.
namespace mk::kubelet::testing {

// Says loudly what is missing, so that a skipped test never looks like a passed one.
inline bool skip_without_runtime() {
  std::string missing;
  if (::geteuid() != 0)
    missing = "root";
  else if (!file_exists("/usr/sbin/runc") && !file_exists("/usr/bin/runc"))
    missing = "runc";
  else if (!file_exists("/bin/busybox"))
    missing = "a static /bin/busybox";
  else if (!Cgroups::detect("").ok())
    missing = "mounted cgroups";
  if (missing.empty()) return false;
  WARN("SKIPPED: needs " << missing);
  return true;
}

inline TestImage busybox_image() {
  std::vector<TarEntry> entries = {{"bin/", AE_IFDIR}, {"etc/", AE_IFDIR}, {"tmp/", AE_IFDIR, "", 01777}};
  entries.emplace_back("bin/busybox", AE_IFREG, *read_file("/bin/busybox"));
  for (const char* name : {"sh",    "sleep",   "echo", "cat",      "true", "id",   "ls",    "dd",   "wget",
                           "httpd", "nc",      "ping", "hostname", "seq",  "head", "tail",  "stat", "touch",
                           "ip",    "unshare", "ps",   "stty",     "env",  "grep", "mount", "kill"})
    entries.emplace_back(std::string("bin/") + name, AE_IFLNK, "busybox");
  entries.emplace_back("etc/passwd", AE_IFREG, "root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n",
                       0644);
  entries.emplace_back("etc/group", AE_IFREG, "root:x:0:\nweb:x:1000:\nstaff:x:50:web\n", 0644);
  return make_image({entries, {{"gone", AE_IFREG, "1", 0644}}, {{".wh.gone", AE_IFREG}}}, R"({"Cmd":["sh"]})",
                    Packing::kPlain);
}

struct TestNode {
  explicit TestNode(PodAttachments* network_ = nullptr) : network(network_) {
    root_cgroup = dir.substr(5);
    REQUIRE(images.open().ok());
    write_oci_archive(dir + "/bb.tar", busybox_image(), "busybox:1");
    auto imported = run(loop, images.import(dir + "/bb.tar", ""));
    if (!imported.ok()) FAIL(imported.error().message());
    image = (*imported)[0].id;
    make_runtime();
  }

  ~TestNode() {
    auto pods = run(loop, runtime->snapshot());
    for (const auto& pod : pods)
      for (int attempt = static_cast<int>(pod.sandbox.attempt); attempt >= 0; --attempt) {
        auto removed =
            run(loop, runtime->remove_sandbox(pod.sandbox.pod_uid + "-" + std::to_string(attempt)));
        if (!removed.ok()) WARN(removed.error().message());
      }
    end_runtime();
    cgroups->kill_all("/" + root_cgroup);
    (void)cgroups->remove_pod("kubepods");
    (void)Cgroups::detect("")->remove_pod(root_cgroup);
    auto removed = remove_tree(dir);
    if (!removed.ok()) WARN(removed.error().message());
  }

  // On the loop: cancelling tasks from outside would race with their end.
  void end_runtime() {
    loop.post([this] { runtime.reset(); });
    while (loop.poll() > 0) {
    }
  }

  // As after a restart of mk: a new object that knows nothing.
  void make_runtime() {
    end_runtime();
    RuncRuntime::Settings settings{{},
                                   file_exists("/usr/sbin/runc") ? "/usr/sbin/runc" : "/usr/bin/runc",
                                   handlers,
                                   *Cgroups::detect(root_cgroup)};
    settings.options.data_dir = dir;
    settings.options.run_dir = dir + "/run";
    settings.log_size = 200000;
    settings.log_files = 3;
    cgroups.emplace(*Cgroups::detect(root_cgroup));
    runtime = std::make_unique<RuncRuntime>(loop, *clock, pool, images, network, std::move(settings));
    runtime->on_change([this](const std::string&) { ++changes; });
    const auto started = run(loop, runtime->start());
    if (!started.ok()) FAIL(started.error().message());
  }

  SandboxStatus sandbox(SandboxConfig config) {
    if (config.pod_uid.empty()) config.pod_uid = "uid-" + std::to_string(counter()++);
    config.pod_ns = "default";
    config.pod_name = "test";
    if (config.hostname.empty()) config.hostname = "podone";
    config.cgroup_parent = "kubepods/besteffort/pod" + config.pod_uid;
    auto out = run(loop, runtime->run_sandbox(config));
    if (!out.ok()) FAIL(out.error().message());
    return *out;
  }

  ContainerConfig config(std::string name, std::vector<std::string> argv) {
    ContainerConfig out;
    out.name = std::move(name);
    out.image_id = image;
    out.argv = std::move(argv);
    out.log_path = dir + "/" + out.name + ".log";
    return out;
  }

  std::string create(const std::string& sandbox_id, const ContainerConfig& container) {
    auto id = run(loop, runtime->create_container(sandbox_id, container));
    if (!id.ok()) FAIL(id.error().message());
    return *id;
  }

  std::string start(const std::string& sandbox_id, const ContainerConfig& container) {
    const auto id = create(sandbox_id, container);
    auto started = run(loop, runtime->start_container(id));
    if (!started.ok()) FAIL(started.error().message());
    return id;
  }

  ContainerStatus status(const std::string& id) {
    for (const auto& pod : run(loop, runtime->snapshot()))
      for (const auto& container : pod.containers)
        if (container.id == id) return container;
    return {};
  }

  ContainerStatus wait_exit(const std::string& id) {
    for (int i = 0; i < 20000 && status(id).state != ContainerState::kExited; ++i)
      if (loop.poll() == 0) ::usleep(500);
    const auto out = status(id);
    REQUIRE(out.state == ContainerState::kExited);
    return out;
  }

  // Runs a shell script to its end.
  ContainerStatus script(const std::string& sandbox_id, ContainerConfig container) {
    return wait_exit(start(sandbox_id, container));
  }

  // The texts of a container's log, without times.
  std::string log(const std::string& name) {
    std::string out;
    const std::string content = read_file(dir + "/" + name + ".log").value_or("");
    for (const auto line : split(content, '\n'))
      if (line.size() > 31) out += std::string(line.substr(31)) + "\n";
    return out;
  }

  static int& counter() {
    static int count = 0;
    return count;
  }

  std::string dir = new_dir(), root_cgroup, image;
  PodAttachments* network;
  rt::Loop loop;
  std::unique_ptr<rt::Clock> clock = rt::make_real_clock();
  rt::BlockingPool pool{4};
  LocalImages images{loop, dir, Registries()};
  std::optional<Cgroups> cgroups;
  std::map<std::string, std::string> handlers;  // of the next make_runtime()
  std::unique_ptr<RuncRuntime> runtime;
  int changes = 0;

 private:
  static std::string new_dir() {
    char name[] = "/tmp/mk-node-XXXXXX";
    return ::mkdtemp(name);
  }
};

}  // namespace mk::kubelet::testing
