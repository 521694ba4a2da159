#pragma once

#include <memory>

#include "auth/authorizer.h"
#include "http/call.h"
#include "http/event_frames.h"
#include "http/node_proxy.h"
#include "http/virtual_resources.h"
#include "registry/lister.h"
#include "registry/registry.h"

namespace mk::apiserver {

// Answers requests for resources, one function for each verb.
class ResourceHandlers {
 public:
  ResourceHandlers(Registry& registry, VirtualResources& virtuals, NodeProxy& nodes, Authorizer& authorizer)
      : registry_(registry), virtuals_(virtuals), nodes_(nodes), authorizer_(authorizer) {}

  rt::Task<> handle(Call& call);

 private:
  rt::Task<> get(Call& call);
  rt::Task<> list(Call& call);
  rt::Task<> read(Call& call, const VirtualResources::Read& read);  // what is not stored
  rt::Task<> watch(Call& call);
  rt::Task<> create(Call& call);
  rt::Task<> update(Call& call);
  rt::Task<> patch(Call& call);
  rt::Task<> remove(Call& call);
  struct Removals;
  rt::Task<> remove_collection(Call& call);
  rt::Task<> remove_next(Removals& removals);
  rt::Task<> scale(Call& call);

  Result<WriteContext> write_context(Call& call) const;
  // The body, checked for repeated keys, as the call's fieldValidation wants it.
  Result<api::Json> body(Call& call, WriteContext& context) const;
  rt::Task<> answer_list(Call& call, const ListResult& list);
  rt::Task<> answer_written(Call& call, WriteContext& context, Result<Written> written);
  Result<client::DeleteOptions> delete_options(Call& call) const;

  Registry& registry_;
  VirtualResources& virtuals_;
  NodeProxy& nodes_;
  Authorizer& authorizer_;
  EventFrames frames_;
};

}  // namespace mk::apiserver
