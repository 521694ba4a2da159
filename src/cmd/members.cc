#include <cstdio>

#include "mk/api/json.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"
#include "mk/client/https_client.h"
#include "mk/cmd/verbs.h"
#include "mk/net/client.h"
#include "mk/node/options.h"
#include "mk/pki/kubeconfig.h"
#include "mk/rt/loop.h"
#include "node_flags.h"

// `mk members`: the servers of this cluster, through the API of the one that runs here
// (mk/apiserver/servers.h).
namespace mk::cmd {
namespace {

constexpr const char* kServers = "/mk/v1/servers";
constexpr const char* kUsage =
    "usage: mk members [list]          the servers of the cluster\n"
    "       mk members lead ID         hand this one the leadership\n"
    "       mk members remove ID       for good; it may join again with an empty data directory\n"
    "Flags: --write-kubeconfig FILE    the administrator's kubeconfig, /etc/mk/mk.yaml\n";

struct Question {
  std::string method = "GET", path = kServers;
};

std::optional<Question> question_of(const std::vector<std::string>& words) {
  if (words.empty() || words == std::vector<std::string>{"list"}) return Question{};
  if (words.size() != 2 || !parse_int(words[1])) return std::nullopt;
  const std::string path = std::string(kServers) + "/" + words[1];
  if (words[0] == "lead") return Question{"POST", path + "/lead"};
  if (words[0] == "remove") return Question{"DELETE", path};
  return std::nullopt;
}

void print(const api::Json& list) {
  std::printf("%-18s %-8s %-10s %-24s %s\n", "ID", "ROLE", "REACHABLE", "PEERS", "API");
  for (const auto& server : api::list(list, "items")) {
    const auto text = [&server](const char* name) { return std::string(api::str(server, name)); };
    std::printf("%-18s %-8s %-10s %-24s %s\n", text("id").c_str(), text("role").c_str(),
                api::flag(server, "reachable") ? "yes" : "no", text("peerAddress").c_str(),
                text("apiAddress").c_str());
  }
}

rt::Task<Result<void>> ask(rt::Loop& loop, rt::Clock& clock, pki::Kubeconfig config, Question question) {
  net::ClientOptions options;
  options.base_url = config.server;
  options.ca_pem = config.ca_pem;
  options.client_certificate = {config.client_certificate_pem, config.client_key_pem};
  options.token = config.token;
  MK_CO_ASSIGN(auto http, net::make_http_client(loop, clock, std::move(options)));
  net::Request request(question.method, question.path);
  MK_CO_ASSIGN(auto answer, co_await http->request(std::move(request)));
  if (answer.status != 200) co_return client::error_from_response(answer.status, answer.body);
  MK_CO_ASSIGN(const api::Json json, api::parse_json(answer.body));
  if (question.method == "GET") print(json);
  co_return ok();
}

rt::Task<> ask_and_tell(rt::Loop& loop, rt::Clock& clock, pki::Kubeconfig config, Question question,
                        int& exit_code) {
  const auto asked = co_await ask(loop, clock, std::move(config), std::move(question));
  if (asked.ok()) co_return;
  std::fprintf(stderr, "mk members: %s\n", asked.error().message().c_str());
  exit_code = 1;
}

}  // namespace

int members(std::vector<std::string> arguments) {
  NodeFlags flags;
  const auto read = flags.read(std::move(arguments));
  const auto question = question_of(flags.positional());
  if (!read.ok() || flags.wants_help() || !question) {
    if (!read.ok()) std::fprintf(stderr, "mk members: %s\n", read.error().message().c_str());
    std::fputs(kUsage, stderr);
    return flags.wants_help() ? 0 : 2;
  }
  const auto text = read_file(flags.options().write_kubeconfig);
  const auto config = text.ok() ? pki::parse_kubeconfig(*text) : Result<pki::Kubeconfig>(text.error());
  if (!config.ok()) {
    std::fprintf(stderr, "mk members: %s\n", config.error().message().c_str());
    return 1;
  }
  rt::Loop loop;
  const auto clock = rt::make_real_clock();
  int exit_code = 0;
  rt::run_until_done(loop, ask_and_tell(loop, *clock, *config, *question, exit_code));
  return exit_code;
}

}  // namespace mk::cmd
