#include <fmt/format.h>

#include "mk/base/strings.h"
#include "registry/strategies/names.h"
#include "registry/strategies/simple.h"
#include "registry/strategies/workload.h"

// CertificateSigningRequest: who asks is written down by the server, and nothing of the request changes
// later.
namespace mk::apiserver {

using api::Json;

namespace {

bool is_decision(const Json& condition) {
  const auto type = api::str(condition, "type");
  return type == "Approved" || type == "Denied";
}

void keep_bookkeeping(Json& kept, const Json& object) {
  for (const auto field : {"metadata.managedFields", "metadata.resourceVersion"}) {
    if (const Json* value = api::find(object, field)) api::set(kept, field, *value);
  }
}

const Json* condition_of(const Json& csr, std::string_view type) {
  for (const auto& condition : api::list(csr, "status.conditions")) {
    if (api::str(condition, "type") == type) return &condition;
  }
  return nullptr;
}

// The conditions as they come, in their order, with the times that are missing; decisions that were made stay
// as they are unless this is one.
void stamp_conditions(Json& csr, const Json& old, bool decides, std::string_view now) {
  api::JsonArray conditions;
  for (const auto& condition : api::list(csr, "status.conditions")) {
    const Json* before = condition_of(old, api::str(condition, "type"));
    if (before != nullptr && is_decision(condition) && !decides) {
      conditions.push_back(*before);
      continue;
    }
    Json stamped = condition;
    default_to(stamped, "lastUpdateTime", api::text(now));
    const bool same = before && api::str(*before, "status") == api::str(condition, "status");
    default_to(stamped, "lastTransitionTime",
               api::text(same ? api::str(*before, "lastTransitionTime", now) : now));
    conditions.push_back(std::move(stamped));
  }
  if (conditions.empty()) {
    api::erase(csr, "status.conditions");
  } else {
    api::set(csr, "status.conditions", std::move(conditions));
  }
}

class CertificateRequestStrategy : public Strategy {
 public:
  void prepare_for_create(const WriteContext& context, Json& csr) const override {
    csr.as_object()["status"] = api::JsonObject();
    Json& spec = ensure_object(csr, "spec");
    for (const auto field : {"username", "uid", "groups", "extra"}) api::erase(spec, field);
    api::set(spec, "username", api::text(context.user.name));
    if (!context.user.uid.empty()) api::set(spec, "uid", api::text(context.user.uid));
    api::JsonArray groups;
    for (const auto& group : context.user.groups) groups.push_back(api::text(group));
    if (!groups.empty()) api::set(spec, "groups", std::move(groups));
    for (const auto& [key, values] : context.user.extra) {
      api::JsonArray texts;
      for (const auto& value : values) texts.push_back(api::text(value));
      ensure_object(spec, "extra").as_object()[key] = std::move(texts);
    }
  }

  void prepare_for_update(const WriteContext& context, Json& csr, const Json& old) const override {
    if (context.subresource == "approval" || context.subresource == "status") {
      // Of the status an approval changes the conditions alone.
      const bool decides = context.subresource == "approval";
      Json kept = old;
      copy_field(kept, csr, decides ? "status.conditions" : "status");
      copy_field(kept, csr, "metadata.annotations");
      stamp_conditions(kept, old, decides, context.now);
      keep_bookkeeping(kept, csr);
      csr = std::move(kept);
      return;
    }
    Strategy::prepare_for_update(context, csr, old);
    copy_field(csr, old, "spec");
  }

  void validate(const WriteContext& context, const Json& csr, Causes& causes) const override {
    Report report(causes);
    const Path path("spec");
    const Json& spec = spec_of(csr);
    const auto request = base64_decode(api::str(spec, "request"));
    if (!request || request->find("-----BEGIN CERTIFICATE REQUEST-----") == std::string::npos) {
      report.invalid(path.child("request"), api::str(spec, "request"),
                     "PEM block type must be CERTIFICATE REQUEST");
    }
    if (api::list(spec, "usages").empty()) report.required(path.child("usages"));
    validate_signer(spec, path, report);
    if (api::find(spec, "expirationSeconds") && api::num(spec, "expirationSeconds") < 600) {
      report.invalid(path.child("expirationSeconds"), api::num(spec, "expirationSeconds"),
                     "may not specify a duration less than 600 seconds (10 minutes)");
    }
    validate_conditions(csr, report);
  }

  void validate_status_update(const Json& csr, const Json& old, Causes& causes) const override {
    Report report(causes);
    const auto before = api::str(old, "status.certificate");
    if (!before.empty() && api::str(csr, "status.certificate") != before) {
      report.forbidden(Path("status.certificate"), "updates may not set certificate content");
    }
    // Decisions come and go by approval alone.
    for (const auto& condition : api::list(csr, "status.conditions")) {
      if (is_decision(condition) && condition_of(old, api::str(condition, "type")) == nullptr)
        report.forbidden(
            Path("status.conditions"),
            fmt::format("updates may not add a condition of type \"{}\"", api::str(condition, "type")));
    }
    check_decisions_stay(csr, old, report);
  }

  void validate_update(const WriteContext& context, const Json& csr, const Json& old,
                       Causes& causes) const override {
    if (context.subresource != "approval") return;
    Report report(causes);
    check_decisions_stay(csr, old, report);
  }

  bool new_generation(const Json&, const Json&) const override { return false; }

 private:
  static void check_decisions_stay(const Json& csr, const Json& old, Report& report) {
    for (const auto& condition : api::list(old, "status.conditions")) {
      if (is_decision(condition) && condition_of(csr, api::str(condition, "type")) == nullptr)
        report.forbidden(
            Path("status.conditions"),
            fmt::format("updates may not remove a condition of type \"{}\"", api::str(condition, "type")));
    }
  }

  static void validate_signer(const Json& spec, const Path& path, Report& report) {
    const auto signer = api::str(spec, "signerName");
    if (signer.empty()) return report.required(path.child("signerName"));
    const auto slash = signer.find('/');
    if (slash == std::string_view::npos || slash + 1 == signer.size()) {
      return report.invalid(
          path.child("signerName"), signer,
          "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    }
    if (signer == "kubernetes.io/legacy-unknown") {
      report.invalid(path.child("signerName"), signer,
                     "the legacy signerName is not allowed via this API version");
    }
  }

  static void validate_conditions(const Json& csr, Report& report) {
    bool approved = false, denied = false;
    const Path path("status.conditions");
    const auto& conditions = api::list(csr, "status.conditions");
    for (std::size_t i = 0; i < conditions.size(); ++i) {
      const auto type = api::str(conditions[i], "type");
      approved = approved || type == "Approved";
      denied = denied || type == "Denied";
      const Path condition = path[i];
      if (type.empty()) report.required(condition.child("type"));
      if (type == "Denied" && approved) {
        report.invalid(condition.child("type"), type,
                       "Approved and Denied conditions are mutually exclusive");
      }
    }
  }
};

}  // namespace

void add_certificates(StrategySet& set) {
  set.add("certificatesigningrequests.certificates.k8s.io", std::make_unique<CertificateRequestStrategy>());
}

}  // namespace mk::apiserver
