#pragma once

#include "mk/api/selector.h"
#include "mk/client/fake_client.h"
#include "mk/rt/channel.h"

namespace mk::client {

// Which objects a list or watch is about.
struct FakeClient::Filter {
  static Result<Filter> make(const api::Gvr& resource, const std::string& ns,
                             const std::string& label_selector, const std::string& field_selector);
  bool matches(const api::Object& object) const;  // not for an empty one

  api::Gvr resource;
  std::string ns;
  api::LabelSelector labels;
  std::vector<api::FieldTerm> fields;
};

struct FakeClient::Change {
  Change(std::int64_t revision_, api::Gvr resource_, api::Object before_, api::Object after_)
      : revision(revision_),
        resource(std::move(resource_)),
        before(std::move(before_)),
        after(std::move(after_)) {}
  std::int64_t revision;
  api::Gvr resource;
  api::Object before, after;  // empty: there was none, there is none any more
};

struct FakeClient::Watcher {
  explicit Watcher(Filter filter_) : filter(std::move(filter_)) {}
  void offer(const Change& change);

  Filter filter;
  rt::Channel<Result<WatchEvent>> events;
};

}  // namespace mk::client
