#include "http/resource_handlers.h"

#include <algorithm>

#include "extensions/custom_resource.h"
#include "http/front.h"
#include "http/presentation.h"
#include "http/status.h"
#include "mk/api/protobuf.h"
#include "mk/api/schema.h"
#include "mk/base/strings.h"
#include "mk/rt/all.h"
#include "registry/errors.h"
#include "registry/field_problems.h"
#include "registry/subresources.h"

namespace mk::apiserver {

using api::Json;
using api::Object;

namespace {

Result<FieldValidation> field_validation(std::string_view text) {
  if (text.empty() || text == "Warn") return FieldValidation::kWarn;
  if (text == "Strict") return FieldValidation::kStrict;
  if (text == "Ignore") return FieldValidation::kIgnore;
  return Error(Reason::kBadRequest, "fieldValidation: Unsupported value: \"" + std::string(text) +
                                        "\": supported values: \"Ignore\", \"Strict\", \"Warn\"");
}

// "kubectl/v1.32 (linux/amd64) ..." writes as "kubectl".
std::string default_manager(std::string_view user_agent) {
  const auto end = user_agent.find_first_of("/ ");
  const auto name = user_agent.substr(0, end);
  return name.empty() ? "unknown" : std::string(name.substr(0, 128));
}

client::ListOptions list_options(const Call& call) {
  client::ListOptions options;
  options.label_selector = call.query.get("labelSelector");
  options.field_selector = call.query.get("fieldSelector");
  options.resource_version = call.query.get("resourceVersion");
  options.resource_version_match = call.query.get("resourceVersionMatch");
  options.limit = parse_int(call.query.get("limit")).value_or(0);
  options.continue_token = call.query.get("continue");
  return options;
}

// Does the resource, or its subresource, have this verb? Streams to nodes are looked at elsewhere.
bool serves(const api::ResourceInfo& resource, const std::string& subresource, const std::string& verb) {
  if (subresource.empty()) return resource.has_verb(verb);
  const auto& verbs = resource.subresource(subresource)->verbs;
  return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

// Kinds whose deletion answers with the object even when it is gone at once; the others answer with a Status.
bool answers_deleted(const api::Gvr& gvr) {
  constexpr std::string_view kKinds[] = {
      "pods",         "services",       "serviceaccounts",       "persistentvolumes",
      "podtemplates", "resourcequotas", "persistentvolumeclaims"};
  return gvr.group.empty() &&
         std::find(std::begin(kKinds), std::end(kKinds), gvr.resource) != std::end(kKinds);
}

// Each warning once, in order.
std::vector<std::string> unrepeated(std::vector<std::string> warnings) {
  std::vector<std::string> out;
  for (auto& warning : warnings) {
    if (std::find(out.begin(), out.end(), warning) == out.end()) out.push_back(std::move(warning));
  }
  return out;
}

constexpr std::size_t kRemovalsAtOnce = 32;

}  // namespace

// A collection on its way out.
struct ResourceHandlers::Removals {
  Removals(const WriteContext& context_, const client::DeleteOptions& options_,
           const std::vector<Object>& items_)
      : context(context_), options(options_), items(items_) {}
  const WriteContext& context;
  const client::DeleteOptions& options;
  const std::vector<Object>& items;
  std::size_t next = 0;
  std::optional<Error> failure;
};

rt::Task<> ResourceHandlers::handle(Call& call) {
  const RequestInfo& info = call.info;
  if (NodeProxy::handles(info)) {
    co_await nodes_.handle(call);
    co_return;
  }
  if (!info.subresource.empty() && call.resource->subresource(info.subresource) == nullptr) {
    co_await answer_error(call, not_found(call.resource->gvr, info.name + "/" + info.subresource));
    co_return;
  }
  // Nothing is updated or patched without a name.
  const bool nameless = info.name.empty() && (info.verb == "update" || info.verb == "patch");
  if (nameless || !serves(*call.resource, info.subresource, info.verb)) {
    co_await answer_error(call, method_not_supported(call.resource->gvr, info.verb));
    co_return;
  }
  if (const auto* custom = custom_of(*call.resource); custom && !custom->deprecation_warning().empty())
    call.warnings.push_back(custom->deprecation_warning());
  if (const auto* made = virtuals_.reader(call.resource->gvr);
      made && (info.verb == "get" || info.verb == "list")) {
    co_await read(call, *made);
  } else if (info.subresource == "scale") {
    co_await scale(call);
  } else if (info.verb == "get") {
    co_await get(call);
  } else if (info.verb == "list") {
    co_await list(call);
  } else if (info.verb == "watch") {
    co_await watch(call);
  } else if (info.verb == "create") {
    co_await create(call);
  } else if (info.verb == "update") {
    co_await update(call);
  } else if (info.verb == "patch") {
    co_await patch(call);
  } else if (info.verb == "delete") {
    co_await remove(call);
  } else if (info.verb == "deletecollection") {
    co_await remove_collection(call);
  } else {
    co_await answer_error(call, method_not_supported(call.resource->gvr, info.verb));
  }
}

rt::Task<> ResourceHandlers::read(Call& call, const VirtualResources::Read& read) {
  VirtualResources::Query query{call.info.ns, call.info.name, std::string(call.query.get("labelSelector")),
                                std::string(call.query.get("fieldSelector"))};
  auto found = co_await read(std::move(query));
  if (found.ok() && call.info.verb == "get" && found->empty())
    found = not_found(call.resource->gvr, call.info.name);
  if (!found.ok()) {
    co_await answer_error(call, std::move(found).error());
  } else if (call.info.verb == "get") {
    co_await answer_object(call, 200, std::move(found->front()));
  } else {
    ListResult list;
    list.items = std::move(*found);
    co_await answer_list(call, list);
  }
}

rt::Task<> ResourceHandlers::get(Call& call) {
  if (registry_.cacher().may_be_behind(call.query.get("resourceVersion"))) {
    auto current = co_await registry_.cacher().store().linearize();
    if (!current.ok()) {
      co_await answer_error(call, std::move(current).error());
      co_return;
    }
  }
  auto object = registry_.get(*call.resource, api::Key(call.info.ns, call.info.name));
  if (!object.ok()) {
    co_await answer_error(call, std::move(object).error());
    co_return;
  }
  co_await answer_object(call, 200, std::move(object).value());
}

rt::Task<> ResourceHandlers::list(Call& call) {
  client::ListOptions options = list_options(call);
  auto list = co_await list_objects(registry_.cacher(), *call.resource, call.info.ns, std::move(options));
  if (!list.ok()) {
    co_await answer_error(call, std::move(list).error());
    co_return;
  }
  co_await answer_list(call, *list);
}

rt::Task<> ResourceHandlers::answer_list(Call& call, const ListResult& list) {
  const bool protobuf =
      call.accepted.encoding == Encoding::kProtobuf && call.accepted.transform == Transform::kNone;
  if (!protobuf && !sends_bytes(call)) {
    const Json body = present_list(call, list);
    co_await answer_json(call, 200, body);
    co_return;
  }
  auto chunks = protobuf ? co_await protobuf_list_chunks(*call.resource, list)
                         : Result<std::vector<SharedBytes>>(list_chunks(*call.resource, list));
  if (!chunks.ok()) {
    co_await answer_error(call, std::move(chunks).error());
    co_return;
  }
  call.status = 200;
  const std::string_view type = protobuf ? api::kProtobufMediaType : "application/json";
  (void)co_await send_body(call, 200, answer_headers(call, type), std::move(chunks).value());
}

Result<WriteContext> ResourceHandlers::write_context(Call& call) const {
  WriteContext context;
  context.resource = call.resource;
  context.warnings = call.warnings;
  context.user = call.user;
  context.ns = call.resource->namespaced ? call.info.ns : "";
  context.name = call.info.name;
  context.subresource = call.info.subresource;
  context.now = rt::format_time(registry_.clock().now());
  MK_ASSIGN(context.validation, field_validation(call.query.get("fieldValidation")));
  context.field_manager = call.query.get("fieldManager");
  if (context.field_manager.empty())
    context.field_manager = default_manager(call.exchange->request().headers.get("User-Agent"));
  if (context.field_manager.size() > 128)
    return Error(Reason::kBadRequest, "fieldManager: Too long: may not be more than 128 bytes");
  const auto dry_run = call.query.all("dryRun");
  for (const auto& value : dry_run) {
    if (value != "All")
      return Error(Reason::kBadRequest,
                   "dryRun: Unsupported value: \"" + value + "\": supported values: \"All\"");
  }
  context.dry_run = !dry_run.empty();
  context.force = call.query.flag("force");
  context.may_create = [this, &call]() -> Result<void> {
    Attributes asked = attributes_of(call);
    asked.verb = "create";
    const Decision decision = authorizer_.authorize(asked);
    return decision.allowed ? ok() : Result<void>(forbidden_error(asked, decision));
  };
  return context;
}

Result<Json> ResourceHandlers::body(Call& call, WriteContext& context) const {
  const net::Request& request = call.exchange->request();
  const auto content_type = request.headers.get("Content-Type");
  const bool ignore = context.validation == FieldValidation::kIgnore;
  MK_ASSIGN(Json parsed, parse_body(content_type, request.body, ignore ? nullptr : &context.repeated));
  if (!parsed.is_object()) return Error(Reason::kBadRequest, "the body of the request must be one object");
  if (is_json(content_type)) context.document = request.body;
  return parsed;
}

rt::Task<> ResourceHandlers::answer_written(Call& call, WriteContext& context, Result<Written> written) {
  call.warnings = unrepeated(std::move(context.warnings));
  if (!written.ok()) {
    co_await answer_error(call, std::move(written).error());
    co_return;
  }
  co_await answer_object(call, written->created ? 201 : 200, std::move(written->object));
}

rt::Task<> ResourceHandlers::create(Call& call) {
  auto context = write_context(call);
  if (!context.ok()) {
    co_await answer_error(call, std::move(context).error());
    co_return;
  }
  const auto* make = virtuals_.find(call.resource->gvr, call.info.subresource);
  if (make == nullptr && (!call.info.subresource.empty() || !call.info.name.empty())) {
    co_await answer_error(call, method_not_supported(call.resource->gvr, "create"));
    co_return;
  }
  if (make != nullptr && call.accepted.transform != Transform::kNone) {  // what is not stored is no Table
    auto accepted = negotiate(call.exchange->request().headers.get("Accept"), false);
    if (!accepted.ok()) {
      co_await answer_error(call, std::move(accepted).error());
      co_return;
    }
    call.accepted = std::move(accepted).value();
  }
  auto object = body(call, *context);
  if (!object.ok()) {
    co_await answer_error(call, std::move(object).error());
    co_return;
  }
  if (make != nullptr) {
    if (auto checked = report_problems(*context, context->repeated); !checked.ok()) {
      co_await answer_error(call, std::move(checked).error());
      co_return;
    }
    auto made = co_await (*make)(*context, std::move(object).value());
    call.warnings = unrepeated(std::move(context->warnings));
    if (made.ok()) {
      co_await answer_json(call, 201, *made);
    } else {
      co_await answer_error(call, std::move(made).error());
    }
    co_return;
  }
  auto written = co_await registry_.create(*context, std::move(object).value());
  co_await answer_written(call, *context, std::move(written));
}

rt::Task<> ResourceHandlers::update(Call& call) {
  auto context = write_context(call);
  auto object = context.ok() ? body(call, *context) : Result<Json>(context.error());
  if (!object.ok()) {
    co_await answer_error(call, std::move(object).error());
    co_return;
  }
  auto written = co_await registry_.update(*context, std::move(object).value());
  co_await answer_written(call, *context, std::move(written));
}

rt::Task<> ResourceHandlers::patch(Call& call) {
  auto context = write_context(call);
  const net::Request& request = call.exchange->request();
  auto type = context.ok() ? patch_type(request.headers.get("Content-Type"))
                           : Result<client::PatchType>(context.error());
  if (!type.ok()) {
    co_await answer_error(call, std::move(type).error());
    co_return;
  }
  const bool apply = *type == client::PatchType::kApply;
  if (apply && call.query.get("fieldManager").empty()) {
    Error error(Reason::kBadRequest,
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for "
                "apply patch");
    co_await answer_error(call, std::move(error));
    co_return;
  }
  auto parsed = apply ? api::parse_yaml(request.body, context->repeated) : api::parse_json(request.body);
  if (!parsed.ok()) {
    co_await answer_error(call, std::move(parsed).error());
    co_return;
  }
  const bool document = *type == client::PatchType::kMerge || *type == client::PatchType::kStrategicMerge;
  const bool look = document && context->validation != FieldValidation::kIgnore;
  if (auto checked = look ? report_problems(*context, api::find_duplicate_keys(request.body)) : ok();
      !checked.ok()) {
    co_await answer_error(call, std::move(checked).error());
    co_return;
  }
  auto written = co_await registry_.patch(*context, *type, std::move(parsed).value());
  co_await answer_written(call, *context, std::move(written));
}

Result<client::DeleteOptions> ResourceHandlers::delete_options(Call& call) const {
  client::DeleteOptions options;
  const net::Request& request = call.exchange->request();
  Json body = api::JsonObject();
  if (!request.body.empty()) {
    MK_ASSIGN(body, parse_body(request.headers.get("Content-Type"), request.body));
    if (!body.is_object()) return Error(Reason::kBadRequest, "the body of a delete must be DeleteOptions");
  }
  options.uid = api::str(body, "preconditions.uid");
  options.resource_version = api::str(body, "preconditions.resourceVersion");
  options.propagation = api::str(body, "propagationPolicy", call.query.get("propagationPolicy"));
  if (api::flag(body, "orphanDependents", call.query.flag("orphanDependents")))
    options.propagation = "Orphan";
  options.grace_period_seconds =
      api::num(body, "gracePeriodSeconds", parse_int(call.query.get("gracePeriodSeconds")).value_or(-1));
  const auto& policy = options.propagation;
  if (!policy.empty() && policy != "Orphan" && policy != "Foreground" && policy != "Background")
    return Error(Reason::kInvalid,
                 "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"" +
                     policy + "\": supported values: \"Background\", \"Foreground\", \"Orphan\"");
  return options;
}

rt::Task<> ResourceHandlers::remove(Call& call) {
  auto context = write_context(call);
  auto options = context.ok() ? delete_options(call) : Result<client::DeleteOptions>(context.error());
  if (!options.ok()) {
    co_await answer_error(call, std::move(options).error());
    co_return;
  }
  auto deleted = co_await registry_.remove(*context, std::move(options).value());
  if (!deleted.ok()) {
    co_await answer_error(call, std::move(deleted).error());
    co_return;
  }
  const Object object = deleted->object;
  if (!deleted->gone || answers_deleted(call.resource->gvr)) {
    co_await answer_object(call, 200, object);
    co_return;
  }
  const Json status =
      success_status(call.resource->gvr.group, call.resource->gvr.resource, object.name(), object.uid());
  call.accepted.transform = Transform::kNone;
  co_await answer_json(call, 200, status);
}

rt::Task<> ResourceHandlers::remove_collection(Call& call) {
  auto context = write_context(call);
  auto options = context.ok() ? delete_options(call) : Result<client::DeleteOptions>(context.error());
  if (!options.ok()) {
    co_await answer_error(call, std::move(options).error());
    co_return;
  }
  client::ListOptions which = list_options(call);
  auto list = co_await list_objects(registry_.cacher(), *call.resource, call.info.ns, std::move(which));
  if (!list.ok()) {
    co_await answer_error(call, std::move(list).error());
    co_return;
  }
  Removals removals(*context, *options, list->items);
  std::vector<rt::Task<>> lanes;
  for (std::size_t i = 0; i < std::min(kRemovalsAtOnce, list->items.size()); ++i)
    lanes.push_back(remove_next(removals));
  co_await rt::all(std::move(lanes));
  if (removals.failure) {
    co_await answer_error(call, std::move(*removals.failure));
    co_return;
  }
  co_await answer_list(call, *list);
}

// One after the other, until none is left or one could not be deleted. Several run side by side, so that
// their writes share a sync of the disk.
rt::Task<> ResourceHandlers::remove_next(Removals& removals) {
  while (removals.next < removals.items.size() && !removals.failure) {
    const Object object = removals.items[removals.next++];
    WriteContext one = removals.context;
    one.ns = object.ns();
    one.name = object.name();
    auto deleted = co_await registry_.remove(one, removals.options);
    if (!deleted.ok() && !deleted.error().is(Reason::kNotFound))
      removals.failure = std::move(deleted).error();
  }
}

rt::Task<> ResourceHandlers::scale(Call& call) {
  auto context = write_context(call);
  if (!context.ok()) {
    co_await answer_error(call, std::move(context).error());
    co_return;
  }
  Result<Object> out = method_not_supported(call.resource->gvr, call.info.verb);
  const net::Request& request = call.exchange->request();
  if (call.info.verb == "get") {
    auto object = registry_.get(*call.resource, api::Key(context->ns, context->name));
    auto scale = object.ok() ? scale_of(*call.resource, *object) : Result<Json>(object.error());
    out = scale.ok() ? Result<Object>(Object(std::move(scale).value())) : Result<Object>(scale.error());
  } else if (call.info.verb == "update") {
    auto parsed = body(call, *context);
    if (parsed.ok()) {
      out = co_await update_scale(registry_, *context, std::move(parsed).value());
    } else {
      out = std::move(parsed).error();
    }
  } else if (call.info.verb == "patch") {
    auto type = patch_type(request.headers.get("Content-Type"));
    auto parsed = type.ok() ? api::parse_yaml(request.body) : Result<Json>(type.error());
    if (parsed.ok()) {
      out = co_await patch_scale(registry_, *context, *type, std::move(parsed).value());
    } else {
      out = std::move(parsed).error();
    }
  }
  if (out.ok()) {
    co_await answer_object(call, 200, std::move(out).value());
  } else {
    co_await answer_error(call, std::move(out).error());
  }
}

}  // namespace mk::apiserver
