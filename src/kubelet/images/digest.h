#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace mk::kubelet {

// SHA-256, fed piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  std::string digest() const;  // "sha256:<64 hex>" of what was fed so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_digest(std::string_view bytes);
// "sha256:" and 64 lower-case hex digits, the only algorithm in use. Also what makes a digest safe as a file
// name.
bool valid_digest(std::string_view digest);
std::string_view digest_hex(std::string_view digest);  // without "sha256:"

}  // namespace mk::kubelet
