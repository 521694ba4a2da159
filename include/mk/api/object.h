#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mk/api/json.h"
#include "mk/api/types.h"
#include "mk/base/bytes.h"

namespace mk::api {

// An API object: an immutable handle to its bytes, its parsed form, or both; each is made from the other when
// first asked for. Copies share. References into json() live as long as any handle to the same object.
// Not thread-safe: objects belong to one loop's thread.
class Object {
 public:
  Object() = default;          // no object
  explicit Object(Json json);  // parsed form first
  // Serialized form first (one JSON object that parses). resource_version, if given, overrides the one
  // inside.
  explicit Object(SharedBytes bytes);

  explicit operator bool() const { return rep_ != nullptr; }

  const Json& json() const;
  SharedBytes bytes() const;

  // metadata and type, read from json().
  std::string_view api_version() const { return str(json(), "apiVersion"); }
  std::string_view kind() const { return str(json(), "kind"); }
  std::string_view name() const { return str(json(), "metadata.name"); }
  std::string_view ns() const { return str(json(), "metadata.namespace"); }
  std::string_view uid() const { return str(json(), "metadata.uid"); }
  std::string_view resource_version() const { return str(json(), "metadata.resourceVersion"); }
  std::int64_t generation() const { return num(json(), "metadata.generation"); }
  bool deleting() const { return find(json(), "metadata.deletionTimestamp") != nullptr; }
  std::string_view label(std::string_view key) const;
  std::string_view annotation(std::string_view key) const;
  Key key() const { return Key(std::string(ns()), std::string(name())); }

  // A changed copy: `edit` gets the JSON of a deep copy.
  template <class F>
  Object with(F&& edit) const {
    Json copy = json();
    edit(copy);
    return Object(std::move(copy));
  }

 private:
  struct Rep;
  std::shared_ptr<const Rep> rep_;
};

// The controlling owner (ownerReferences with controller: true), or nullptr.
const Json* controller_of(const Object& object);
// An ownerReference that makes `owner` the controller and blocks its foreground deletion.
Json owner_reference(const Object& owner);

}  // namespace mk::api
