#include "kit/context.h"

namespace mk::controller {

InformerFactory::InformerFactory(client::Client& client, rt::Clock& clock, rt::Random& random)
    : client_(client), clock_(clock), random_(random) {}

client::Informer& InformerFactory::informer(const api::Gvr& resource) {
  auto& slot = informers_[resource];
  if (!slot) {
    slot = std::make_unique<client::Informer>(client_, clock_, random_, resource, "", client::ListOptions());
  }
  return *slot;
}

client::Informer& InformerFactory::indexed(const api::Gvr& resource, const std::string& name,
                                           client::Informer::IndexFunction function) {
  auto& made = informer(resource);
  if (indexes_.emplace(resource, name).second) made.add_index(name, std::move(function));
  return made;
}

void InformerFactory::start(rt::Group& group) {
  for (auto& [resource, informer] : informers_) informer->start(group);
}

rt::Task<> InformerFactory::wait_synced() {
  for (auto& [resource, informer] : informers_) co_await informer->wait_synced();
}

Context::Context(rt::Loop& loop, rt::Clock& clock_, rt::Random& random_, ClientFor client_for_,
                 ManagerOptions options_)
    : clock(clock_),
      random(random_),
      client_for(std::move(client_for_)),
      options(std::move(options_)),
      informers(client_for(kSharedInformers), clock_, random_),
      group(loop.executor()) {}

std::string orphans(std::string_view ns) {
  return "orphans/" + std::string(ns);
}

std::vector<std::string> controller_index(const api::Object& object) {
  const auto* owner = api::controller_of(object);
  if (!owner) return {orphans(object.ns())};
  return {std::string(api::str(*owner, "uid"))};
}

}  // namespace mk::controller
