#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kit/claim.h"
#include "kit/controller.h"

namespace mk::controller {

// Creates or deletes at most so many pods in one step.
inline constexpr int kBurst = 500;

// Why something could not be done; an empty reason: it could.
struct Problem {
  std::string reason, message;
};

// How long an owner of so many pods waits for more news of them before it looks: a step looks at all of them,
// and must not be made for each of a thousand events that come together.
rt::Duration settling_time(std::int64_t size);

// What the controllers of workloads share: objects of one kind that make pods from a template. Knows which
// owners a pod's change concerns, claims pods, and creates and deletes them by count without losing track
// while the caches are behind.
class PodOwnerController : public Controller {
 public:
  struct Variant {
    std::string name;
    api::Gvr resource;
    api::Gvk kind;
  };
  PodOwnerController(Context& context, Variant variant, int workers = 5);

 protected:
  // Which pods an owner's are; by default its spec.selector.
  virtual Result<api::LabelSelector> selector_of(const api::Object& owner) const;
  // How many pods a step looks at.
  virtual std::int64_t size_of(const api::Object& owner) const;
  // More keys that a pod's change concerns.
  virtual void add_keys_of_pod(const api::Object& before, const api::Object& after, Keys& keys) {}

  // The text of the event about a pod made or removed, or about why it was not.
  virtual std::string told(bool created, const api::Object& owner, std::string_view pod,
                           const Error* error) const;

  // The owner's pods, after adopting and releasing. A finalizer, if named, comes and goes with the ownership.
  rt::Task<Result<std::vector<api::Object>>> claim_pods(api::Object owner,
                                                        std::function<bool(const api::Object&)> adoptable,
                                                        std::string finalizer = {});

  // Slow start: one, two, four ... at a time, so that an owner whose pods are refused makes few failing
  // calls. `make(i)` is the i-th pod; `made` counts those created.
  rt::Task<Problem> create_pods(api::Object owner, int count, std::function<api::Json(int)> make,
                                int* made = nullptr);
  rt::Task<Problem> delete_pods(api::Object owner, std::vector<api::Object> pods);
  // No write where nothing changes.
  rt::Task<Result<void>> write_status(api::Object owner, api::Json status);
  // May the owner count its pods, or has it done something that the cache does not show yet?
  bool may_count(const api::Key& key) const { return expectations().satisfied(queue_text(key)); }

  const Variant& variant() const { return variant_; }
  client::Informer& owners() { return owners_; }
  client::Informer& pods() { return pods_; }

 private:
  struct Attempt {
    Problem problem;
    int made = 0;
  };
  Keys keys_of_pod(const api::Object& before, const api::Object& after);
  // Those of the keys whose owners are small; the others come later, once for all that happens until then.
  Keys without_large(Keys keys);
  void add_matching(const api::Object& orphan, Keys& keys);
  rt::Task<> create_pod(api::Object owner, api::Json pod, std::shared_ptr<Attempt> attempt);
  rt::Task<> delete_pod(api::Object owner, api::Object pod, std::shared_ptr<Attempt> attempt);

  Variant variant_;
  client::Informer& owners_;
  client::Informer& pods_;
};

}  // namespace mk::controller
