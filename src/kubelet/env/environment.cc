#include "env/environment.h"

#include <fmt/core.h>

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {

std::string upper_name(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == '-' || c == '.') c = '_';
  }
  return out;
}

void add_service(Variables& out, const Json& service) {
  const auto ip = api::str(service, "spec.clusterIP");
  const auto& ports = api::list(service, "spec.ports");
  if (ip.empty() || ip == "None" || ports.empty()) return;
  const std::string prefix = upper_name(api::str(service, "metadata.name"));
  const auto host = ip.find(':') == std::string_view::npos ? std::string(ip) : fmt::format("[{}]", ip);
  out[prefix + "_SERVICE_HOST"] = ip;
  out[prefix + "_SERVICE_PORT"] = std::to_string(api::num(ports.front(), "port"));
  bool first = true;
  for (const Json& port : ports) {
    const auto number = api::num(port, "port");
    const auto protocol = api::str(port, "protocol", "TCP");
    const auto name = api::str(port, "name");
    const std::string link = fmt::format("{}_PORT_{}_{}", prefix, number, protocol);
    const std::string url = fmt::format("{}://{}:{}", to_lower(protocol), host, number);
    if (!name.empty()) out[prefix + "_SERVICE_PORT_" + upper_name(name)] = std::to_string(number);
    if (first) out[prefix + "_PORT"] = url;
    out[link] = url;
    out[link + "_PROTO"] = to_lower(protocol);
    out[link + "_PORT"] = std::to_string(number);
    out[link + "_ADDR"] = ip;
    first = false;
  }
}

void add_services(Variables& out, const EnvironmentInputs& in) {
  const Json& pod = *in.downward.pod;
  const bool links = api::flag(pod, "spec.enableServiceLinks", true);
  const auto ns = api::str(pod, "metadata.namespace");
  const api::Object* kubernetes = nullptr;
  for (const auto& service : in.services) {
    if (service.ns() == "default" && service.name() == "kubernetes")
      kubernetes = &service;
    else if (links && service.ns() == ns)
      add_service(out, service.json());
  }
  if (kubernetes != nullptr) add_service(out, kubernetes->json());
}

Result<void> add_env_from(Variables& out, const Json& container, const EnvironmentInputs& in) {
  for (const Json& source : api::list(container, "envFrom")) {
    const auto prefix = api::str(source, "prefix");
    for (const auto& [field, kind] :
         {std::pair<const char*, const char*>{"configMapRef", "configmap"}, {"secretRef", "secret"}}) {
      const Json* ref = api::find(source, field);
      if (ref == nullptr) continue;
      const std::string name(api::str(*ref, "name"));
      const auto found = in.objects.find(fmt::format("{}s/{}", kind, name));
      if (found == in.objects.end()) {
        if (api::flag(*ref, "optional")) continue;
        return Error(Reason::kInvalid, fmt::format("{} \"{}\" not found", kind, name));
      }
      for (const auto& [key, value] : object_data(found->second)) out[std::string(prefix) + key] = value;
    }
  }
  return ok();
}

// The value of one key of a ConfigMap or Secret; nullopt: optional and not there.
Result<std::optional<std::string>> key_value(const Json& ref, std::string_view kind,
                                             const EnvironmentInputs& in) {
  const std::string name(api::str(ref, "name")), key(api::str(ref, "key"));
  const bool optional = api::flag(ref, "optional");
  const auto found = in.objects.find(fmt::format("{}s/{}", kind, name));
  if (found == in.objects.end()) {
    if (optional) return std::optional<std::string>();
    return Error(Reason::kInvalid, fmt::format("{} \"{}\" not found", kind, name));
  }
  const auto data = object_data(found->second);
  const auto value = data.find(key);
  if (value == data.end()) {
    if (optional) return std::optional<std::string>();
    const auto& object = found->second;
    return Error(Reason::kInvalid,
                 fmt::format("couldn't find key {} in {} {}/{}", key,
                             kind == "secret" ? "Secret" : "ConfigMap", object.ns(), object.name()));
  }
  return std::optional<std::string>(value->second);
}

Result<std::optional<std::string>> value_from(const Json& source, const Json& container,
                                              const EnvironmentInputs& in) {
  if (const Json* ref = api::find(source, "configMapKeyRef")) return key_value(*ref, "configmap", in);
  if (const Json* ref = api::find(source, "secretKeyRef")) return key_value(*ref, "secret", in);
  Result<std::string> value = std::string();
  if (const Json* ref = api::find(source, "fieldRef"))
    value = field_value(in.downward, api::str(*ref, "fieldPath"));
  else if (const Json* resource = api::find(source, "resourceFieldRef"))
    value = resource_value(in.downward, *resource, api::str(container, "name"));
  if (!value.ok()) return std::move(value).error();
  return std::optional<std::string>(std::move(*value));
}

}  // namespace

std::string expand(std::string_view text, const Variables& variables) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
    } else if (text[i + 1] == '$') {
      out += '$';
      ++i;
    } else if (const auto end = text[i + 1] == '(' ? text.find(')', i) : std::string_view::npos;
               end != std::string_view::npos) {
      const auto found = variables.find(std::string(text.substr(i + 2, end - i - 2)));
      out += found != variables.end() ? std::string_view(found->second) : text.substr(i, end - i + 1);
      i = end;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::map<std::string, std::string> object_data(const api::Object& object) {
  std::map<std::string, std::string> out;
  const bool secret = object.kind() == "Secret";
  for (const auto& entry : api::object(object.json(), "data")) {
    const std::string value = text_of(&entry.value());
    out[std::string(entry.key())] = secret ? base64_decode(value).value_or("") : value;
  }
  for (const auto& entry : api::object(object.json(), "binaryData"))
    out[std::string(entry.key())] = base64_decode(text_of(&entry.value())).value_or("");
  return out;
}

std::vector<std::string> referenced_objects(const Json& container) {
  std::vector<std::string> out;
  const auto add = [&](const Json* ref, std::string_view kind) {
    if (ref == nullptr) return;
    std::string key = fmt::format("{}/{}", kind, api::str(*ref, "name"));
    if (std::find(out.begin(), out.end(), key) == out.end()) out.push_back(std::move(key));
  };
  for (const Json& source : api::list(container, "envFrom")) {
    add(api::find(source, "configMapRef"), "configmaps");
    add(api::find(source, "secretRef"), "secrets");
  }
  for (const Json& variable : api::list(container, "env")) {
    add(api::find(variable, "valueFrom.configMapKeyRef"), "configmaps");
    add(api::find(variable, "valueFrom.secretKeyRef"), "secrets");
  }
  return out;
}

Result<Variables> make_environment(const Json& container, const EnvironmentInputs& in) {
  Variables services, out;
  add_services(services, in);
  MK_TRY(add_env_from(out, container, in));
  // Service variables serve "$(...)" references, but never replace what the container defines itself.
  Variables known = services;
  for (const auto& [name, value] : out) known[name] = value;
  for (const Json& variable : api::list(container, "env")) {
    const std::string name(api::str(variable, "name"));
    std::string value;
    if (const Json* source = api::find(variable, "valueFrom")) {
      MK_ASSIGN(auto found, value_from(*source, container, in));
      if (!found) continue;
      value = std::move(*found);
    } else {
      value = expand(api::str(variable, "value"), known);
    }
    known[name] = value;
    out[name] = std::move(value);
  }
  for (const auto& [name, value] : services) out.emplace(name, value);
  for (const auto& [name, value] : in.image) out.emplace(name, value);
  return out;
}

std::vector<std::string> make_argv(const Json& container, const ImageInfo& image,
                                   const Variables& variables) {
  std::vector<std::string> out;
  const auto& command = api::list(container, "command");
  const auto& args = api::list(container, "args");
  if (command.empty()) out = image.entrypoint;
  for (const Json& word : command) out.push_back(expand(text_of(&word), variables));
  if (args.empty() && command.empty()) out.insert(out.end(), image.command.begin(), image.command.end());
  for (const Json& word : args) out.push_back(expand(text_of(&word), variables));
  return out;
}

}  // namespace mk::kubelet
