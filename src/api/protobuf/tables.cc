#include "protobuf/tables.h"

#include "protobuf/presence.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <mutex>

#include "mk/api/schema.h"
#include "mk/base/assert.h"
#include "mk/base/strings.h"
#include "schema/embedded.h"

namespace mk::api::protobuf {
namespace {

constexpr std::string_view kMetaV1 = "k8s.io.apimachinery.pkg.apis.meta.v1.";

// Reads the embedded facts in place. They are part of the program: malformed ones are a bug.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool next_is(char wanted) {
    skip_space();
    return at_ < text_.size() && text_[at_] == wanted;
  }
  bool take(char wanted) {
    if (!next_is(wanted)) return false;
    ++at_;
    return true;
  }
  std::string_view string() {
    MK_ASSERT(take('"'));
    return until('"');
  }
  // What comes before `stop`, which is passed.
  std::string_view until(char stop) {
    const auto end = text_.find(stop, at_);
    MK_ASSERT(end != std::string_view::npos);
    const auto out = text_.substr(at_, end - at_);
    at_ = end + 1;
    return out;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// "k8s.io.api.apps.v1.Deployment" <-> "io.k8s.api.apps.v1.Deployment".
std::string schema_name(std::string_view message) {
  std::string out = "io.k8s." + std::string(message.substr(std::string_view("k8s.io.").size()));
  out = replace_all(std::move(out), ".apiextensions_apiserver.", ".apiextensions-apiserver.");
  return replace_all(std::move(out), ".kube_aggregator.", ".kube-aggregator.");
}

std::string message_name(std::string_view type) {
  if (!type.starts_with("io.k8s.")) return {};
  std::string out = "k8s.io." + std::string(type.substr(std::string_view("io.k8s.").size()));
  out = replace_all(std::move(out), ".apiextensions-apiserver.", ".apiextensions_apiserver.");
  return replace_all(std::move(out), ".kube-aggregator.", ".kube_aggregator.");
}

Form form_of(std::string_view name) {
  static constexpr std::pair<std::string_view, Form> kForms[] = {
      {".meta.v1.Time", Form::kTime},
      {".meta.v1.MicroTime", Form::kMicroTime},
      {".meta.v1.Duration", Form::kDuration},
      {".api.resource.Quantity", Form::kQuantity},
      {".util.intstr.IntOrString", Form::kIntOrString},
      {".runtime.RawExtension", Form::kRaw},
      {".meta.v1.FieldsV1", Form::kRaw},
      {".apiextensions.v1.JSON", Form::kRaw},
      {".meta.v1.Verbs", Form::kItems},
      {".v1.ExtraValue", Form::kItems},
      {".JSONSchemaPropsOrArray", Form::kSchemaOrArray},
      {".JSONSchemaPropsOrBool", Form::kSchemaOrBool},
      {".JSONSchemaPropsOrStringArray", Form::kSchemaOrStrings},
  };
  for (const auto& [suffix, form] : kForms) {
    if (name.ends_with(suffix)) return form;
  }
  return Form::kPlain;
}

// Protobuf spells some names in its own way: "Webhooks", "uID", "xKubernetesListType", "ref" for "$ref".
bool same_name(std::string_view protobuf, std::string_view json) {
  std::size_t at = 0;
  for (const char c : json) {
    if (c == '-' || c == '$') continue;
    if (at == protobuf.size() ||
        std::tolower(static_cast<unsigned char>(c)) != std::tolower(static_cast<unsigned char>(protobuf[at])))
      return false;
    ++at;
  }
  return at == protobuf.size();
}

const Type::Field* json_field(const Type& type, std::string_view name) {
  if (const auto* field = type.field(name)) return field;
  for (const auto& field : type.fields) {
    if (same_name(name, field.name)) return &field;
  }
  return nullptr;
}

bool is_zero_scalar(const Json& value) {
  if (const auto* text = value.if_string()) return text->empty();
  if (const auto* number = value.if_int64()) return *number == 0;
  if (const auto* real = value.if_double()) return *real == 0;
  const auto* truth = value.if_bool();
  return truth && !*truth;
}

class Tables {
 public:
  static Tables& instance() {
    static auto* const tables = new Tables();
    return *tables;
  }

  const Message* find(std::string_view name) {
    const std::lock_guard lock(mutex_);
    return message(name);
  }

 private:
  Tables() {
    Cursor in(embedded_protobuf());
    MK_ASSERT(in.take('{'));
    while (!in.next_is('}')) {
      const auto name = in.string();
      MK_ASSERT(in.take(':') && in.take('{'));
      const auto body = in.until('}');
      in.take(',');
      if (!is_prerelease(name)) index_.emplace_back(name, body);
    }
    std::sort(index_.begin(), index_.end());
  }

  // Makes the message and everything below it, so that readers never need the lock.
  const Message* message(std::string_view name) {
    if (const auto found = messages_.find(name); found != messages_.end()) return found->second.get();
    const auto at = std::lower_bound(index_.begin(), index_.end(), std::pair(name, std::string_view()));
    if (at == index_.end() || at->first != name) return nullptr;
    auto& made = *messages_.emplace(at->first, std::make_unique<Message>()).first->second;
    made.name = at->first;
    made.form = form_of(made.name);
    fill(made, at->second);
    return &made;
  }

  void fill(Message& message, std::string_view body) {
    const Type* type =
        message.form == Form::kPlain ? builtin_schema().type(schema_name(message.name)) : nullptr;
    if (type && type->fields.empty()) type = nullptr;
    Cursor in(body);
    while (in.next_is('"')) {
      Field field;
      field.name = in.string();
      MK_ASSERT(in.take(':') && in.take('['));
      field.number = static_cast<std::uint32_t>(parse_int(trim(in.until(','))).value_or(0));
      const auto label = in.string();
      MK_ASSERT(in.take(','));
      auto value = in.string();
      MK_ASSERT(in.take(']'));
      in.take(',');
      field.label = label == "map" ? Label::kMap : label == "repeated" ? Label::kRepeated : Label::kOptional;
      if (field.label == Label::kMap)
        value.remove_prefix(value.find(',') + 1);  // keys are strings, all of them
      set_scalar(field, value);
      if (type) name_as_json(field, *type);
      field.presence = has_presence(field.name);
      message.fields.push_back(field);
    }
    std::sort(message.fields.begin(), message.fields.end(),
              [](const auto& a, const auto& b) { return a.number < b.number; });
  }

  void set_scalar(Field& field, std::string_view type) {
    static constexpr std::pair<std::string_view, Scalar> kScalars[] = {
        {"string", Scalar::kString}, {"bytes", Scalar::kBytes}, {"int32", Scalar::kInt32},
        {"int64", Scalar::kInt64},   {"bool", Scalar::kBool},   {"double", Scalar::kDouble}};
    for (const auto& [name, scalar] : kScalars) {
      if (type == name) {
        field.scalar = scalar;
        return;
      }
    }
    field.scalar = Scalar::kMessage;
    field.message = message(type);
    MK_ASSERT(field.message != nullptr);
  }

  static void name_as_json(Field& field, const Type& type) {
    if (const auto* known = json_field(type, field.name)) {
      field.name = known->name;
      field.zero_shown = known->default_value && is_zero_scalar(*known->default_value);
    } else {
      field.inlined = field.label == Label::kOptional && field.scalar == Scalar::kMessage;
    }
  }

  std::mutex mutex_;
  std::vector<std::pair<std::string_view, std::string_view>> index_;  // name, fields as text
  std::map<std::string_view, std::unique_ptr<Message>> messages_;
};

}  // namespace

const Field* Message::by_number(std::uint64_t number) const {
  const auto found =
      std::lower_bound(fields.begin(), fields.end(), number,
                       [](const Field& field, std::uint64_t wanted) { return field.number < wanted; });
  return found != fields.end() && found->number == number ? &*found : nullptr;
}

const Message* find_message(std::string_view name) {
  return Tables::instance().find(name);
}

const Message* find_message(const Gvk& kind) {
  if (const auto* type = builtin_schema().type(kind)) return find_message(message_name(type->name));
  // Kinds that the published schema does not list: those of meta.k8s.io and options in any group's name.
  const bool meta = kind.group == "meta.k8s.io" && kind.version == "v1";
  const bool any_group = kind.kind == "DeleteOptions" || kind.kind == "Status";
  if (meta || any_group) return find_message(std::string(kMetaV1) + kind.kind);
  if (kind.group.empty() && kind.version == "v1" && kind.kind == "List")
    return find_message("k8s.io.api.core.v1.List");
  return nullptr;
}

}  // namespace mk::api::protobuf
