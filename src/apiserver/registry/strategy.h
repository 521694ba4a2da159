#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mk/api/json.h"
#include "mk/api/validation.h"
#include "registry/context.h"

namespace mk::apiserver {

// What the schema cannot say about a kind: defaults that depend on other fields, what a client may touch, and
// cross-field validation. One small file per kind in strategies/; kinds without one use this class as it is.
// Objects have been decoded by the schema (types are right, unknown fields gone) and have the schema's
// defaults. Everything here is a pure function of its arguments, except allocate/release, which keep
// cluster-wide state.
class Strategy {
 public:
  using Causes = std::vector<Cause>;
  virtual ~Strategy() = default;

  // Defaults of behaviour (restartPolicy, clusterIP family ...). Runs on every write, and is idempotent.
  virtual void set_defaults(api::Json& object) const {}

  // Clears what clients do not set (status) and starts what the server keeps (generation is done by the
  // registry).
  virtual void prepare_for_create(const WriteContext& context, api::Json& object) const;
  // Puts back what this write may not touch: status for the main resource, everything but status and metadata
  // (owners excepted) for the status subresource. Other subresources of a kind are handled by their own
  // handlers.
  virtual void prepare_for_update(const WriteContext& context, api::Json& object, const api::Json& old) const;

  // Creates and updates; context.operation and context.subresource say which.
  virtual void validate(const WriteContext& context, const api::Json& object, Causes& causes) const {}
  // In addition to validate(): immutable fields and allowed transitions, of the object or of what a
  // subresource other than status may change of it.
  virtual void validate_update(const WriteContext& context, const api::Json& object, const api::Json& old,
                               Causes& causes) const {}
  virtual void validate_status_update(const api::Json& object, const api::Json& old, Causes& causes) const {}

  // Deprecation and usage warnings.
  virtual void warn(const api::Json& object, std::vector<std::string>& warnings) const {}

  // Does a change between these two start a new metadata.generation? By default: any difference outside
  // metadata and status, for kinds that have a spec.
  virtual bool new_generation(const api::Json& object, const api::Json& old) const;

  // Dotted paths that this kind of write leaves alone whatever the client sends, so that nobody comes to own
  // them by it.
  virtual std::vector<std::string> reset_fields(const WriteContext& context) const;

  // What the first request to delete an object writes into it, besides the deletion itself.
  virtual void begin_deletion(const WriteContext& context, api::Json& object) const {}

  // Seconds of grace if the client names none; 0: none whatever it says, negative: none unless it does.
  virtual std::int64_t default_grace_seconds(const api::Json& object) const { return 0; }
  virtual bool has_status() const { return true; }
  virtual bool allow_create_on_update() const { return false; }

  // Cluster-wide allocation (a Service's addresses and ports), before validation; must be undone by release()
  // when the write fails later, and is undone when the object is deleted. `old` is null for a create.
  virtual Result<void> allocate(const WriteContext& context, api::Json& object, const api::Json* old) {
    return ok();
  }
  virtual void release(const api::Json& object) {}

  // Writes of other objects that belong in the transaction of this one (a Service's IPAddresses). `object` is
  // null for a removal, `old` for a creation.
  virtual std::vector<store::Operation> companions(const WriteContext& context, const api::Json* object,
                                                   const api::Json* old) const {
    return {};
  }
};

// The strategies of all kinds, by resource ("pods", "deployments.apps").
class StrategySet {
 public:
  // What strategies with state need.
  struct Environment {
    Cacher& cacher;
    std::string service_cidr = "10.43.0.0/16";
    int node_port_first = 30000, node_port_last = 32767;
  };
  explicit StrategySet(Environment environment);  // strategies/all.cc registers every kind

  Strategy& of(const api::ResourceInfo& resource);
  void add(std::string_view qualified_resource, std::unique_ptr<Strategy> strategy);

 private:
  Strategy plain_;
  std::unordered_map<std::string, std::unique_ptr<Strategy>> strategies_;
};

}  // namespace mk::apiserver
