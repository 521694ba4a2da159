#include <fmt/format.h>

#include <algorithm>

#include "admission/plugins.h"
#include "mk/base/strings.h"
#include "registry/strategies/resources.h"
#include "registry/strategies/workload.h"

namespace mk::apiserver {

using api::Json;
using api::Quantity;

namespace {

const api::Gvr kLimitRanges{"", "v1", "limitranges"};

using Problems = std::vector<std::string>;

// What one container, pod or claim asks for, against one item of a LimitRange.
struct Usage {
  std::string_view type;
  ResourceList requests, limits;
};

const Quantity* amount(const ResourceList& list, const std::string& name) {
  const auto found = list.find(name);
  return found == list.end() ? nullptr : &found->second;
}

void check_min(const Usage& usage, const std::string& name, const Quantity& least, Problems& problems) {
  const auto* request = amount(usage.requests, name);
  const auto* limit = amount(usage.limits, name);
  const auto head = fmt::format("minimum {} usage per {} is {}", name, usage.type, least.str());
  if (!request) {
    problems.push_back(head + ".  No request is specified");
  } else if (*request < least) {
    problems.push_back(fmt::format("{}, but request is {}", head, request->str()));
  }
  if (limit && *limit < least) problems.push_back(fmt::format("{}, but limit is {}", head, limit->str()));
}

void check_max(const Usage& usage, const std::string& name, const Quantity& most, Problems& problems) {
  const auto* request = amount(usage.requests, name);
  const auto* limit = amount(usage.limits, name);
  const auto head = fmt::format("maximum {} usage per {} is {}", name, usage.type, most.str());
  if (usage.type == "PersistentVolumeClaim") {
    if (!request) {
      problems.push_back(head + ".  No request is specified");
    } else if (*request > most) {
      problems.push_back(fmt::format("{}, but request is {}", head, request->str()));
    }
    return;
  }
  if (!limit) {
    problems.push_back(head + ".  No limit is specified");
  } else if (*limit > most) {
    problems.push_back(fmt::format("{}, but limit is {}", head, limit->str()));
  }
  if (request && *request > most)
    problems.push_back(fmt::format("{}, but request is {}", head, request->str()));
}

void check_ratio(const Usage& usage, const std::string& name, const Quantity& most, Problems& problems) {
  const auto* request = amount(usage.requests, name);
  const auto* limit = amount(usage.limits, name);
  const auto head = fmt::format("{} max limit to request ratio per {} is {}", name, usage.type, most.str());
  if (!request || *request == Quantity()) {
    problems.push_back(head + ", but no request is specified or request is 0");
  } else if (!limit || *limit == Quantity()) {
    problems.push_back(head + ", but no limit is specified or limit is 0");
  } else {
    const double ratio =
        static_cast<double>(limit->milli_value()) / static_cast<double>(request->milli_value());
    if (ratio > static_cast<double>(most.milli_value()) / 1000) {
      problems.push_back(fmt::format("{}, but provided ratio is {:f}", head, ratio));
    }
  }
}

void check_item(const Usage& usage, const Json& item, Problems& problems) {
  for (const auto& [name, least] : read_resources(api::object(item, "min")))
    check_min(usage, name, least, problems);
  for (const auto& [name, most] : read_resources(api::object(item, "max")))
    check_max(usage, name, most, problems);
  for (const auto& [name, most] : read_resources(api::object(item, "maxLimitRequestRatio"))) {
    check_ratio(usage, name, most, problems);
  }
}

Usage usage_of(std::string_view type, const Json& container) {
  return {type, read_resources(api::object(container, "resources.requests")),
          read_resources(api::object(container, "resources.limits"))};
}

// Requests and limits of the whole pod.
Usage usage_of_pod(const Json& pod) {
  Usage usage{"Pod", pod_container_requests(*api::find(pod, "spec")), {}};
  for (const auto& container : api::list(pod, "spec.containers")) {
    for (const auto& [name, limit] : read_resources(api::object(container, "resources.limits"))) {
      usage.limits[name] = usage.limits[name] + limit;
    }
  }
  for (const auto& container : api::list(pod, "spec.initContainers")) {
    for (const auto& [name, limit] : read_resources(api::object(container, "resources.limits"))) {
      usage.limits[name] = std::max(usage.limits[name], limit);
    }
  }
  return usage;
}

class LimitRanger : public AdmissionPlugin {
 public:
  explicit LimitRanger(Cacher& cacher) : cacher_(cacher) {}
  std::string_view name() const override { return "LimitRanger"; }

  Result<void> mutate(WriteContext& context, Json* pod, const Json* old) override {
    if (!creates(context, "pods") || pod == nullptr) return ok();
    std::vector<std::string> notes;
    for_each_item(context.ns, [&](const Json& item) {
      if (api::str(item, "type") == "Container") default_pod(*pod, item, notes);
    });
    if (notes.empty()) return ok();
    ensure_object(*pod, "metadata.annotations").as_object()["kubernetes.io/limit-ranger"] =
        api::text("LimitRanger plugin set: " + join(notes, "; "));
    // What was decided before these were there.
    if (api::find(*pod, "status.qosClass"))
      api::set(*pod, "status.qosClass", api::text(qos_class(spec_of(*pod))));
    return ok();
  }

  Result<void> validate(const WriteContext& context, const Json* object, const Json* old) override {
    if (object == nullptr) return ok();
    Problems problems;
    if (creates(context, "pods") ||
        (context.resource->gvr.qualified() == "pods" && context.subresource == "resize")) {
      for_each_item(context.ns, [&](const Json& item) { check_pod(*object, item, problems); });
    } else if (creates(context, "persistentvolumeclaims") || updates(context, "persistentvolumeclaims")) {
      for_each_item(context.ns, [&](const Json& item) {
        if (api::str(item, "type") != "PersistentVolumeClaim") return;
        check_item(
            {"PersistentVolumeClaim", read_resources(api::object(*object, "spec.resources.requests")), {}},
            item, problems);
      });
    }
    if (problems.empty()) return ok();
    return forbidden_by(context, object,
                        problems.size() == 1 ? problems[0] : "[" + join(problems, ", ") + "]");
  }

 private:
  template <class F>
  void for_each_item(const std::string& ns, F&& visit) {
    cacher_.resource(kLimitRanges).for_each(ns, [&](const api::Object& range) {
      for (const auto& item : api::list(range.json(), "spec.limits")) visit(item);
      return true;
    });
  }

  static void check_pod(const Json& pod, const Json& item, Problems& problems) {
    const auto type = api::str(item, "type");
    if (type == "Pod") return check_item(usage_of_pod(pod), item, problems);
    if (type != "Container") return;
    for (const auto field : {"spec.initContainers", "spec.containers"}) {
      for (const auto& container : api::list(pod, field))
        check_item(usage_of("Container", container), item, problems);
    }
  }

  static void default_pod(Json& pod, const Json& item, std::vector<std::string>& notes) {
    for (const auto& [field, what] :
         {std::pair<std::string_view, std::string_view>{"spec.containers", "container"},
          {"spec.initContainers", "init container"}}) {
      auto* containers = edit_list(pod, field);
      if (containers == nullptr) continue;
      for (auto& container : *containers) default_container_resources(container, what, item, notes);
    }
  }

  static void default_container_resources(Json& container, std::string_view what, const Json& item,
                                          std::vector<std::string>& notes) {
    for (const auto& [part, from, word] :
         {std::array<std::string_view, 3>{"requests", "defaultRequest", "request"},
          {"limits", "default", "limit"}}) {
      std::vector<std::string> names;
      for (const auto& entry : api::object(item, from)) {
        auto& amounts = ensure_object(ensure_object(container, "resources"), part).as_object();
        if (amounts.contains(entry.key())) continue;
        amounts[entry.key()] = entry.value();
        names.emplace_back(entry.key());
      }
      if (names.empty()) continue;
      std::sort(names.begin(), names.end());
      notes.push_back(
          fmt::format("{} {} for {} {}", join(names, ", "), word, what, api::str(container, "name")));
    }
  }

  Cacher& cacher_;
};

}  // namespace

std::unique_ptr<AdmissionPlugin> make_limit_ranger(Cacher& cacher) {
  return std::make_unique<LimitRanger>(cacher);
}

}  // namespace mk::apiserver
