#include "images/registry_client.h"

#include "mk/api/json.h"
#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

constexpr int kResumesMax = 5;  // of one blob within one pull

constexpr const char* kAccept =
    "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

// The registry's own words: {"errors":[{"message":...}]}.
std::string registry_text(const std::string& body) {
  const auto parsed = api::parse_json(body);
  if (!parsed.ok()) return "";
  for (const auto& error : api::list(*parsed, "errors")) {
    const auto message = api::str(error, "message");
    const auto code = api::str(error, "code");
    if (!message.empty() || !code.empty()) return " (" + std::string(message.empty() ? code : message) + ")";
  }
  return "";
}

}  // namespace

std::map<std::string, std::string> parse_challenge(std::string_view header) {
  std::map<std::string, std::string> out;
  header = trim(header);
  const auto space = header.find(' ');
  out[""] = to_lower(header.substr(0, space));
  if (space == std::string_view::npos) return out;
  std::string_view rest = header.substr(space + 1);
  while (!rest.empty()) {
    const auto equals = rest.find('=');
    if (equals == std::string_view::npos) break;
    const std::string key = to_lower(trim(rest.substr(0, equals)));
    rest.remove_prefix(equals + 1);
    std::string value;
    if (rest.starts_with('"')) {  // may contain commas
      const auto end = rest.find('"', 1);
      if (end == std::string_view::npos) break;
      value = rest.substr(1, end - 1);
      rest.remove_prefix(end + 1);
    } else {
      value = trim(rest.substr(0, rest.find(',')));
    }
    out[key] = value;
    const auto comma = rest.find(',');
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return out;
}

RegistryClient::RegistryClient(const CurlTransport& transport, Endpoint endpoint,
                               std::optional<RegistryAuth> auth, std::string registry)
    : transport_(transport),
      endpoint_(std::move(endpoint)),
      auth_(std::move(auth)),
      registry_(std::move(registry)) {}

std::string RegistryClient::url(const std::string& kind, const std::string& what) const {
  std::string out = endpoint_.base + "/" + endpoint_.repository + "/" + kind + "/" + what;
  if (endpoint_.mirror)
    out += "?ns=" + url_encode(registry_);  // tells a mirror of many registries which one is meant
  return out;
}

Error RegistryClient::explain(const HttpAnswer& answer, const std::string& what) const {
  const std::string where = endpoint_.host + "/" + endpoint_.repository + ": ";
  const std::string said = registry_text(answer.body);
  switch (answer.status) {
    case 401:
    case 403:
      return Error(Reason::kForbidden,
                   where + "pull access denied, repository does not exist or may require authorization" +
                       said +
                       (auth_ ? ": the credentials were not accepted"
                              : ": no credentials given (imagePullSecrets or registries.yaml)"));
    case 404:
      return Error(Reason::kNotFound, where + what + ": not found" + said);
    case 429:
      return Error(Reason::kTooManyRequests,
                   where + "the registry limits the rate of pulls" + said + "; log in or use a mirror");
    default:
      return Error(Reason::kServiceUnavailable,
                   where + what + ": unexpected status " + std::to_string(answer.status) + said);
  }
}

Result<std::string> RegistryClient::fetch_token(const std::map<std::string, std::string>& parameters) {
  const auto get = [&](const char* key) {
    const auto found = parameters.find(key);
    return found == parameters.end() ? std::string() : found->second;
  };
  const std::string realm = get("realm");
  if (!realm.starts_with("https://") && !realm.starts_with("http://"))
    return Error(Reason::kServiceUnavailable,
                 endpoint_.host + ": asks for a token without saying where (realm)");
  std::string scope = get("scope");
  if (scope.empty()) scope = "repository:" + endpoint_.repository + ":pull";
  const std::string query = "service=" + url_encode(get("service")) + "&scope=" + url_encode(scope);
  HttpCall request;
  request.tls = endpoint_.tls;
  if (auth_ && !auth_->identity_token.empty()) {
    request.url = realm;
    request.form = "grant_type=refresh_token&client_id=mk&" + query +
                   "&refresh_token=" + url_encode(auth_->identity_token);
  } else {
    request.url = realm + (realm.find('?') == std::string::npos ? "?" : "&") + query;
    if (auth_)
      request.headers.push_back("Authorization: Basic " +
                                base64_encode(auth_->username + ":" + auth_->password));
  }
  MK_ASSIGN(const HttpAnswer answer, transport_.perform(request));
  if (answer.status != 200) return explain(answer, "token");
  MK_ASSIGN(const api::Json json, api::parse_json(answer.body));
  auto token = api::str(json, "token");
  if (token.empty()) token = api::str(json, "access_token");
  if (token.empty()) return Error(Reason::kServiceUnavailable, realm + ": answered without a token");
  return std::string(token);
}

Result<void> RegistryClient::authenticate(const std::string& challenge) {
  const auto parameters = parse_challenge(challenge);
  std::string value;
  if (parameters.at("") == "bearer") {
    MK_ASSIGN(const std::string token, fetch_token(parameters));
    value = "Bearer " + token;
  } else if (auth_ && !auth_->username.empty()) {
    value = "Basic " + base64_encode(auth_->username + ":" + auth_->password);
  } else {
    return ok();  // nothing to offer: the 401 stands
  }
  const std::lock_guard lock(mutex_);
  authorization_ = std::move(value);
  return ok();
}

// Answers a 401 once: with what the registry asks for (also when a token has expired on the way).
Result<HttpAnswer> RegistryClient::call(HttpCall& request) {
  const auto base = request.headers;
  const auto once = [&] {
    request.headers = base;
    const std::lock_guard lock(mutex_);
    if (!authorization_.empty()) request.headers.push_back("Authorization: " + authorization_);
  };
  once();
  MK_ASSIGN(HttpAnswer answer, transport_.perform(request));
  const auto challenge = answer.headers.find("www-authenticate");
  if (answer.status != 401 || challenge == answer.headers.end()) return answer;
  MK_TRY(authenticate(challenge->second));
  once();
  return transport_.perform(request);
}

Result<FetchedManifest> RegistryClient::manifest(const std::string& version) {
  HttpCall request;
  request.url = url("manifests", version);
  request.headers.push_back(kAccept);
  request.tls = endpoint_.tls;
  MK_ASSIGN(HttpAnswer answer, call(request));
  if (answer.status != 200) return explain(answer, "manifest " + version);
  FetchedManifest out;
  out.digest = sha256_digest(answer.body);
  out.body = std::move(answer.body);
  if (valid_digest(version) && out.digest != version)
    return Error(Reason::kInvalid, endpoint_.host + ": asked for manifest " + version +
                                       ", got one with digest " + out.digest + "; nothing was kept");
  return out;
}

Result<void> RegistryClient::download(const Descriptor& descriptor, BlobWriter& writer) {
  HttpCall request;
  request.url = url("blobs", descriptor.digest);
  request.tls = endpoint_.tls;
  const std::int64_t have = writer.size();
  if (have > 0) request.headers.push_back("Range: bytes=" + std::to_string(have) + "-");
  bool first = true;
  request.sink = [&](int status, std::string_view bytes) -> Result<void> {
    if (std::exchange(first, false) && status != 206 && have > 0) MK_TRY(writer.restart());
    if (descriptor.size > 0 && writer.size() + static_cast<std::int64_t>(bytes.size()) > descriptor.size)
      return Error(Reason::kInvalid,
                   endpoint_.host + ": blob " + descriptor.digest + " is longer than its manifest says");
    return writer.write(bytes);
  };
  MK_ASSIGN(const HttpAnswer answer, call(request));
  if (answer.status == 416) return writer.restart();  // our partial file is not what the registry has
  if (answer.status != 200 && answer.status != 206) return explain(answer, "blob " + descriptor.digest);
  return ok();
}

Result<void> RegistryClient::blob(const Descriptor& descriptor, const BlobStore& store) {
  if (store.has(descriptor.digest)) return ok();
  auto writer = store.writer(descriptor.digest);
  MK_TRY(writer.open());
  for (int attempt = 0;; ++attempt) {
    const std::int64_t before = writer.size();
    if (descriptor.size > 0 && before == descriptor.size) break;
    auto result = download(descriptor, writer);
    if (!result.ok() && result.error().is(Reason::kInvalid)) writer.discard();
    // A broken connection is worth another try only while it brings us further.
    const bool broken = !result.ok() && result.error().is(Reason::kServiceUnavailable);
    if (broken && writer.size() > before && attempt < kResumesMax) continue;
    if (!result.ok()) return result;
    if (descriptor.size <= 0 || writer.size() >= descriptor.size) break;
    if (attempt >= kResumesMax)
      return Error(Reason::kServiceUnavailable,
                   endpoint_.host + ": blob " + descriptor.digest + " ends early, again and again");
  }
  auto committed = writer.commit();
  if (!committed.ok()) return std::move(committed).error().wrap(endpoint_.host);
  return ok();
}

}  // namespace mk::kubelet
