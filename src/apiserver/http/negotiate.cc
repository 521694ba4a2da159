#include "http/negotiate.h"

#include <algorithm>
#include <vector>

#include "mk/api/protobuf.h"
#include "mk/base/strings.h"

namespace mk::apiserver {
namespace {

struct MediaType {
  std::string type;
  std::vector<std::pair<std::string, std::string>> parameters;
  double quality = 1;

  std::string_view parameter(std::string_view name) const {
    for (const auto& [key, value] : parameters)
      if (key == name) return value;
    return {};
  }
};

double parse_quality(std::string_view text) {
  // 0, 1, or 0.ddd (RFC 9110 section 12.4.2)
  if (text.substr(0, 1) == "1") return 1;
  if (text.substr(0, 2) != "0.") return 0;
  double value = 0, place = 0.1;
  for (char c : text.substr(2, 3)) {
    value += (c - '0') * place;
    place /= 10;
  }
  return value;
}

MediaType parse_media_type(std::string_view text) {
  MediaType out;
  bool first = true;
  for (const auto part : split(text, ';')) {
    const auto word = trim(part);
    if (first) {
      out.type = to_lower(word);
      first = false;
      continue;
    }
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const auto key = to_lower(trim(word.substr(0, equals)));
    const auto value = trim(word.substr(equals + 1));
    if (key == "q") {
      out.quality = parse_quality(value);
    } else {
      out.parameters.emplace_back(key, value);
    }
  }
  return out;
}

std::vector<MediaType> parse_accept(std::string_view accept) {
  std::vector<MediaType> out;
  for (const auto part : split(accept, ',')) {
    if (!trim(part).empty()) out.push_back(parse_media_type(part));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.quality > b.quality; });
  return out;
}

// True if we can answer in this type; fills in how.
bool acceptable(const MediaType& media, Accepted& out) {
  if (media.quality <= 0) return false;
  out = Accepted();
  if (media.type == "application/com.github.proto-openapi.spec.v2@v1.0+protobuf" ||
      media.type == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf") {
    out.openapi_v2_protobuf = true;
    return true;
  }
  if (media.type == "application/yaml") {
    out.encoding = Encoding::kYaml;
  } else if (media.type == api::kProtobufMediaType) {
    out.encoding = Encoding::kProtobuf;
  } else if (media.type != "application/json" && media.type != "*/*" && media.type != "application/*") {
    return false;
  }
  const auto as = media.parameter("as"), group = media.parameter("g"), version = media.parameter("v");
  if (as.empty()) return true;
  const bool protobuf = out.encoding == Encoding::kProtobuf;
  if (protobuf && (group == "apidiscovery.k8s.io" || as == "Table" || version != "v1")) return false;
  if (group == "apidiscovery.k8s.io") {
    out.aggregated_discovery = as == "APIGroupDiscoveryList" && version == "v2";
    return out.aggregated_discovery;
  }
  if (group != "meta.k8s.io" || (version != "v1" && version != "v1beta1")) return false;
  if (as == "Table") out.transform = Transform::kTable;
  if (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") out.transform = Transform::kPartial;
  return out.transform != Transform::kNone;
}

}  // namespace

Result<Accepted> negotiate(std::string_view accept, bool transforms) {
  Accepted out;
  const auto wanted = parse_accept(accept);
  if (wanted.empty()) return out;
  std::optional<Accepted> protobuf;
  for (const auto& media : wanted) {
    if (!acceptable(media, out) || (!transforms && out.transform != Transform::kNone)) continue;
    if (out.encoding != Encoding::kProtobuf) {
      if (!protobuf) return out;
      protobuf->otherwise = std::make_shared<const Accepted>(out);
      return *protobuf;
    }
    if (!protobuf) protobuf = out;
  }
  if (protobuf) return *protobuf;
  return not_acceptable();
}

Error not_acceptable() {
  return Error(Reason::kNotAcceptable,
               "only the following media types are accepted: application/json, application/yaml, "
               "application/vnd.kubernetes.protobuf (built-in kinds only)");
}

bool is_json(std::string_view content_type) {
  const auto type = parse_media_type(content_type).type;
  return type.empty() || type == "application/json";
}

Result<api::Json> parse_body(std::string_view content_type, std::string_view body,
                             api::FieldProblems* repeated) {
  const auto media = parse_media_type(content_type);
  if (media.type.empty() || media.type == "application/json") {
    auto parsed = api::parse_json(body);
    if (parsed.ok() && repeated) *repeated = api::find_duplicate_keys(body);
    return parsed;
  }
  if (media.type == "application/yaml" || media.type == "application/x-yaml")
    return repeated ? api::parse_yaml(body, *repeated) : api::parse_yaml(body);
  if (media.type == api::kProtobufMediaType) return api::decode_protobuf(body);
  return Error(
      Reason::kUnsupportedMediaType,
      "the body of the request was in an unknown format - accepted media types include: application/json, "
      "application/yaml, application/vnd.kubernetes.protobuf");
}

Result<client::PatchType> patch_type(std::string_view content_type) {
  const auto type = parse_media_type(content_type).type;
  if (type == "application/json-patch+json") return client::PatchType::kJson;
  if (type == "application/merge-patch+json") return client::PatchType::kMerge;
  if (type == "application/strategic-merge-patch+json") return client::PatchType::kStrategicMerge;
  if (type == "application/apply-patch+yaml") return client::PatchType::kApply;
  return Error(Reason::kUnsupportedMediaType,
               "the body of the request was in an unknown format - accepted media types include: "
               "application/json-patch+json, application/merge-patch+json, "
               "application/strategic-merge-patch+json, application/apply-patch+yaml");
}

}  // namespace mk::apiserver
