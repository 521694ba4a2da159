#include "volumes/book.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "mk/api/quantity.h"
#include "mk/api/volume_matching.h"

namespace mk::scheduler {

using api::Object;
using namespace api::volume;

namespace {

const std::string kByClass = "class";
constexpr auto kBindTimeout = std::chrono::minutes(10);

std::vector<NodeTerm> terms_of(const Object& volume) {
  const auto* required = api::find(volume.json(), "spec.nodeAffinity.required");
  return required == nullptr ? std::vector<NodeTerm>() : api::parse_node_terms(*required);
}

bool on_node(const std::vector<NodeTerm>& terms, const NodeInfo& node) {
  return terms.empty() || api::any_term_matches(terms, node.labels, node.name);
}

// allowedTopologies: each entry is a term whose expressions say In.
std::vector<NodeTerm> topologies_of(const Object& storage_class) {
  std::vector<NodeTerm> out;
  for (const auto& entry : api::list(storage_class.json(), "allowedTopologies")) {
    NodeTerm term;
    for (const auto& expression : api::list(entry, "matchLabelExpressions")) {
      api::LabelSelector::Requirement requirement;
      requirement.key = api::str(expression, "key");
      requirement.op = api::LabelSelector::Op::kIn;
      for (const auto& value : api::list(expression, "values"))
        if (value.is_string()) requirement.values.emplace_back(std::string_view(value.get_string()));
      term.labels.push_back(std::move(requirement));
    }
    out.push_back(std::move(term));
  }
  return out;
}

api::Quantity size_of(const OpenClaim& open) {
  return api::Quantity::parse(api::str(open.claim.json(), "spec.resources.requests.storage"))
      .value_or(api::Quantity());
}

}  // namespace

VolumeBook::VolumeBook(client::Client& client, rt::Clock& clock, rt::Random& random)
    : client_(client),
      clock_(clock),
      claims_(client, clock, random, kClaims, "", client::ListOptions()),
      volumes_(client, clock, random, kVolumes, "", client::ListOptions()),
      classes_(client, clock, random, kClasses, "", client::ListOptions()) {
  volumes_.add_index(kByClass, [](const Object& volume) { return std::vector{class_of(volume)}; });
  for (auto* informer : {&claims_, &volumes_, &classes_}) {
    informer->on_change([this](const Object&, const Object&) {
      event_.notify_all();
      if (changed_) changed_();
    });
  }
}

void VolumeBook::start(rt::Group& group) {
  for (auto* informer : {&claims_, &volumes_, &classes_}) informer->start(group);
}

rt::Task<> VolumeBook::wait_synced() {
  for (auto* informer : {&claims_, &volumes_, &classes_}) co_await informer->wait_synced();
}

// --- reading --------------------------------------------------------------------------------------------

Status VolumeBook::read(const PodInfo& pod, PodClaims& out) const {
  for (const auto& volume : pod.claims) {
    auto status = read_claim(pod, volume, out);
    if (!status.ok()) return status;
  }
  // Small ones first, so that a large volume is left for whoever needs it.
  std::stable_sort(out.open.begin(), out.open.end(),
                   [](const OpenClaim& a, const OpenClaim& b) { return size_of(a) < size_of(b); });
  return Status::success();
}

Status VolumeBook::read_claim(const PodInfo& pod, const PodVolume& wanted, PodClaims& out) const {
  const auto claim = claims_.get(api::Key(pod.key.ns, wanted.claim));
  if (!claim)
    return Status::unresolvable(
        wanted.ephemeral
            ? fmt::format(
                  "waiting for ephemeral volume controller to create the persistentvolumeclaim \"{}\"",
                  wanted.claim)
            : fmt::format("persistentvolumeclaim \"{}\" not found", wanted.claim));
  if (wanted.ephemeral) {
    const auto* owner = api::controller_of(claim);
    if (owner == nullptr || api::str(*owner, "uid") != pod.uid)
      return Status::unresolvable(fmt::format("PVC {} was not created for pod {} (pod is not owner)",
                                              claim.key().str(), pod.key.str()));
  }
  if (claim.deleting())
    return Status::unresolvable(fmt::format("persistentvolumeclaim \"{}\" is being deleted", wanted.claim));
  const std::string volume_name(api::str(claim.json(), "spec.volumeName"));
  if (api::str(claim.json(), "status.phase") == "Lost")
    return Status::unresolvable(
        fmt::format("persistentvolumeclaim \"{}\" bound to non-existent persistentvolume \"{}\"",
                    wanted.claim, volume_name));
  if (fully_bound(claim)) {
    const auto volume = volumes_.get(api::Key("", volume_name));
    if (volume) {
      out.bound.emplace_back(volume, terms_of(volume));
    } else {
      out.volume_missing = true;
    }
    return Status::success();
  }
  const auto storage_class = classes_.get(api::Key("", class_of(claim)));
  const bool waits =
      storage_class && api::str(storage_class.json(), "volumeBindingMode") == "WaitForFirstConsumer";
  if (!waits || !volume_name.empty())
    return Status::unresolvable("pod has unbound immediate PersistentVolumeClaims");
  out.open.push_back(open_claim(claim, storage_class));
  return Status::success();
}

OpenClaim VolumeBook::open_claim(const Object& claim, const Object& storage_class) const {
  OpenClaim open;
  open.claim = claim;
  const std::string uid(claim.uid());
  const auto promised_node = promised_nodes_.find(uid);
  open.node = promised_node != promised_nodes_.end() ? promised_node->second
                                                     : std::string(claim.annotation(kSelectedNode));
  open.can_be_made = api::str(storage_class.json(), "provisioner") != "kubernetes.io/no-provisioner";
  open.topologies = topologies_of(storage_class);
  if (!open.node.empty()) return open;
  for (auto& volume : candidates(claim, volumes_.by_index(kByClass, class_of(claim)))) {
    const auto promised = promised_volumes_.find(std::string(volume.name()));
    const bool mine = promised != promised_volumes_.end() && promised->second == uid;
    if (promised != promised_volumes_.end() && !mine) continue;
    if (mine) {
      open.fit.clear();
      open.fit_nodes.clear();
    }
    open.fit_nodes.push_back(terms_of(volume));
    open.fit.push_back(std::move(volume));
    if (!mine) continue;
    open.can_be_made = false;  // another pod that uses the claim has decided
    break;
  }
  return open;
}

Status VolumeBook::choose(const PodClaims& claims, const NodeInfo& node, std::vector<ClaimChoice>& out) {
  std::set<std::string_view> taken;
  for (const auto& open : claims.open) {
    ClaimChoice choice;
    choice.claim = open.claim;
    for (std::size_t i = 0; i < open.fit.size() && !choice.volume; ++i) {
      if (taken.count(open.fit[i].name()) == 0 && on_node(open.fit_nodes[i], node))
        choice.volume = open.fit[i];
    }
    const bool makeable =
        open.can_be_made && on_node(open.topologies, node) && (open.node.empty() || open.node == node.name);
    if (choice.volume) {
      taken.insert(choice.volume.name());
    } else if (!makeable) {
      return Status::unresolvable("node(s) didn't find available persistent volumes to bind");
    }
    out.push_back(std::move(choice));
  }
  return Status::success();
}

// --- promises -------------------------------------------------------------------------------------------

void VolumeBook::promise(const PodInfo& pod, const std::string& node, std::vector<ClaimChoice> choices) {
  release(pod.uid);
  for (const auto& choice : choices) {
    const std::string claim(choice.claim.uid());
    if (choice.volume) {
      promised_volumes_[std::string(choice.volume.name())] = claim;
    } else {
      promised_nodes_[claim] = node;
    }
  }
  promises_[pod.uid] = Promise{node, std::move(choices)};
}

// A claim that two pods share stays promised while one of them is on its way: what the other forgets is
// found in the API again, as writing comes first.
void VolumeBook::release(const std::string& uid) {
  const auto found = promises_.find(uid);
  if (found == promises_.end()) return;
  for (const auto& choice : found->second.choices) {
    if (choice.volume) promised_volumes_.erase(std::string(choice.volume.name()));
    promised_nodes_.erase(std::string(choice.claim.uid()));
  }
  promises_.erase(found);
  event_.notify_all();
}

rt::Task<Result<void>> VolumeBook::carry_out(PodPtr pod) {
  const auto found = promises_.find(pod->uid);
  if (found == promises_.end()) co_return ok();
  const Promise promise = found->second;
  for (const auto& choice : promise.choices) MK_CO_TRY(co_await write(choice, promise.node));
  const auto deadline = clock_.mono() + kBindTimeout;
  while (true) {
    std::size_t bound = 0;
    for (const auto& choice : promise.choices) {
      MK_CO_ASSIGN(const bool done, settled(choice, promise.node));
      if (done) ++bound;
    }
    if (bound == promise.choices.size()) co_return ok();
    if (!promised(pod->uid)) co_return Error(Reason::kNotFound, "the pod is gone");
    if (clock_.mono() >= deadline) co_return Error(Reason::kTimeout, "timed out waiting for the condition");
    co_await rt::race(event_.wait(), clock_.sleep_until(deadline));
  }
}

rt::Task<Result<void>> VolumeBook::write(ClaimChoice choice, std::string node) {
  if (choice.volume) {
    if (refers_to(choice.volume, choice.claim) && api::find(choice.volume.json(), "spec.claimRef.uid"))
      co_return ok();
    const auto reserved = choice.volume.with([&choice](api::Json& json) {
      const bool before = api::find(json, "spec.claimRef") != nullptr;
      api::set(json, "spec.claimRef", claim_reference(choice.claim));
      if (before) return;
      auto annotations = api::object(json, "metadata.annotations");
      annotations[kBoundByController] = "yes";
      api::set(json, "metadata.annotations", std::move(annotations));
    });
    auto done = co_await client_.update(kVolumes, reserved, "", client::WriteOptions());
    if (!done.ok()) co_return std::move(done).error();
    co_return ok();
  }
  if (choice.claim.annotation(kSelectedNode) == node) co_return ok();
  const auto selected = choice.claim.with([&node](api::Json& json) {
    auto annotations = api::object(json, "metadata.annotations");
    annotations[kSelectedNode] = api::text(node);
    api::set(json, "metadata.annotations", std::move(annotations));
  });
  auto done = co_await client_.update(kClaims, selected, "", client::WriteOptions());
  if (!done.ok()) co_return std::move(done).error();
  co_return ok();
}

Result<bool> VolumeBook::settled(const ClaimChoice& choice, const std::string& node) const {
  const auto name = choice.claim.key();
  const auto claim = claims_.get(name);
  if (!claim || claim.uid() != choice.claim.uid())
    return Error(Reason::kConflict, fmt::format("error getting PVC {}: it is gone", name.str()));
  if (fully_bound(claim)) {
    if (!choice.volume || api::str(claim.json(), "spec.volumeName") == choice.volume.name()) return true;
    return Error(Reason::kConflict, fmt::format("claim {} was bound to another volume", name.str()));
  }
  // Our own write may not have come back yet: only a newer claim can say that it was taken back.
  const bool newer = claim.resource_version() != choice.claim.resource_version();
  if (!choice.volume && newer && claim.annotation(kSelectedNode) != node)
    return Error(Reason::kConflict,
                 fmt::format("provisioning failed for PVC \"{}\": another node is to be chosen", name.name));
  return false;
}

}  // namespace mk::scheduler
