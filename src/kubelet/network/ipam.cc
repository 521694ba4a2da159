#include "network/ipam.h"

#include "images/fs.h"
#include "mk/api/json.h"
#include "mk/base/files.h"

namespace mk::kubelet {

Result<void> Ipam::load(const Ipv4Net& network, const std::string& boot_id) {
  if (network.prefix > 29)
    return Error(Reason::kInvalid, "the pod CIDR is too small: a /29 or larger is needed");
  network_ = network;
  boot_id_ = boot_id;
  next_ = 2;
  leases_.clear();
  taken_.clear();
  const auto text = read_file(path_);
  if (!text.ok()) return text.error().is(Reason::kNotFound) ? ok() : Result<void>(text.error());
  const auto json = api::parse_json(*text);
  if (!json.ok() || api::str(*json, "network") != network.network().str())
    return ok();  // another CIDR: start anew
  next_ = static_cast<std::uint32_t>(api::num(*json, "next", 2));
  if (api::str(*json, "boot") != boot_id) return ok();
  for (const auto& lease : api::object(*json, "leases")) {
    if (!lease.value().is_string()) continue;
    const auto address = Ipv4::parse(std::string(lease.value().get_string()));
    if (!address) continue;
    leases_[std::string(lease.key())] = *address;
    taken_.insert(address->value);
  }
  return ok();
}

Result<void> Ipam::save() const {
  api::JsonObject out, leases;
  for (const auto& [owner, address] : leases_) leases[owner] = address.str();
  out["network"] = network_.network().str();
  out["boot"] = boot_id_;
  out["next"] = next_;
  out["leases"] = std::move(leases);
  // Not flushed: a power cut ends all pods, and with them their leases.
  return replace_file(path_, api::to_json(out));
}

Result<Ipv4> Ipam::acquire(const std::string& owner) {
  if (const auto lease = leases_.find(owner); lease != leases_.end()) return lease->second;
  const std::uint32_t last = network_.size() - 2;  // the broadcast address is behind it
  for (std::uint32_t tried = 0; tried < last; ++tried) {
    if (next_ < 2 || next_ > last) next_ = 2;
    const Ipv4 candidate = network_.at(next_++);
    if (!taken_.insert(candidate.value).second) continue;
    leases_[owner] = candidate;
    if (auto saved = save(); !saved.ok()) {
      taken_.erase(candidate.value);
      leases_.erase(owner);
      return std::move(saved).error();
    }
    return candidate;
  }
  return Error(Reason::kServiceUnavailable,
               "no free pod address in " + network_.network().str() + "/" + std::to_string(network_.prefix));
}

Result<void> Ipam::release(const std::string& owner) {
  const auto lease = leases_.find(owner);
  if (lease == leases_.end()) return ok();
  taken_.erase(lease->second.value);
  leases_.erase(lease);
  return save();
}

}  // namespace mk::kubelet
