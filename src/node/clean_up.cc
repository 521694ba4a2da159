#include <unistd.h>

#include <cstdio>

#include "mk/client/https_client.h"
#include "mk/kubelet/leftovers.h"
#include "mk/net/client.h"
#include "mk/node/options.h"
#include "mk/node/runtime_options.h"
#include "mk/proxy/proxy.h"
#include "process.h"

// `mk cleanup`: a restart of mk keeps pods running on purpose; this ends them when mk itself has gone for
// good.
namespace mk::node {
namespace {

void remove_link(const std::string& link, const std::string& target) {
  char there[4096];
  const auto size = link.empty() ? -1 : ::readlink(link.c_str(), there, sizeof there);
  if (size > 0 && std::string(there, static_cast<std::size_t>(size)) == target) ::unlink(link.c_str());
}

class CleanUp {
 public:
  CleanUp(Process& process, Options options) : process_(process), options_(std::move(options)) {}

  rt::Task<> run() {
    auto runtime = kubelet::make_node_runtime(process_.loop, *process_.clock, process_.pool,
                                              runtime_options(options_, ""));
    if (!runtime.ok()) {
      note("runtime", runtime.error());
      co_return;
    }
    co_await remove_pods(*runtime->containers);
    if (auto done = co_await runtime->network->tear_down(); !done.ok()) note("pod network", done.error());
    co_await remove_rules();
    if (auto done = kubelet::remove_leftovers(runtime_options(options_, "")); !done.ok())
      note("files and cgroups", done.error());
    remove_link(plugin_dir(options_), options_.data_dir + "/agent");
  }
  int exit_code() const { return exit_code_; }

 private:
  rt::Task<> remove_pods(kubelet::ContainerRuntime& containers) {
    if (auto started = co_await containers.start(); !started.ok()) {
      note("containers", started.error());
      co_return;
    }
    for (const auto& pod : co_await containers.snapshot()) {
      const auto& id = pod.sandbox.id;
      if (auto stopped = co_await containers.stop_sandbox(id); !stopped.ok()) note(id, stopped.error());
      for (const auto& container : pod.containers) {
        if (auto removed = co_await containers.remove_container(container.id); !removed.ok())
          note(container.id, removed.error());
      }
      if (auto removed = co_await containers.remove_sandbox(id); !removed.ok()) note(id, removed.error());
      for (const auto& older : pod.older) {
        if (auto removed = co_await containers.remove_sandbox(older); !removed.ok())
          note(older, removed.error());
      }
    }
  }

  rt::Task<> remove_rules() {
    // Taking rules down asks no server for anything; the client only completes the proxy.
    net::ClientOptions nowhere;
    nowhere.base_url = "http://127.0.0.1:1";
    auto http = net::make_http_client(process_.loop, *process_.clock, std::move(nowhere));
    MK_ASSERT(http.ok());
    const auto client = client::make_https_client(**http, "mk");
    const auto proxy = proxy::make_proxy(process_.loop, *process_.clock, *process_.random, process_.pool,
                                         *client, proxy::ProxyOptions());
    if (auto done = co_await proxy->tear_down(); !done.ok()) note("service rules", done.error());
  }

  void note(const std::string& what, const Error& error) {
    std::fprintf(stderr, "mk cleanup: %s: %s\n", what.c_str(), error.message().c_str());
    exit_code_ = 1;
  }

  Process& process_;
  Options options_;
  int exit_code_ = 0;
};

}  // namespace

int clean_up(Options options) {
  Process process;
  CleanUp cleaning(process, std::move(options));
  rt::run_until_done(process.loop, cleaning.run());
  return cleaning.exit_code();
}

}  // namespace mk::node
