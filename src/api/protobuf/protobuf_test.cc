#include <catch2/catch.hpp>

#include "mk/api/protobuf.h"
#include "mk/api/resource.h"
#include "mk/api/schema.h"
#include "mk/base/strings.h"
#include "protobuf/duration.h"
#include "protobuf/utf8.h"

using namespace mk;
using namespace mk::api;

namespace {

std::string bytes_of(std::string_view hex_text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  std::string digits;
  for (const char c : hex_text) {
    if (c != ' ' && c != '\n') digits.push_back(c);
  }
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out.push_back(static_cast<char>(digit(digits[i]) * 16 + digit(digits[i + 1])));
  return out;
}

// Random values that survive: no nulls, no empty containers (protobuf cannot tell them from none), canonical
// text.
class Generator {
 public:
  explicit Generator(std::uint32_t seed) : state_(seed) {}

  Json value(const Type& type, int depth) {
    switch (type.kind) {
      case Type::Kind::kObject:
        return fields(type, depth);
      case Type::Kind::kMap:
        return JsonObject{{word(), value(*type.element, depth - 1)}};
      case Type::Kind::kArray: {
        JsonArray out;
        for (auto n = 1 + below(2); n > 0; --n) out.push_back(value(*type.element, depth - 1));
        return out;
      }
      case Type::Kind::kString:
        return string(type);
      case Type::Kind::kInteger:
        return type.format == "int64" && below(2) ? Json(-5'000'000'000)
                                                  : Json(static_cast<std::int64_t>(below(5)) - 2 ? 3 : -7);
      case Type::Kind::kNumber:
        return 1.5;
      case Type::Kind::kBoolean:
        return true;
      case Type::Kind::kIntOrString:
        return below(2) ? Json(static_cast<std::int64_t>(below(9))) : Json("10%");
      case Type::Kind::kQuantity:
        return "1500m";
      case Type::Kind::kAny:
        return any(type);
    }
    return nullptr;
  }

 private:
  Json fields(const Type& type, int depth) {
    JsonObject out;
    for (const auto& field : type.fields) {
      if (depth <= 0 || below(3) == 0 || deep(*field.type, depth)) continue;
      // The type of an object within an object (a claim template) is not on the wire.
      if ((field.name == "kind" || field.name == "apiVersion") && type.field("metadata")) continue;
      out.emplace(field.name, value(*field.type, depth - 1));
    }
    return out;
  }
  // A container whose elements would be cut off would be empty.
  static bool deep(const Type& type, int depth) {
    return depth <= 3 && (type.kind == Type::Kind::kArray || type.kind == Type::Kind::kMap);
  }
  Json string(const Type& type) {
    if (type.name.ends_with(".MicroTime")) return "2026-01-02T03:04:05.123456Z";
    if (type.format == "date-time") return "2026-01-02T03:04:05Z";
    return type.format == "byte" ? Json("YQ==") : text(word());
  }
  Json any(const Type& type) {
    if (type.name.ends_with(".JSONSchemaPropsOrBool")) return true;
    if (type.name.ends_with(".JSONSchemaPropsOrStringArray")) return JsonArray{"a"};
    if (type.name.ends_with(".JSONSchemaPropsOrArray")) return JsonObject{{"type", "string"}};
    return JsonObject{{word(), static_cast<std::int64_t>(below(3))}};
  }
  std::uint32_t below(std::uint32_t bound) {
    state_ = state_ * 1664525u + 1013904223u;
    return (state_ >> 8) % bound;
  }
  std::string word() { return std::string(1, static_cast<char>('a' + below(4))); }

  std::uint32_t state_;
};

Json with_kind(Json object, const Gvk& kind) {
  object.get_object()["kind"] = text(kind.kind);
  object.get_object()["apiVersion"] = text(kind.api_version());
  return object;
}

Json round_trip(const Json& object) {
  const auto encoded = encode_protobuf(object);
  INFO((encoded.ok() ? "" : encoded.error().message()));
  REQUIRE(encoded.ok());
  const auto decoded = decode_protobuf(*encoded);
  INFO((decoded.ok() ? "" : decoded.error().message()));
  REQUIRE(decoded.ok());
  return *decoded;
}

Json json(std::string_view text) {
  return parse_json(text).value();
}

// k8s\0, TypeMeta{v1, kind}, raw.
std::string wrapped(std::string_view kind, std::string_view raw) {
  std::string meta = "\x0a\x02v1\x12" + std::string(1, static_cast<char>(kind.size())) + std::string(kind);
  std::string out("k8s\0\x0a", 5);
  out += static_cast<char>(meta.size());
  out += meta + "\x12";
  for (auto size = raw.size();; size >>= 7) {
    out += static_cast<char>(size >= 0x80 ? size | 0x80 : size);
    if (size < 0x80) break;
  }
  return out + std::string(raw);
}

}  // namespace

TEST_CASE("every built-in kind goes to protobuf and back unchanged") {
  std::uint32_t seed = 1;
  int kinds = 0;
  for (const auto& resource : builtin_resources()) {
    const auto* type = builtin_schema().type(resource.gvk());
    if (!type) continue;
    INFO(resource.kind << " " << resource.gvr.api_version());
    REQUIRE(has_protobuf(resource.gvk()));
    Generator random(seed++);
    for (int i = 0; i < 8; ++i) {
      const auto object = with_kind(random.value(*type, 9), resource.gvk());
      const auto back = round_trip(object);
      INFO(to_json(object) << "\n" << to_json(back));
      CHECK(back == object);
    }
    ++kinds;
  }
  CHECK(kinds > 60);
}

TEST_CASE("lists, subresources, options and Status have a form; tables and custom kinds have none") {
  for (const Gvk& kind :
       {Gvk{"", "v1", "PodList"}, Gvk{"autoscaling", "v1", "Scale"}, Gvk{"policy", "v1", "Eviction"},
        Gvk{"authentication.k8s.io", "v1", "TokenRequest"},
        Gvk{"authorization.k8s.io", "v1", "SelfSubjectAccessReview"}, Gvk{"apps", "v1", "DeleteOptions"},
        Gvk{"", "v1", "DeleteOptions"}, Gvk{"", "v1", "Status"}, Gvk{"", "v1", "APIResourceList"},
        Gvk{"", "v1", "Binding"}, Gvk{"meta.k8s.io", "v1", "PartialObjectMetadataList"},
        Gvk{"apiextensions.k8s.io", "v1", "CustomResourceDefinition"},
        Gvk{"apiregistration.k8s.io", "v1", "APIService"}}) {
    INFO(kind.kind);
    CHECK(has_protobuf(kind));
  }
  CHECK_FALSE(has_protobuf({"meta.k8s.io", "v1", "Table"}));
  CHECK_FALSE(has_protobuf({"example.com", "v1", "Widget"}));
  CHECK_FALSE(encode_protobuf(json(R"({"kind":"Widget","apiVersion":"example.com/v1"})")).ok());
}

TEST_CASE("a Namespace and a Pod, byte by byte") {
  const auto ns = json(R"({"kind":"Namespace","apiVersion":"v1","metadata":{"name":"a"}})");
  const auto ns_bytes = bytes_of(
      "6b 38 73 00"
      "0a 0f 0a 02 76 31 12 09 4e 61 6d 65 73 70 61 63 65"  // typeMeta {v1, Namespace}
      "12 05 0a 03 0a 01 61"                                // raw: metadata {name "a"}
      "1a 00 22 00");                                       // contentEncoding, contentType
  CHECK(hex(encode_protobuf(ns).value()) == hex(ns_bytes));
  CHECK(decode_protobuf(ns_bytes).value() == ns);

  const auto pod = json(R"({"kind":"Pod","apiVersion":"v1",
    "metadata":{"name":"p","labels":{"k":"v"},"creationTimestamp":"1970-01-01T00:00:05Z"},
    "spec":{"volumes":[{"name":"d","emptyDir":{"sizeLimit":"1Gi"}}],
            "containers":[{"name":"c","livenessProbe":{"httpGet":{"port":"web"},"periodSeconds":3},
                           "resources":{"limits":{"cpu":"1"}}}],
            "terminationGracePeriodSeconds":0}})");
  const auto pod_bytes = bytes_of(
      "6b 38 73 00"
      "0a 09 0a 02 76 31 12 03 50 6f 64"           // typeMeta {v1, Pod}
      "12 4d"                                      // raw
      "0a 11"                                      //   metadata
      "0a 01 70"                                   //     name "p"
      "42 04 08 05 10 00"                          //     creationTimestamp {5, 0}
      "5a 06 0a 01 6b 12 01 76"                    //     labels {k: v}
      "12 38"                                      //   spec
      "0a 0e 0a 01 64"                             //     volumes {name "d",
      "12 09 12 07 12 05 0a 03 31 47 69"           //       volumeSource {emptyDir {sizeLimit {"1Gi"}}}}
      "12 24 0a 01 63"                             //     containers {name "c",
      "42 0c 0a 0a 0a 03 63 70 75 12 03 0a 01 31"  //    resources {limits {cpu: {"1"}}},
      "52 11 0a 0d 12 0b 12 09"                    //       livenessProbe {handler {httpGet {port
      "08 01 10 00 1a 03 77 65 62"                 //         {string, 0, "web"}}}
      "20 03"                                      //         periodSeconds 3}}
      "20 00"                                      //     terminationGracePeriodSeconds 0
      "1a 00 22 00");
  CHECK(hex(encode_protobuf(pod).value()) == hex(pod_bytes));
  CHECK(decode_protobuf(pod_bytes).value() == pod);
}

TEST_CASE("zero means unset but for fields with presence and fields that JSON always shows") {
  // Go writes every scalar without presence: namespace "", generation 0; replicas 0 was really said.
  const auto raw = bytes_of(
      "0a 0b 0a 01 61 12 00 1a 00 38 00 42 00"  // metadata {a, "", "", generation 0, creationTimestamp {}}
      "12 06 08 00 28 00 38 00");               // spec {replicas, minReadySeconds, paused}
  std::string body = wrapped("Deployment", raw);
  body.replace(body.find("v1"), 2, "apps/v1");
  body[body.find("apps/v1") - 1] = 7;
  body[5] = static_cast<char>(body[5] + 5);
  CHECK(
      decode_protobuf(body).value() ==
      json(R"({"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"a"},"spec":{"replicas":0}})"));
  const auto options =
      decode_protobuf(wrapped("DeleteOptions", bytes_of("08 00 22 0a 42 61 63 6b 67 72 6f 75 6e 64")));
  CHECK(
      options.value() ==
      json(
          R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,"propagationPolicy":"Background"})"));
}

TEST_CASE("special forms") {
  const auto crd = json(R"({"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","spec":{
    "group":"g","names":{"kind":"K","plural":"ks"},"scope":"Cluster","versions":[{"name":"v1","served":true,"storage":true,
    "schema":{"openAPIV3Schema":{"$ref":"r","type":"object","x-kubernetes-list-type":"map","x-kubernetes-preserve-unknown-fields":false,
      "default":[1,{"a":"b"}],"enum":["x",null,3],"maximum":2.5,
      "properties":{"p":{"items":{"type":"string"},"additionalProperties":false},"q":{"items":[{"type":"a"},{"type":"b"}],
        "additionalProperties":{"type":"c"},"dependencies":{"d":["e","f"],"s":{"type":"g"}}},"t":{"additionalProperties":true}}}}}]}})");
  CHECK(round_trip(crd) == crd);
  const auto review = json(R"({"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1",
    "spec":{"extra":{"scopes":["a","b"],"none":[]},"nonResourceAttributes":{"path":"/"}}})");
  CHECK(round_trip(review) == review);
  const auto lease = json(
      R"({"kind":"Lease","apiVersion":"coordination.k8s.io/v1","spec":{"renewTime":"1969-12-31T23:59:59.000001Z"}})");
  CHECK(round_trip(lease) == lease);
  const auto secret =
      json(R"({"kind":"Secret","apiVersion":"v1","data":{"a":"AAEC/w==","empty":""},"stringData":{"":"x"}})");
  CHECK(round_trip(secret) == secret);
  const auto hook =
      json(R"({"kind":"ValidatingWebhookConfiguration","apiVersion":"admissionregistration.k8s.io/v1",
    "webhooks":[{"name":"w","rules":[{"operations":["*"],"apiGroups":[""],"scope":"*"}]}]})");
  CHECK(round_trip(hook) == hook);
  const auto revision = json(
      R"({"kind":"ControllerRevision","apiVersion":"apps/v1","data":{"spec":[1,2,{"x":null}]},"revision":3})");
  CHECK(round_trip(revision) == revision);
  CHECK(protobuf::duration_text(5'430'000'000'000) == "1h30m30s");
  CHECK(protobuf::duration_text(-1'500'000'000) == "-1.5s");
  CHECK(protobuf::parse_duration("1h30m30s") == 5'430'000'000'000);
  CHECK(protobuf::parse_duration("-1.5s") == -1'500'000'000);
  CHECK_FALSE(protobuf::parse_duration("1"));
  CHECK_FALSE(protobuf::parse_duration("s"));
}

TEST_CASE("a list in pieces is the list in one") {
  const auto list = json(R"({"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"7"},
    "items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"},"data":{"k":"v"}}]})");
  auto pieces = ProtobufList::begin({"", "v1", "ConfigMapList"}, list.at("metadata"));
  REQUIRE(pieces.ok());
  for (const auto& item : list.at("items").as_array()) REQUIRE(pieces->add(item).ok());
  std::string whole;
  const auto chunks = pieces->finish();
  for (const auto& chunk : chunks) whole += chunk.view();
  CHECK(hex(whole) == hex(encode_protobuf(list).value()));
  CHECK(decode_protobuf(whole).value() == list);
}

TEST_CASE("a watch event is a length and a bare message") {
  const auto ns = json(R"({"kind":"Namespace","apiVersion":"v1"})");
  const auto inside = encode_protobuf(ns).value();
  const auto frame = encode_protobuf_watch_frame("ADDED", ns).value();
  CHECK(hex(frame.substr(0, 15)) == hex(bytes_of("00 00 00 26 0a 05 41 44 44 45 44 12 1d 0a 1b")));
  CHECK(frame.substr(15) == inside);
}

TEST_CASE("malformed bodies are refused with a reason") {
  const auto refused = [](std::string_view body) {
    const auto result = decode_protobuf(body);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().is(Reason::kBadRequest));
    return result.error().message();
  };
  CHECK(refused("").find("does not start with") != std::string::npos);
  CHECK(refused("{}").find("application/json") != std::string::npos);
  CHECK(refused(std::string("k8s\0", 4)).find("'Kind' is missing") != std::string::npos);
  CHECK(refused(wrapped("Widget", "")).find("no kind \"Widget\"") != std::string::npos);
  refused(wrapped("Pod", bytes_of("0a 05 0a")));                             // shorter than it says
  refused(wrapped("Pod", bytes_of("0a ff ff ff ff ff ff ff ff ff 01")));     // 2^64-1 bytes
  refused(wrapped("Pod", bytes_of("0a ff ff ff ff ff ff ff ff ff ff 01")));  // a varint of 11 bytes
  refused(wrapped("Pod", bytes_of("00 00")));                                // field 0
  refused(wrapped("Pod", bytes_of("0e 00")));                                // wire type 6
  refused(wrapped("Pod", bytes_of("9c 06")));                                // the end of no group
  refused(wrapped("Pod", bytes_of("0a 03 0a 01 ff")));                       // no UTF-8
  CHECK(refused(wrapped("Pod", bytes_of("08 01"))).find("wrong wireType = 0 for field metadata") !=
        std::string::npos);
  refused(wrapped("Pod", bytes_of("0a 0e 42 0c 08 ff ff ff ff ff ff ff ff 7f 10 00")));  // a year beyond 9999
  CHECK(decode_protobuf(wrapped("Pod", bytes_of("9b 06 08 01 9c 06"))).ok());  // an unknown group is skipped
  CHECK(decode_protobuf(wrapped("Pod", bytes_of("a1 06 01 02 03 04 05 06 07 08 a5 06 01 02 03 04"))).ok());
  const auto good =
      encode_protobuf(
          json(
              R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","labels":{"k":"v"}},"spec":{"containers":[{"name":"c"}]}})"))
          .value();
  for (std::size_t size = 0; size < good.size(); ++size)
    (void)decode_protobuf(std::string_view(good).substr(0, size)).ok();
}

TEST_CASE("nesting is bounded") {
  // A schema within a schema within ...: "not" is field 28 of JSONSchemaProps.
  Json schema = JsonObject{{"type", "string"}};
  for (int i = 0; i < 400; ++i) schema = JsonObject{{"not", schema}};
  Json crd = json(
      R"({"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","spec":{"versions":[{"schema":{}}]}})");
  crd.at("spec").at("versions").at(0).at("schema").as_object()["openAPIV3Schema"] = schema;
  const auto decoded = decode_protobuf(encode_protobuf(crd).value());
  REQUIRE_FALSE(decoded.ok());
  CHECK(decoded.error().message().find("nested too deeply") != std::string::npos);
}

TEST_CASE("UTF-8 as JSON allows it") {
  CHECK(protobuf::valid_utf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3", "\xff"})
    CHECK_FALSE(protobuf::valid_utf8(bad));
}
