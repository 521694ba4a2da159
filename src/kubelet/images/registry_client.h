#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "images/blobs.h"
#include "images/curl_transport.h"
#include "images/manifest.h"
#include "images/registries.h"
#include "mk/base/result.h"

namespace mk::kubelet {

struct FetchedManifest {
  std::string digest, body;
};

// One repository of one registry endpoint, with one set of credentials (the registry API v2). Blocking; may
// be used from several threads at once.
class RegistryClient {
 public:
  RegistryClient(const CurlTransport& transport, Endpoint endpoint, std::optional<RegistryAuth> auth,
                 std::string registry);

  // `version`: a tag or a digest; the body is checked against the latter.
  Result<FetchedManifest> manifest(const std::string& version);
  // Into the store, continuing where an earlier attempt ended. kInvalid when the registry lies about the
  // content.
  Result<void> blob(const Descriptor& descriptor, const BlobStore& store);

 private:
  Result<HttpAnswer> call(HttpCall& request);
  Result<void> authenticate(const std::string& challenge);
  Result<std::string> fetch_token(const std::map<std::string, std::string>& parameters);
  Result<void> download(const Descriptor& descriptor, BlobWriter& writer);
  Error explain(const HttpAnswer& answer, const std::string& what) const;
  std::string url(const std::string& kind, const std::string& what) const;

  const CurlTransport& transport_;
  Endpoint endpoint_;
  std::optional<RegistryAuth> auth_;
  std::string registry_;       // as the image's name has it
  std::mutex mutex_;           // guards the next
  std::string authorization_;  // the header's value, once the registry asked for it
};

// "Bearer realm=\"...\",service=\"...\"" as scheme (lower case) under "" and its parameters.
std::map<std::string, std::string> parse_challenge(std::string_view header);

}  // namespace mk::kubelet
