#include "kit/finalizers.h"

#include <algorithm>

namespace mk::controller {

bool has_finalizer(const api::Object& object, std::string_view name) {
  const auto& names = api::list(object.json(), "metadata.finalizers");
  return std::any_of(names.begin(), names.end(), [name](const api::Json& present) {
    return present.is_string() && std::string_view(present.get_string()) == name;
  });
}

rt::Task<Result<void>> write_finalizer(client::Client& client, api::Gvr resource, api::Object object,
                                       std::string_view name, bool present) {
  api::JsonArray names;
  for (const auto& other : api::list(object.json(), "metadata.finalizers")) {
    if (!other.is_string() || std::string_view(other.get_string()) != name) names.push_back(other);
  }
  if (present) names.push_back(api::text(name));
  api::Json changed = object.json();
  if (names.empty()) {
    api::erase(changed, "metadata.finalizers");
  } else {
    api::set(changed, "metadata.finalizers", std::move(names));
  }
  auto done = co_await client.update(std::move(resource), api::Object(std::move(changed)), "",
                                     client::WriteOptions());
  if (done.ok() || done.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(done).error();
}

}  // namespace mk::controller
