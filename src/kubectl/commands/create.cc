#include <fmt/format.h>

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>

#include "cli/duration.h"
#include "commands/commands.h"
#include "commands/write.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

// Valid keys only: whatever else lies in a folder is passed over.
bool is_key(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
             std::string_view::npos;
}

struct DataFlags {
  std::vector<std::string> literals, files, env_files;
  void bind(Flags& flags) {
    flags.array("from-literal", 0, literals)
        .array("from-file", 0, files)
        .array("from-env-file", 0, env_files);
  }

  Result<std::vector<std::pair<std::string, std::string>>> read() const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& word : literals) {
      const auto equals = word.find('=');
      if (equals == 0 || equals == std::string::npos)
        return usage_error(fmt::format("invalid literal source {}, expected key=value", word));
      std::string value = word.substr(equals + 1);
      if (value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0])
        value = value.substr(1, value.size() - 2);
      out.emplace_back(word.substr(0, equals), std::move(value));
    }
    for (const auto& word : files) MK_TRY(add_file(word, out));
    for (const auto& path : env_files) {
      MK_ASSIGN(const std::string text, read_file(path));
      for (const auto line : split(text, '\n')) {
        const auto equals = line.find('=');
        if (trim(line).empty() || trim(line)[0] == '#' || equals == std::string_view::npos) continue;
        out.emplace_back(trim(line.substr(0, equals)), line.substr(equals + 1));
      }
    }
    return out;
  }

 private:
  static Result<void> add_file(const std::string& word,
                               std::vector<std::pair<std::string, std::string>>& out) {
    const auto equals = word.find('=');
    const std::string path = equals == std::string::npos ? word : word.substr(equals + 1);
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0)
      return usage_error(fmt::format("error reading {}: no such file or directory", path));
    std::vector<std::pair<std::string, std::string>> sources;
    if (!S_ISDIR(info.st_mode)) {
      sources.emplace_back(
          equals == std::string::npos ? path.substr(path.rfind('/') + 1) : word.substr(0, equals), path);
    } else if (DIR* dir = ::opendir(path.c_str())) {
      while (const dirent* entry = ::readdir(dir)) {
        struct stat file {};
        const std::string full = path + "/" + entry->d_name;
        if (is_key(entry->d_name) && ::stat(full.c_str(), &file) == 0 && S_ISREG(file.st_mode))
          sources.emplace_back(entry->d_name, full);
      }
      ::closedir(dir);
      std::sort(sources.begin(), sources.end());
    }
    for (const auto& [key, file] : sources) {
      MK_ASSIGN(std::string content, read_file(file));
      out.emplace_back(key, std::move(content));
    }
    return ok();
  }
};

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = c < 0x80 ? 1 : (c >> 5) == 6 ? 2 : (c >> 4) == 14 ? 3 : (c >> 3) == 30 ? 4 : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

Result<int> create_from_files(Invocation& call, const FileFlags& files, const WriteFlags& flags) {
  MK_ASSIGN(auto documents, read_documents(files, call.io));
  if (documents.empty()) return usage_error("no objects passed to create");
  int code = 0;
  for (auto& document : documents) {
    if (flags.client_only()) {
      MK_TRY(flags.report(call.io, document.object, "created"));
      continue;
    }
    MK_ASSIGN(Session * session, call.connect());
    auto target = target_of(*session, document.object);
    if (!target) return std::move(target).error();
    target->name.clear();
    auto made = session->send("POST", target->path() + flags.validated_query(), document.object);
    if (made.ok()) {
      MK_TRY(flags.report(call.io, *made, "created"));
      continue;
    }
    std::string text = error_text(made.error());
    const auto colon = text.find("): ");
    if (text.substr(0, 17) == "Error from server" && colon != std::string::npos)
      text.insert(colon + 3, fmt::format("error when creating \"{}\": ", document.source));
    call.io.err << text << "\n";
    code = 1;
  }
  return code;
}

}  // namespace

Result<int> run_create(Invocation& call) {
  FileFlags files;
  WriteFlags flags;
  std::string raw;
  files.bind(call.flags);
  flags.bind(call.flags, "kubectl-create");
  call.flags.text("raw", 0, raw);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  if (!call.words.empty())
    return usage_error(fmt::format("unknown command \"{}\" for \"kubectl create\"", call.words[0]));
  if (files.files.empty()) return usage_error("must specify one of -f and -k");
  return create_from_files(call, files, flags);
}

Result<int> run_replace(Invocation& call) {
  FileFlags files;
  WriteFlags flags;
  bool force = false;
  files.bind(call.flags);
  flags.bind(call.flags, "kubectl-replace");
  call.flags.boolean("force", 0, force);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  if (files.files.empty()) return usage_error("must specify one of -f and -k");
  if (force) return usage_error("--force is not supported with replace: delete the object first");
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(auto documents, read_documents(files, call.io));
  for (auto& document : documents) {
    MK_ASSIGN(const Target target, target_of(*session, document.object));
    MK_ASSIGN(const Json made,
              session->send("PUT", target.path() + flags.validated_query(), document.object));
    MK_TRY(flags.report(call.io, made, "replaced"));
  }
  return 0;
}

Result<int> run_create_namespace(Invocation& call) {
  WriteFlags flags;
  flags.bind(call.flags, "kubectl-create");
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  MK_ASSIGN(const std::string name, exact_name(call));
  return create_and_report(call, flags, named("v1", "Namespace", name));
}

Result<int> run_create_service_account(Invocation& call) {
  WriteFlags flags;
  flags.bind(call.flags, "kubectl-create");
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  MK_ASSIGN(const std::string name, exact_name(call));
  return create_and_report(call, flags, named("v1", "ServiceAccount", name));
}

Result<int> run_create_configmap(Invocation& call) {
  WriteFlags flags;
  DataFlags source;
  flags.bind(call.flags, "kubectl-create");
  source.bind(call.flags);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  MK_ASSIGN(const std::string name, exact_name(call));
  MK_ASSIGN(const auto pairs, source.read());
  JsonObject data, binary;
  for (const auto& [key, value] : pairs) {
    if (data.contains(key) || binary.contains(key))
      return usage_error(fmt::format(
          "cannot add key \"{}\", another key by that name already exists in Data for ConfigMap \"{}\"", key,
          name));
    if (is_utf8(value))
      data[key] = api::text(value);
    else
      binary[key] = api::text(base64_encode(value));
  }
  Json object = named("v1", "ConfigMap", name);
  if (!data.empty()) object.as_object()["data"] = std::move(data);
  if (!binary.empty()) object.as_object()["binaryData"] = std::move(binary);
  return create_and_report(call, flags, std::move(object));
}

Result<int> run_create_secret(Invocation& call) {
  WriteFlags flags;
  DataFlags source;
  std::string type = "Opaque", cert, key;
  const bool tls = call.path == "create secret tls";
  flags.bind(call.flags, "kubectl-create");
  source.bind(call.flags);
  call.flags.text("type", 0, type).text("cert", 0, cert).text("key", 0, key);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  if (call.words.empty() || (call.words[0] != "generic" && call.words[0] != "tls"))
    return usage_error(
        "expected `create secret generic NAME` or `create secret tls NAME --cert=FILE --key=FILE`");
  const bool is_tls = tls || call.words[0] == "tls";
  call.words.erase(call.words.begin());
  MK_ASSIGN(const std::string name, exact_name(call));
  if (is_tls) {
    if (cert.empty() || key.empty()) return usage_error("--cert and --key must both be given");
    type = "kubernetes.io/tls";
    source.files = {"tls.crt=" + cert, "tls.key=" + key};
  }
  MK_ASSIGN(const auto pairs, source.read());
  JsonObject data;
  for (const auto& [field, value] : pairs) data[field] = api::text(base64_encode(value));
  Json object = named("v1", "Secret", name);
  if (!data.empty()) object.as_object()["data"] = std::move(data);
  object.as_object()["type"] = api::text(type);
  return create_and_report(call, flags, std::move(object));
}

namespace {

// "registry/path/app:1@sha256:..." -> "app": what containers of `create deployment` are called.
std::string container_name(std::string_view image) {
  image = image.substr(image.rfind('/') + 1);
  return std::string(image.substr(0, image.find_first_of(":@")));
}

}  // namespace

Result<int> run_create_deployment(Invocation& call) {
  WriteFlags flags;
  std::vector<std::string> images;
  std::int64_t replicas = 1, port = -1;
  flags.bind(call.flags, "kubectl-create");
  call.flags.list("image", 0, images).number("replicas", 'r', replicas).number("port", 0, port);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  const auto command = take_command(call);
  MK_ASSIGN(const std::string name, exact_name(call));
  if (images.empty()) return usage_error("required flag(s) \"image\" not set");
  if (images.size() > 1 && !command.empty())
    return usage_error("cannot specify multiple --image options and command");
  JsonArray containers, arguments;
  for (const auto& word : command) arguments.push_back(api::text(word));
  for (const auto& image : images) {
    JsonObject container{{"image", api::text(image)}, {"name", api::text(container_name(image))}};
    if (!arguments.empty()) container["command"] = arguments;
    if (port >= 0) container["ports"] = JsonArray{JsonObject{{"containerPort", port}}};
    containers.push_back(std::move(container));
  }
  const JsonObject labels{{"app", api::text(name)}};
  Json object = named("apps/v1", "Deployment", name);
  api::set(object, "metadata.labels", labels);
  api::set(object, "spec.replicas", replicas);
  api::set(object, "spec.selector.matchLabels", labels);
  api::set(object, "spec.template.metadata.labels", labels);
  api::set(object, "spec.template.spec.containers", std::move(containers));
  return create_and_report(call, flags, std::move(object));
}

Result<int> run_create_token(Invocation& call) {
  std::vector<std::string> audiences;
  std::string duration = "0", output;
  call.flags.list("audience", 0, audiences).text("duration", 0, duration).text("output", 'o', output);
  MK_TRY(call.parse());
  MK_ASSIGN(const std::string name, exact_name(call));
  MK_ASSIGN(const auto lifetime, parse_duration(duration));
  MK_ASSIGN(Session * session, call.connect());
  Json request(JsonObject{
      {"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}, {"spec", JsonObject{}}});
  JsonArray wanted;
  for (const auto& audience : audiences) wanted.push_back(api::text(audience));
  if (!wanted.empty()) api::set(request, "spec.audiences", std::move(wanted));
  if (lifetime.count() > 0)
    api::set(request, "spec.expirationSeconds",
             std::chrono::duration_cast<std::chrono::seconds>(lifetime).count());
  const std::string path =
      "/api/v1/namespaces/" + url_encode(session->ns()) + "/serviceaccounts/" + url_encode(name) + "/token";
  MK_ASSIGN(const Json answer, session->send("POST", path, request));
  if (output.empty()) {
    call.io.out << api::str(answer, "status.token") << "\n";
    return 0;
  }
  PrinterOptions options;
  options.output = output;
  MK_ASSIGN(auto printer, make_printer(options));
  if (printer) MK_TRY(printer->print(answer, call.io.out));
  return 0;
}

}  // namespace mk::kubectl
