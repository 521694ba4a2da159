#include "answer.h"

#include <algorithm>
#include <tuple>

#include "mk/base/strings.h"

namespace mk::dns {

namespace {

constexpr std::uint32_t kTtl = 5;
constexpr int kChainMax = 8;  // ExternalNames that name each other
constexpr std::string_view kVersion = "1.1.0";

bool wants(std::uint16_t asked, std::uint16_t type) {
  return asked == type || asked == kAny;
}

std::uint16_t address_type(const std::string& address) {
  return address.size() == 4 ? kA : kAaaa;
}

bool ends_with_domain(std::string_view text, std::string_view domain) {
  if (text.size() < domain.size() || text.substr(text.size() - domain.size()) != domain) return false;
  return text.size() == domain.size() || text[text.size() - domain.size() - 1] == '.';
}

// "_http" -> "http"; "" when it is no such label.
std::string without_underscore(const std::string& label) {
  return label.size() > 1 && label[0] == '_' ? label.substr(1) : std::string();
}

bool matches(const ServicePort& port, const std::string& name, const std::string& protocol) {
  return (name.empty() || port.name == name) && (protocol.empty() || port.protocol == protocol);
}

// "10-1-2-3" or "fd00--1" as bytes: the first label of a pod's name.
std::optional<std::string> undashed(const std::string& label) {
  if (auto v4 = address_bytes(replace_all(label, "-", ".")); v4 && v4->size() == 4) return v4;
  auto v6 = address_bytes(replace_all(label, "-", ":"));
  return v6 && v6->size() == 16 ? v6 : std::nullopt;
}

}  // namespace

std::string reverse_address(std::string_view name) {
  constexpr std::string_view kV4 = ".in-addr.arpa", kV6 = ".ip6.arpa";
  const bool v4 = name.ends_with(kV4);
  if (!v4 && !name.ends_with(kV6)) return {};
  name.remove_suffix(v4 ? kV4.size() : kV6.size());
  auto parts = mk::split(name, '.');
  std::reverse(parts.begin(), parts.end());
  std::string text;
  if (parts.size() != (v4 ? 4 : 32)) return {};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty() || (!v4 && parts[i].size() != 1)) return {};
    if (i > 0 && (v4 || i % 4 == 0)) text += v4 ? '.' : ':';
    text += parts[i];
  }
  return address_bytes(text).value_or("");
}

Answerer::Answerer(const Zone& zone, rt::Random& random, const std::string& domain)
    : zone_(zone), random_(random), domain_(to_lower(domain)) {}

bool Answerer::in_domain(const Name& name) const {
  return ends_with_domain(name_to_text(name), domain_);
}

bool Answerer::split(const Name& name, Labels& labels) const {
  const std::string text = name_to_text(name);
  if (!ends_with_domain(text, domain_)) return false;
  if (text.size() == domain_.size()) return true;
  for (auto part : mk::split(std::string_view(text).substr(0, text.size() - domain_.size() - 1), '.'))
    labels.emplace_back(part);
  std::reverse(labels.begin(), labels.end());
  return true;
}

Answer Answerer::answer(const Question& question) const {
  Answer answer;
  look_up(question, 0, answer);
  const bool empty =
      answer.rcode != kNoError || answer.answers.empty() ||
      (answer.answers.back().type == kCname && question.type != kCname && question.type != kAny);
  if (answer.ours && answer.chase.empty() && empty && in_domain(question.name))
    answer.authorities.push_back(soa());
  return answer;
}

void Answerer::look_up(const Question& question, int depth, Answer& answer) const {
  Labels labels;
  if (!split(question.name, labels)) {
    answer.ours = depth > 0 || reverse(question, answer);
    return;
  }
  answer.ours = true;
  if (labels.empty()) return apex(question, answer);
  if (labels[0] == "svc") return services(question, labels, depth, answer);
  if (labels[0] == "pod") return pods(question, labels, answer);
  if (labels[0] == "dns-version" && labels.size() == 1) {
    if (wants(question.type, kTxt))
      answer.answers.emplace_back(question.name, kTxt, kTtl, txt_rdata(kVersion));
    return;
  }
  // The name server of the SOA record: it exists, and its address is the one that was asked.
  const bool ours = labels[0] == "dns" && (labels.size() == 1 || (labels.size() == 2 && labels[1] == "ns"));
  if (!ours) answer.rcode = kNxDomain;
}

void Answerer::apex(const Question& question, Answer& answer) const {
  if (wants(question.type, kSoa)) answer.answers.push_back(soa());
  if (wants(question.type, kNs))
    answer.answers.emplace_back(question.name, kNs, kTtl,
                                name_from_text("ns.dns." + domain_).value_or(Name(1, '\0')));
}

// <service>.<ns>.svc, <endpoint>.<service>.<ns>.svc, _<port>._<protocol>.<service>.<ns>.svc and the empty
// names on the way there.
void Answerer::services(const Question& question, const Labels& labels, int depth, Answer& answer) const {
  if (labels.size() == 1) return;
  if (labels.size() == 2) {
    if (!zone_.has_namespace(labels[1])) answer.rcode = kNxDomain;
    return;
  }
  const api::Key key(labels[1], labels[2]);
  const Service* service = zone_.service(key.ns, key.name);
  if (service == nullptr || labels.size() > 5) {
    answer.rcode = kNxDomain;
    return;
  }
  if (labels.size() == 3) {
    if (!service->external_name.empty()) return external(question, *service, depth, answer);
    service_addresses(question, *service, answer);
    if (wants(question.type, kSrv)) service_ports(question, key, *service, "", "", answer);
    return;
  }
  const std::string protocol = without_underscore(labels[3]);
  if (protocol.empty() && labels.size() == 4)
    return endpoint_addresses(question, *service, labels[3], answer);
  const std::string port = labels.size() == 5 ? without_underscore(labels[4]) : "";
  if (protocol.empty() || (labels.size() == 5 && port.empty())) {
    answer.rcode = kNxDomain;
    return;
  }
  service_ports(question, key, *service, port, protocol, answer);
}

void Answerer::external(const Question& question, const Service& service, int depth, Answer& answer) const {
  const auto target = name_from_text(service.external_name);
  if (!target || depth >= kChainMax) {
    answer.rcode = kServFail;
    return;
  }
  answer.answers.emplace_back(question.name, kCname, kTtl, *target);
  if (question.type == kCname || question.type == kAny) return;
  Question next = question;
  next.name = *target;
  if (in_domain(next.name)) return look_up(next, depth + 1, answer);
  answer.chase = *target;
}

void Answerer::service_addresses(const Question& question, const Service& service, Answer& answer) const {
  for (const auto& ip : service.cluster_ips) add_address(question, ip, answer);
  if (!service.headless) return;
  bool any = false;
  for (const auto& [name, slice] : service.slices) {
    any |= !slice.endpoints.empty();
    for (const auto& endpoint : slice.endpoints) add_address(question, endpoint.address, answer);
  }
  if (!any) answer.rcode = kNxDomain;
  settle(answer.answers);
}

void Answerer::endpoint_addresses(const Question& question, const Service& service, const std::string& label,
                                  Answer& answer) const {
  bool any = false;
  for (const auto& [name, slice] : service.slices) {
    for (const auto& endpoint : slice.endpoints) {
      if (endpoint.label != label) continue;
      any = true;
      add_address(question, endpoint.address, answer);
    }
  }
  if (!any) answer.rcode = kNxDomain;
  settle(answer.answers);
}

// SRV. An empty `port` or `protocol` stands for any; then the name itself exists even without such a port.
void Answerer::service_ports(const Question& question, const api::Key& key, const Service& service,
                             const std::string& port, const std::string& protocol, Answer& answer) const {
  if (service.headless) return headless_ports(question, key, service, port, protocol, answer);
  const Name target = name_from_text(service_name(key, "")).value_or(Name());
  bool any = false;
  for (const auto& candidate : service.ports) {
    if (!matches(candidate, port, protocol) || target.empty()) continue;
    any = true;
    if (wants(question.type, kSrv))
      answer.answers.emplace_back(question.name, kSrv, kTtl, srv_rdata(0, 100, candidate.port, target));
  }
  if (!any && !protocol.empty()) answer.rcode = kNxDomain;
  if (!any || !wants(question.type, kSrv)) return;
  for (const auto& ip : service.cluster_ips)
    answer.additionals.emplace_back(target, address_type(ip), kTtl, ip);
}

void Answerer::headless_ports(const Question& question, const api::Key& key, const Service& service,
                              const std::string& port, const std::string& protocol, Answer& answer) const {
  bool any = false;
  for (const auto& [name, slice] : service.slices) {
    for (const auto& candidate : slice.ports) {
      if (!matches(candidate, port, protocol)) continue;
      any |= !slice.endpoints.empty();
      if (!wants(question.type, kSrv)) continue;
      for (const auto& endpoint : slice.endpoints) {
        const auto target = name_from_text(service_name(key, endpoint.label));
        if (!target) continue;
        answer.answers.emplace_back(question.name, kSrv, kTtl, srv_rdata(0, 100, candidate.port, *target));
        answer.additionals.emplace_back(*target, address_type(endpoint.address), kTtl, endpoint.address);
      }
    }
  }
  if (!any && !protocol.empty()) answer.rcode = kNxDomain;
  settle(answer.answers);
}

// a-b-c-d.<ns>.pod: any address is believed, as its name says nothing but itself.
void Answerer::pods(const Question& question, const Labels& labels, Answer& answer) const {
  if (labels.size() == 1) return;
  if (labels.size() == 2) {
    if (!zone_.has_namespace(labels[1])) answer.rcode = kNxDomain;
    return;
  }
  const auto address = labels.size() == 3 ? undashed(labels[2]) : std::nullopt;
  if (address) return add_address(question, *address, answer);
  answer.rcode = kNxDomain;
}

// False when the address is none of the cluster's: its name is asked of upstream then.
bool Answerer::reverse(const Question& question, Answer& answer) const {
  const std::string address = reverse_address(name_to_text(question.name));
  const auto* names = address.empty() ? nullptr : zone_.names_of(address);
  if (names == nullptr) return false;
  if (!wants(question.type, kPtr)) return true;
  for (const auto& name : *names)
    if (const auto target = name_from_text(service_name(name.service, name.label)))
      answer.answers.emplace_back(question.name, kPtr, kTtl, *target);
  return true;
}

void Answerer::add_address(const Question& question, const std::string& address, Answer& answer) const {
  const auto type = address_type(address);
  if (wants(question.type, type)) answer.answers.emplace_back(question.name, type, kTtl, address);
}

// Each record once (an endpoint may stand in two slices), in random order behind the CNAMEs that led to them.
void Answerer::settle(std::vector<Record>& records) const {
  const auto first =
      std::find_if(records.begin(), records.end(), [](const Record& r) { return r.type != kCname; });
  const auto order = [](const Record& a, const Record& b) {
    return std::tie(a.type, a.rdata) < std::tie(b.type, b.rdata);
  };
  const auto same = [](const Record& a, const Record& b) {
    return std::tie(a.type, a.rdata) == std::tie(b.type, b.rdata);
  };
  std::sort(first, records.end(), order);
  records.erase(std::unique(first, records.end(), same), records.end());
  for (auto at = first; at != records.end(); ++at)
    std::iter_swap(
        at, at + static_cast<std::ptrdiff_t>(random_.below(static_cast<std::uint64_t>(records.end() - at))));
}

Record Answerer::soa() const {
  const Name root(1, '\0');
  const Soa times{1, 7200, 1800, 86400, kTtl};
  return Record(name_from_text(domain_).value_or(root), kSoa, kTtl,
                soa_rdata(name_from_text("ns.dns." + domain_).value_or(root),
                          name_from_text("hostmaster." + domain_).value_or(root), times));
}

std::string Answerer::service_name(const api::Key& key, const std::string& label) const {
  return (label.empty() ? "" : label + ".") + key.name + "." + key.ns + ".svc." + domain_;
}

}  // namespace mk::dns
