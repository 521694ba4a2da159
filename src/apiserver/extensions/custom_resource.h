#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mk/api/jsonpath.h"
#include "mk/api/object.h"
#include "mk/api/structural.h"
#include "mk/api/table.h"
#include "registry/strategy.h"

namespace mk::apiserver {

// Where the Scale of a custom resource lies in it: dotted paths, "" for none.
struct ScalePaths {
  std::string replicas, status_replicas, selector;
};

// Rules over whole objects that a schema carries beside its types (x-kubernetes-validations).
class ObjectRules {
 public:
  virtual ~ObjectRules() = default;
  // `old` is null for creates.
  virtual void check(const api::Json& object, const api::Json* old, std::vector<Cause>& causes) const = 0;
};

// One version of a CRD, compiled: everything that the resource table's entry for it brings along. Immutable;
// a changed definition makes new ones.
class CustomResource final : public api::ResourceExtension {
 public:
  using Schema = std::shared_ptr<const api::StructuralSchema>;
  struct Version {
    std::string name;
    Schema schema;
  };

  // `definition` is the whole CRD, `version` the entry of spec.versions, `storage` the version that is
  // stored.
  CustomResource(const api::Json& definition, const api::Json& version, Schema schema, Version storage);
  ~CustomResource() override;

  const api::Type& type() const override { return schema_->type(); }
  const api::StructuralSchema& schema() const { return *schema_; }
  Strategy& strategy() const { return *strategy_; }
  const std::optional<ScalePaths>& scale() const { return scale_; }
  bool has_status() const { return has_status_; }
  const std::string& list_kind() const { return list_kind_; }
  // What whoever uses a deprecated version is told; "" when it is not.
  const std::string& deprecation_warning() const { return deprecation_warning_; }
  // The definition is being deleted: nothing new is made.
  bool terminating() const { return terminating_; }
  // nullptr: the schema has none.
  const ObjectRules* rules() const { return rules_.get(); }

  // A stored object as this version shows it: converted, without what nobody declared, with the defaults of
  // now. Answers the same handle where that changes nothing. (A webhook will have to be asked here instead:
  // then views are filled by a task of their own, in the order of the changes.)
  api::Object show(const api::Object& stored) const;
  // The form in which an object of this version is stored.
  api::Json to_stored(api::Json object) const;

  const std::vector<api::Column>& columns() const { return columns_; }
  api::JsonArray cells(const api::Json& object, std::int64_t now_seconds) const;

 private:
  void read_columns(const api::Json& version);

  std::string group_, version_, list_kind_, deprecation_warning_;
  Schema schema_;
  Version storage_;
  bool has_status_ = false, terminating_ = false;
  std::optional<ScalePaths> scale_;
  std::unique_ptr<const ObjectRules> rules_;
  std::vector<api::Column> columns_;
  std::vector<api::JsonPath> column_paths_;
  std::unique_ptr<Strategy> strategy_;
};

// nullptr for built-in resources.
inline const CustomResource* custom_of(const api::ResourceInfo& resource) {
  return static_cast<const CustomResource*>(resource.extension.get());
}

// The strategy of the objects of a custom resource, which outlives it.
std::unique_ptr<Strategy> make_custom_strategy(const CustomResource& resource);

// What x-kubernetes-validations of a schema say; nullptr where there are none. `causes` gets what does not
// compile; `path` is the schema's field path.
std::unique_ptr<const ObjectRules> make_object_rules(const api::Json& open_api_v3, const std::string& path,
                                                     std::vector<Cause>& causes);

}  // namespace mk::apiserver
