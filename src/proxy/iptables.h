#pragma once

#include <string>

#include "mk/rt/blocking.h"
#include "mk/rt/process.h"
#include "rule_book.h"

namespace mk::proxy {

// The iptables programs of this machine, run on the pool's threads.
class Iptables {
 public:
  explicit Iptables(rt::BlockingPool& pool) : pool_(pool) {}

  // Finds the programs; otherwise says what to install. Must succeed before anything else is called.
  rt::Task<Result<void>> find();
  bool random_fully() const { return random_fully_; }

  rt::Task<Result<Present>> present();
  rt::Task<Result<void>> restore(std::string input);  // atomic for each table
  // Whether the first jump of both tables is still there: false when someone flushed them.
  rt::Task<Result<bool>> intact();

 private:
  rt::Task<Result<rt::ProcessResult>> run(std::vector<std::string> argv, std::string input);

  rt::BlockingPool& pool_;
  std::string iptables_, save_, restore_;
  bool random_fully_ = true;
};

// "iptables v1.8.9 (nf_tables)" -> whether it is 1.6.2 or later; true when it does not say.
bool knows_random_fully(std::string_view version);

// A rule's text as separate arguments; quotes as iptables-save writes them.
std::vector<std::string> arguments_of(std::string_view rule);

}  // namespace mk::proxy
