#include "cli/command.h"

#include <fmt/format.h>

#include <iostream>
#include <string_view>

#include "mk/base/strings.h"
#include "mk/kubectl/kubectl.h"

namespace mk::kubectl {

namespace {

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

const Command* find_command(std::string_view path) {
  for (const Command& command : all_commands()) {
    if (path == command.path) return &command;
  }
  return nullptr;
}

bool is_group(const std::string& word) {
  for (const Command& command : all_commands()) {
    if (starts_with(command.path, word + " ")) return true;
  }
  return false;
}

int print_help(Io& io) {
  io.out << "kubectl controls the Kubernetes cluster manager.\n\nCommands:\n";
  for (const Command& command : all_commands())
    io.out << fmt::format("  {:<24} {}\n", command.path, command.help);
  io.out << "\nUsage:\n  kubectl [flags] [options]\n";
  return 0;
}

int print_group_help(Io& io, const std::string& group) {
  io.out << "Available Commands:\n";
  for (const Command& command : all_commands()) {
    if (starts_with(command.path, group + " "))
      io.out << fmt::format("  {:<24} {}\n", command.path + group.size() + 1, command.help);
  }
  return 0;
}

bool asks_for_help(const std::vector<std::string>& arguments) {
  for (const auto& word : arguments) {
    if (word == "--") return false;
    if (word == "--help" || word == "-h") return true;
  }
  return false;
}

// Takes the next word of the command's name out of the arguments; "" when there is none.
std::string take_word(std::vector<std::string>& arguments) {
  Globals globals;
  Flags flags;
  Invocation::bind_global_flags(flags, globals);
  const auto at = flags.first_positional(arguments);
  if (!at) return "";
  std::string word = arguments[*at];
  arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(*at));
  return word;
}

int run_command(Io& io, const Command& command, std::vector<std::string> arguments) {
  if (asks_for_help(arguments) && std::string_view(command.path) != "exec" &&
      std::string_view(command.path) != "run") {
    io.out << command.help << "\n\nUsage:\n  kubectl " << command.path << " [flags] [options]\n";
    return 0;
  }
  Invocation call(io, command.path, std::move(arguments));
  auto code = command.run(call);
  io.out.flush();
  if (code.ok()) return *code;
  if (!code.error().message().empty()) io.err << error_text(code.error()) << "\n";
  return 1;
}

}  // namespace

Error usage_error(std::string message) {
  return Error(Reason::kBadRequest, std::move(message));
}

std::string error_text(const Error& error) {
  const std::string& message = error.message();
  for (std::string_view known : {"Error from server", "error:", "The connection to the server",
                                 "Unable to connect", "The request is invalid"}) {
    if (starts_with(message, known)) return message;
  }
  if (starts_with(message, "The ") && message.find("\" is invalid") != std::string::npos) return message;
  return "error: " + message;
}

void Invocation::bind_global_flags(Flags& flags, Globals& globals) {
  flags.text("kubeconfig", 0, globals.kubeconfig)
      .text("context", 0, globals.context)
      .text("namespace", 'n', globals.ns)
      .text("server", 's', globals.server)
      .text("token", 0, globals.token)
      .text("as", 0, globals.as)
      .array("as-group", 0, globals.as_groups)
      .text("certificate-authority", 0, globals.ca_file)
      .text("client-certificate", 0, globals.client_certificate)
      .text("client-key", 0, globals.client_key)
      .text("tls-server-name", 0, globals.tls_server_name)
      .text("request-timeout", 0, globals.request_timeout)
      .boolean("insecure-skip-tls-verify", 0, globals.insecure)
      .ignored("v", 'v', true)
      .ignored("cache-dir", 0, true)
      .ignored("match-server-version", 0, false)
      .ignored("warnings-as-errors", 0, false)
      .ignored("cluster", 0, true)
      .ignored("user", 0, true);
}

Result<void> Invocation::parse() {
  auto parsed = flags.parse(arguments);
  if (!parsed)
    return usage_error(fmt::format("{}\nSee 'kubectl {} --help' for usage.", parsed.error().message(), path));
  words = std::move(parsed->positional);
  dash = parsed->dash;
  return ok();
}

Result<Session*> Invocation::connect() {
  if (!session_) {
    MK_ASSIGN(session_, Session::open(globals));
  }
  return session_.get();
}

int run(Io& io, std::vector<std::string> arguments) {
  const bool help = asks_for_help(arguments);
  std::string word = take_word(arguments);
  if (word.empty() || word == "help") return print_help(io);
  if (is_group(word)) {
    std::vector<std::string> rest = arguments;
    const std::string second = take_word(rest);
    if (const Command* command = find_command(word + " " + second))
      return run_command(io, *command, std::move(rest));
    if (find_command(word) == nullptr) {
      if (second.empty() || help) return print_group_help(io, word);
      io.err << fmt::format("error: unknown command \"{} {}\"\n", word, second);
      return 1;
    }
  }
  if (const Command* command = find_command(word)) return run_command(io, *command, std::move(arguments));
  io.err << fmt::format("error: unknown command \"{}\" for \"kubectl\"\n", word);
  return 1;
}

int run_kubectl(std::vector<std::string> arguments) {
  std::ios::sync_with_stdio(false);
  Io io{std::cin, std::cout, std::cerr};
  const int code = run(io, std::move(arguments));
  std::cout.flush();
  return code;
}

}  // namespace mk::kubectl
