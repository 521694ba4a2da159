#include "iptables.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "mk/base/strings.h"

namespace mk::proxy {

namespace {

constexpr std::string_view kWaitSeconds = "10";  // for who else holds the lock

// PATH, and the system folders that the PATH of a service or of an ordinary user may lack.
std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  const std::string folders =
      std::string(path ? path : "") + ":/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin";
  for (auto folder : split(folders, ':')) {
    if (folder.empty()) continue;
    std::string full = std::string(folder) + "/" + name;
    if (access(full.c_str(), X_OK) == 0) return full;
  }
  return {};
}

Error failed(const std::string& program, const rt::ProcessResult& result) {
  std::string why(trim(result.err));
  if (result.timed_out) why = "did not end in time";
  if (why.find("Permission denied") != std::string::npos || why.find("must be root") != std::string::npos)
    why += " (service rules need root, or CAP_NET_ADMIN and CAP_NET_RAW)";
  return Error(Reason::kInternalError,
               program + " failed (" + std::to_string(result.exit_code) + "): " + why);
}

}  // namespace

bool knows_random_fully(std::string_view version) {
  const auto at = version.find(" v");
  if (at == std::string_view::npos) return true;
  const auto number = version.substr(at + 2, version.find_first_not_of("0123456789.", at + 2) - at - 2);
  std::vector<std::int64_t> parts;
  for (auto part : split(number, '.')) parts.push_back(parse_int(part).value_or(0));
  return parts >= std::vector<std::int64_t>{1, 6, 2};
}

std::vector<std::string> arguments_of(std::string_view rule) {
  std::vector<std::string> out;
  std::string word;
  bool quoted = false, any = false;
  for (char c : rule) {
    if (c == '"') {
      quoted = !quoted, any = true;
    } else if (c == ' ' && !quoted) {
      if (any) out.push_back(std::move(word));
      word.clear(), any = false;
    } else {
      word += c, any = true;
    }
  }
  if (any) out.push_back(std::move(word));
  return out;
}

rt::Task<Result<void>> Iptables::find() {
  iptables_ = find_program("iptables");
  save_ = find_program("iptables-save");
  restore_ = find_program("iptables-restore");
  for (const auto& [name, path] : {std::pair<std::string, std::string>{"iptables", iptables_},
                                   {"iptables-save", save_},
                                   {"iptables-restore", restore_}})
    if (path.empty())
      co_return Error(Reason::kNotFound, "program " + name +
                                             " not found: Services need it; install the package "
                                             "\"iptables\" (version 1.6 or later) and start again");
  MK_CO_ASSIGN(rt::ProcessResult version, co_await run({iptables_, "--version"}, ""));
  random_fully_ = knows_random_fully(version.out);
  co_return ok();
}

rt::Task<Result<rt::ProcessResult>> Iptables::run(std::vector<std::string> argv, std::string input) {
  const std::string program = argv[0];
  rt::Command command(std::move(argv));
  command.input = std::move(input);
  command.output_max = 64 << 20;
  co_return co_await rt::run_process(pool_, std::move(command));
}

rt::Task<Result<Present>> Iptables::present() {
  Present found;
  for (Table table : {Table::kNat, Table::kFilter}) {
    std::vector<std::string> argv{save_, "-t", std::string(table_name(table))};
    MK_CO_ASSIGN(rt::ProcessResult result, co_await run(std::move(argv), ""));
    if (!result.success()) co_return failed("iptables-save", result);
    read_save(table, result.out, found);
  }
  co_return found;
}

rt::Task<Result<void>> Iptables::restore(std::string input) {
  std::vector<std::string> argv{restore_, "-w", std::string(kWaitSeconds), "--noflush"};
  MK_CO_ASSIGN(rt::ProcessResult result, co_await run(std::move(argv), std::move(input)));
  if (!result.success()) co_return failed("iptables-restore", result);
  co_return ok();
}

rt::Task<Result<bool>> Iptables::intact() {
  for (Table table : {Table::kNat, Table::kFilter}) {
    const auto all = jumps();
    const auto jump = std::find_if(all.begin(), all.end(), [&](const Jump& j) { return j.table == table; });
    std::vector<std::string> argv{
        iptables_, "-w", std::string(kWaitSeconds), "-t", std::string(table_name(table)), "-C", jump->from};
    for (auto& argument : arguments_of(jump->rule)) argv.push_back(std::move(argument));
    MK_CO_ASSIGN(rt::ProcessResult result, co_await run(std::move(argv), ""));
    if (result.timed_out || result.exit_code == 4)
      co_return failed("iptables", result);  // 4: the lock is held
    if (!result.success()) co_return false;
  }
  co_return true;
}

}  // namespace mk::proxy
