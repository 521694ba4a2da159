#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mk/base/result.h"

// OpenSSL 3 objects with owners. Inside of pki only.
namespace mk::pki {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using Handle = std::unique_ptr<T, Deleter<Free>>;

using Bio = Handle<BIO, BIO_free_all>;
using Key = Handle<EVP_PKEY, EVP_PKEY_free>;
using X509Ptr = Handle<X509, X509_free>;
using X509Req = Handle<X509_REQ, X509_REQ_free>;

// The reason of the oldest error OpenSSL has queued; empties the queue.
std::string openssl_error();

Bio memory_bio(std::string_view text);  // reads `text`, which must outlive it
std::string bio_text(BIO* bio);

// Null when the text holds no such thing. Never asks for a passphrase.
Key read_private_key(std::string_view pem);
Key read_any_key(std::string_view pem);  // private or public
std::vector<X509Ptr> read_certificates(std::string_view pem);

std::string key_to_pem(EVP_PKEY* key);
std::string public_to_pem(EVP_PKEY* key);
std::string public_to_der(EVP_PKEY* key);
std::string certificate_to_pem(X509* certificate);

}  // namespace mk::pki
