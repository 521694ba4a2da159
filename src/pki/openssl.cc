#include "openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

namespace mk::pki {
namespace {

int no_passphrase(char*, int, int, void*) {
  return -1;
}

}  // namespace

std::string openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : "error " + std::to_string(code);
}

Bio memory_bio(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

Key read_private_key(std::string_view pem) {
  const Bio bio = memory_bio(pem);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  return key;
}

Key read_any_key(std::string_view pem) {
  if (Key key = read_private_key(pem)) return key;
  const Bio bio = memory_bio(pem);
  Key key(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  return key;
}

std::vector<X509Ptr> read_certificates(std::string_view pem) {
  std::vector<X509Ptr> out;
  const Bio bio = memory_bio(pem);
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)) out.emplace_back(next);
  ERR_clear_error();
  return out;
}

std::string key_to_pem(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  MK_ASSERT(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return bio_text(bio.get());
}

std::string public_to_pem(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  MK_ASSERT(PEM_write_bio_PUBKEY(bio.get(), key) == 1);
  return bio_text(bio.get());
}

std::string public_to_der(EVP_PKEY* key) {
  unsigned char* data = nullptr;
  const int size = i2d_PUBKEY(key, &data);
  MK_ASSERT(size > 0);
  std::string der(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return der;
}

std::string certificate_to_pem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  MK_ASSERT(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return bio_text(bio.get());
}

}  // namespace mk::pki
