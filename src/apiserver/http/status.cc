#include "http/status.h"

namespace mk::apiserver {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

JsonObject details_of(const Error& error) {
  JsonObject details;
  if (!error.name.empty()) details["name"] = api::text(error.name);
  if (!error.group.empty()) details["group"] = api::text(error.group);
  if (!error.kind.empty()) details["kind"] = api::text(error.kind);
  JsonArray causes;
  for (const auto& cause : error.causes) {
    if (cause.field == kContinueField) continue;
    JsonObject item;
    item["reason"] = api::text(cause.type);
    item["message"] = api::text(cause.message);
    item["field"] = api::text(cause.field);
    causes.push_back(std::move(item));
  }
  if (!causes.empty()) details["causes"] = std::move(causes);
  if (error.retry_after_seconds > 0) details["retryAfterSeconds"] = error.retry_after_seconds;
  return details;
}

}  // namespace

Json status_of(const Error& error) {
  JsonObject status;
  status["kind"] = "Status";
  status["apiVersion"] = "v1";
  JsonObject metadata;
  for (const auto& cause : error.causes) {
    if (cause.field == kContinueField) metadata["continue"] = api::text(cause.message);
  }
  status["metadata"] = std::move(metadata);
  status["status"] = "Failure";
  status["message"] = api::text(error.message());
  if (const auto reason = to_string(error.reason()); !reason.empty()) status["reason"] = api::text(reason);
  auto details = details_of(error);
  if (!details.empty()) status["details"] = std::move(details);
  status["code"] = http_code(error.reason());
  return status;
}

Json success_status(std::string_view group, std::string_view kind, std::string_view name,
                    std::string_view uid) {
  JsonObject details;
  details["name"] = api::text(name);
  if (!group.empty()) details["group"] = api::text(group);
  details["kind"] = api::text(kind);
  details["uid"] = api::text(uid);
  JsonObject status;
  status["kind"] = "Status";
  status["apiVersion"] = "v1";
  status["metadata"] = JsonObject();
  status["status"] = "Success";
  status["details"] = std::move(details);
  return status;
}

}  // namespace mk::apiserver
