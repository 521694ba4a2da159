#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mk/api/object.h"
#include "mk/api/resource.h"
#include "mk/rt/clock.h"

// Questions about objects that several controllers ask. All pure.
namespace mk::controller {

// --- conditions -----------------------------------------------------------------------------------------
struct Condition {
  Condition(std::string type_, std::string status_, std::string reason_, std::string message_)
      : type(std::move(type_)),
        status(std::move(status_)),
        reason(std::move(reason_)),
        message(std::move(message_)) {}
  std::string type, status, reason, message;
};

// The condition of a type in the object's status.conditions; nullptr when absent.
const api::Json* find_condition(const api::Json& object, std::string_view type);
// Writes a condition into status.conditions: in place if the type is there, else at the end. The transition
// time moves with the status only. Says whether anything changed.
bool set_condition(api::Json& object, const Condition& condition, rt::WallTime now);
bool remove_condition(api::Json& object, std::string_view type);

// --- times ----------------------------------------------------------------------------------------------
// The time at a path; nullopt where there is none.
std::optional<rt::WallTime> time_at(const api::Json& object, std::string_view path);
rt::WallTime created_at(const api::Object& object);

// --- pods -----------------------------------------------------------------------------------------------
bool pod_finished(const api::Json& pod);  // Succeeded or Failed
bool pod_active(const api::Json& pod);    // neither finished nor being deleted
bool pod_ready(const api::Json& pod);
// Since when the pod is ready; nullopt when it is not.
std::optional<rt::WallTime> pod_ready_since(const api::Json& pod);
bool pod_available(const api::Json& pod, std::int64_t min_ready_seconds, rt::WallTime now);

// When the next ready pod becomes available by minReadySeconds alone; nullopt when none is waiting.
std::optional<rt::Duration> next_available(const std::vector<api::Object>& pods,
                                           std::int64_t min_ready_seconds, rt::WallTime now);

// --- owners ---------------------------------------------------------------------------------------------
// The ownerReference that makes `owner`, of kind `gvk`, the controller.
api::Json controller_reference(const api::Object& owner, const api::Gvk& gvk);
bool controlled_by(const api::Object& object, std::string_view uid);
// A pod as a template asks for it: generateName, labels, annotations, finalizers, spec and the owner.
api::Json pod_from_template(const api::Json& pod_template, const api::Object& owner, const api::Gvk& gvk);

// --- numbers --------------------------------------------------------------------------------------------
// An IntOrString of `total`: a number as it is, "25%" scaled and rounded as asked. Malformed text counts as
// 0.
std::int64_t scaled_value(const api::Json* value, std::int64_t total, bool round_up);
bool namespace_terminating(const Error& error);

// Kubernetes' safe alphabet of a 32-bit FNV-1a hash of the value with its keys in order.
std::string stable_hash(const api::Json& value, std::int64_t collisions);
// The value's JSON with the keys of every object in order: equal values, equal text.
std::string canonical_json(const api::Json& value);

}  // namespace mk::controller
