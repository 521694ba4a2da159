#pragma once

#include <string>
#include <vector>

#include "message.h"
#include "mk/rt/random.h"
#include "zone.h"

// The Kubernetes DNS specification 1.1 as a pure function of a question and the Zone.
namespace mk::dns {

struct Answer {
  bool ours = false;  // else: ask upstream
  std::uint16_t rcode = kNoError;
  std::vector<Record> answers, authorities, additionals;
  // An ExternalName outside the cluster: the chain in `answers` goes on with what upstream says about this
  // name.
  Name chase;
};

class Answerer {
 public:
  // References must outlive the answerer. `domain` is like "cluster.local".
  Answerer(const Zone& zone, rt::Random& random, const std::string& domain);

  Answer answer(const Question& question) const;

  // Whether only cluster DNS knows names like this one: then nothing else may answer while the zone is
  // unknown.
  bool in_domain(const Name& name) const;

 private:
  using Labels = std::vector<std::string>;  // from the right, the domain cut off

  bool split(const Name& name, Labels& labels) const;
  void look_up(const Question& question, int depth, Answer& answer) const;
  void apex(const Question& question, Answer& answer) const;
  void services(const Question& question, const Labels& labels, int depth, Answer& answer) const;
  void external(const Question& question, const Service& service, int depth, Answer& answer) const;
  void service_addresses(const Question& question, const Service& service, Answer& answer) const;
  void endpoint_addresses(const Question& question, const Service& service, const std::string& label,
                          Answer& answer) const;
  void service_ports(const Question& question, const api::Key& key, const Service& service,
                     const std::string& port, const std::string& protocol, Answer& answer) const;
  void headless_ports(const Question& question, const api::Key& key, const Service& service,
                      const std::string& port, const std::string& protocol, Answer& answer) const;
  void pods(const Question& question, const Labels& labels, Answer& answer) const;
  bool reverse(const Question& question, Answer& answer) const;

  void add_address(const Question& question, const std::string& address, Answer& answer) const;
  void settle(std::vector<Record>& records) const;
  Record soa() const;
  std::string service_name(const api::Key& key, const std::string& label) const;

  const Zone& zone_;
  rt::Random& random_;
  std::string domain_;
};

// The address that a name under in-addr.arpa or ip6.arpa (lower-case text) stands for, as bytes; "" if none.
std::string reverse_address(std::string_view name);

}  // namespace mk::dns
