#pragma once

#include <string>
#include <vector>

#include "mk/api/object.h"
#include "mk/api/resource.h"
#include "mk/api/selector.h"
#include "mk/api/types.h"

namespace mk::apiserver {

// Which objects of a resource a list or watch is about.
struct Filter {
  std::string ns;    // "": all
  std::string name;  // "": all (metadata.name=..., taken out of the field selector)
  api::LabelSelector labels;
  std::vector<api::FieldTerm> fields;

  bool everything() const { return ns.empty() && name.empty() && labels.everything() && fields.empty(); }
  // By key alone, without looking inside.
  bool admits(const api::Key& key) const {
    return (ns.empty() || ns == key.ns) && (name.empty() || name == key.name);
  }
  // By labels and fields, which only the object's inside tells.
  bool selects(const api::Object& object) const;
  bool looks_inside() const { return !labels.everything() || !fields.empty(); }
};

// What a field selector compares: the field as text, absent as "" ("false" for flags).
std::string selected_value(const api::Object& object, const std::string& path);

// From query parameters. kBadRequest: malformed, or a field that this kind cannot be selected by
// (`field label not supported: spec.foo`).
Result<Filter> make_filter(const api::ResourceInfo& resource, std::string ns, std::string_view label_selector,
                           std::string_view field_selector);

}  // namespace mk::apiserver
