#include "mk/api/object.h"

#include "mk/base/assert.h"

namespace mk::api {

// At least one form is always there; the other is made when first asked for (hence mutable: an Object is
// immutable in value, not in representation).
struct Object::Rep {
  mutable std::optional<Json> json;
  mutable std::optional<SharedBytes> bytes;
};

Object::Object(Json json) {
  auto rep = std::make_shared<Rep>();
  rep->json.emplace(std::move(json));
  rep_ = std::move(rep);
}

Object::Object(SharedBytes bytes) {
  auto rep = std::make_shared<Rep>();
  rep->bytes.emplace(std::move(bytes));
  rep_ = std::move(rep);
}

const Json& Object::json() const {
  static const Json none;
  if (!rep_) return none;
  if (!rep_->json) {
    auto parsed = parse_json(rep_->bytes->view());
    MK_ASSERT(parsed.ok());  // the constructor's contract
    rep_->json.emplace(std::move(parsed).value());
  }
  return *rep_->json;
}

SharedBytes Object::bytes() const {
  if (!rep_) return {};
  if (!rep_->bytes) rep_->bytes.emplace(to_json(*rep_->json));
  return *rep_->bytes;
}

namespace {

std::string_view map_entry(const Json& json, std::string_view map, std::string_view key) {
  const auto* value = object(json, map).if_contains(key);
  const auto* text = value ? value->if_string() : nullptr;
  return text ? std::string_view(*text) : std::string_view();
}

}  // namespace

std::string_view Object::label(std::string_view key) const {
  return map_entry(json(), "metadata.labels", key);
}

std::string_view Object::annotation(std::string_view key) const {
  return map_entry(json(), "metadata.annotations", key);
}

const Json* controller_of(const Object& object) {
  for (const auto& owner : list(object.json(), "metadata.ownerReferences")) {
    if (flag(owner, "controller")) return &owner;
  }
  return nullptr;
}

Json owner_reference(const Object& owner) {
  return JsonObject{{"apiVersion", owner.api_version()},
                    {"kind", owner.kind()},
                    {"name", owner.name()},
                    {"uid", owner.uid()},
                    {"controller", true},
                    {"blockOwnerDeletion", true}};
}

}  // namespace mk::api
