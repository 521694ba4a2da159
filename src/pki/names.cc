#include "names.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>

namespace mk::pki {
namespace {

// X.520 bounds both at 64 characters, which Kubernetes' user and group names exceed at times: the bound is
// lifted for all string types OpenSSL checks, as Go does not know it either.
Result<void> add_name(X509_NAME* subject, int nid, const std::string& value) {
  const ASN1_STRING_TABLE* old = ASN1_STRING_TABLE_get(nid);
  if (old == nullptr || old->maxsize < 1024)
    ASN1_STRING_TABLE_add(nid, 1, 1024, B_ASN1_UTF8STRING | B_ASN1_PRINTABLESTRING, 0);
  if (X509_NAME_add_entry_by_NID(subject, nid, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(value.data()),
                                 static_cast<int>(value.size()), -1, 0) == 1)
    return ok();
  return Error(Reason::kInvalid, "\"" + value + "\" cannot be a name in a certificate: " + openssl_error());
}

std::string utf8(const ASN1_STRING* text) {
  unsigned char* data = nullptr;
  const int size = ASN1_STRING_to_UTF8(&data, text);
  if (size < 0) return {};
  std::string out(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return out;
}

std::string raw(const ASN1_STRING* text) {
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<std::size_t>(ASN1_STRING_length(text)));
}

void push(GENERAL_NAMES* names, int type, ASN1_STRING* value) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  GENERAL_NAME_set0_value(name, type, value);
  sk_GENERAL_NAME_push(names, name);
}

std::string address_text(const std::string& bytes) {
  char out[INET6_ADDRSTRLEN] = {};
  if (bytes.size() == 4) ::inet_ntop(AF_INET, bytes.data(), out, sizeof out);
  if (bytes.size() == 16) ::inet_ntop(AF_INET6, bytes.data(), out, sizeof out);
  return out;
}

}  // namespace

Result<void> write_subject(X509_NAME* subject, const CertificateRequest& request) {
  for (const auto& organization : request.organizations)
    MK_TRY(add_name(subject, NID_organizationName, organization));
  if (!request.common_name.empty()) MK_TRY(add_name(subject, NID_commonName, request.common_name));
  return ok();
}

void read_subject(const X509_NAME* subject, std::string& common_name,
                  std::vector<std::string>& organizations) {
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid == NID_commonName) common_name = utf8(X509_NAME_ENTRY_get_data(entry));
    if (nid == NID_organizationName) organizations.push_back(utf8(X509_NAME_ENTRY_get_data(entry)));
  }
}

Result<GeneralNames> general_names(const CertificateRequest& request) {
  GeneralNames names(GENERAL_NAMES_new());
  for (const auto& dns : request.dns_names) {
    if (dns.empty() || dns.find('\0') != std::string::npos)
      return Error(Reason::kInvalid, "an empty or binary DNS name cannot be in a certificate");
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, dns.data(), static_cast<int>(dns.size()));
    push(names.get(), GEN_DNS, text);
  }
  for (const auto& ip : request.ip_addresses) {
    ASN1_OCTET_STRING* address = a2i_IPADDRESS(ip.c_str());
    if (!address) {
      ERR_clear_error();
      return Error(Reason::kInvalid, "\"" + ip + "\" is no IP address");
    }
    push(names.get(), GEN_IPADD, address);
  }
  return names;
}

void read_general_names(const GENERAL_NAMES* names, std::vector<std::string>& dns,
                        std::vector<std::string>& ips) {
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    int type = 0;
    const auto* value =
        static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type));
    if (type == GEN_DNS) dns.push_back(raw(value));
    if (type == GEN_IPADD) ips.push_back(address_text(raw(value)));
  }
}

void read_extended_usage(const EXTENDED_KEY_USAGE* usage, bool& client, bool& server) {
  for (int i = 0; usage != nullptr && i < sk_ASN1_OBJECT_num(usage); ++i) {
    const int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(usage, i));
    client |= nid == NID_client_auth || nid == NID_anyExtendedKeyUsage;
    server |= nid == NID_server_auth || nid == NID_anyExtendedKeyUsage;
  }
}

Result<X509Req> read_csr(std::string_view pem) {
  const Bio bio = memory_bio(pem);
  X509Req csr(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!csr) return Error(Reason::kInvalid, "not a PEM certificate request (BEGIN CERTIFICATE REQUEST)");
  EVP_PKEY* key = X509_REQ_get0_pubkey(csr.get());
  const bool holds = key != nullptr && X509_REQ_verify(csr.get(), key) == 1;
  ERR_clear_error();
  if (!holds) return Error(Reason::kInvalid, "the certificate request's signature does not match its key");
  return csr;
}

}  // namespace mk::pki
