#include "images/digest.h"

#include <openssl/evp.h>

#include <algorithm>

#include "mk/base/assert.h"
#include "mk/base/strings.h"

namespace mk::kubelet {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  MK_ASSERT(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::string Sha256::digest() const {
  EVP_MD_CTX* copy = EVP_MD_CTX_new();
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  MK_ASSERT(EVP_MD_CTX_copy_ex(copy, state_->context) == 1);
  EVP_DigestFinal_ex(copy, out, &size);
  EVP_MD_CTX_free(copy);
  return "sha256:" + hex(std::string_view(reinterpret_cast<const char*>(out), size));
}

std::string sha256_digest(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.digest();
}

bool valid_digest(std::string_view digest) {
  if (digest.size() != 71 || !digest.starts_with("sha256:")) return false;
  return std::all_of(digest.begin() + 7, digest.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string_view digest_hex(std::string_view digest) {
  return digest.substr(digest.find(':') + 1);
}

}  // namespace mk::kubelet
