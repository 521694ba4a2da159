#include "images/curl_transport.h"

#include <curl/curl.h>
#include <dlfcn.h>

#include <algorithm>
#include <optional>

#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

// The library's functions, by their own types.
struct Curl {
  decltype(&curl_global_init) global_init;
  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_setopt) setopt;
  decltype(&curl_easy_perform) perform;
  decltype(&curl_easy_getinfo) getinfo;
  decltype(&curl_easy_cleanup) cleanup;
  decltype(&curl_easy_strerror) strerror;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;
  std::string failure;  // why it could not be loaded
};

Curl load_curl() {
  Curl out{};
  void* library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);  // stays loaded
  if (library == nullptr) {
    out.failure = std::string("cannot load libcurl.so.4 (install libcurl4, or import images as tarballs): ") +
                  ::dlerror();
    return out;
  }
  const auto resolve = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
    if (function == nullptr) out.failure = std::string("libcurl.so.4 lacks ") + name;
  };
  resolve(out.global_init, "curl_global_init");
  resolve(out.easy_init, "curl_easy_init");
  resolve(out.setopt, "curl_easy_setopt");
  resolve(out.perform, "curl_easy_perform");
  resolve(out.getinfo, "curl_easy_getinfo");
  resolve(out.cleanup, "curl_easy_cleanup");
  resolve(out.strerror, "curl_easy_strerror");
  resolve(out.slist_append, "curl_slist_append");
  resolve(out.slist_free_all, "curl_slist_free_all");
  if (out.failure.empty()) out.global_init(CURL_GLOBAL_DEFAULT);
  return out;
}

const Curl& curl() {
  static const Curl kCurl = load_curl();  // thread-safe: once
  return kCurl;
}

// One transfer; the callbacks' user data.
struct Transfer {
  const HttpCall& call;
  const std::atomic<bool>* stop;
  CURL* handle;
  HttpAnswer answer;
  std::optional<Error> failure;  // of the sink

  int status() const {
    long code = 0;
    curl().getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
    return static_cast<int>(code);
  }
};

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const int status = transfer.status();
  if (transfer.call.sink && status >= 200 && status < 300) {
    auto taken = transfer.call.sink(status, std::string_view(data, size));
    if (taken.ok()) return size;
    transfer.failure = std::move(taken).error();
    return 0;
  }
  if (transfer.answer.body.size() + size > transfer.call.body_max) {
    transfer.failure = Error(Reason::kInvalid, "the registry's answer is larger than " +
                                                   std::to_string(transfer.call.body_max) + " bytes");
    return 0;
  }
  transfer.answer.body.append(data, size);
  return size;
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) {  // a new answer: after a redirect, or 100 Continue
    transfer.answer.headers.clear();
    transfer.answer.body.clear();
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    transfer.answer.headers[to_lower(line.substr(0, colon))] = std::string(trim(line.substr(colon + 1)));
  }
  return size;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto* stop = static_cast<Transfer*>(user)->stop;
  return stop != nullptr && stop->load() ? 1 : 0;
}

void set_options(Transfer& transfer, const TransferLimits& limits, curl_slist* headers, char* error) {
  CURL* handle = transfer.handle;
  const auto set = [&](CURLoption option, auto value) { curl().setopt(handle, option, value); };
  const auto& call = transfer.call;
  set(CURLOPT_URL, call.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_FOLLOWLOCATION, 1L);  // libcurl keeps Authorization from other hosts
  set(CURLOPT_MAXREDIRS, 10L);
  set(CURLOPT_USERAGENT, "mk");
  set(CURLOPT_HTTPHEADER, headers);
  set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(limits.connect_seconds));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(limits.idle_seconds));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_BUFFERSIZE, 256L << 10);
  set(CURLOPT_ERRORBUFFER, error);
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_HEADERFUNCTION, &on_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &on_progress);
  set(CURLOPT_XFERINFODATA, &transfer);
  if (!call.form.empty()) set(CURLOPT_POSTFIELDS, call.form.c_str());
  if (!call.tls.ca_file.empty()) set(CURLOPT_CAINFO, call.tls.ca_file.c_str());
  if (!call.tls.cert_file.empty()) set(CURLOPT_SSLCERT, call.tls.cert_file.c_str());
  if (!call.tls.key_file.empty()) set(CURLOPT_SSLKEY, call.tls.key_file.c_str());
  if (call.tls.insecure_skip_verify) {
    set(CURLOPT_SSL_VERIFYPEER, 0L);
    set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
}

Error explain(CURLcode code, const HttpCall& call, const TransferLimits& limits, const char* detail) {
  std::string text = call.url + ": ";
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      text += "the registry sent nothing for " + std::to_string(limits.idle_seconds) +
              " s or did not accept the connection";
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
      text +=
          "its TLS certificate is not trusted; set tls.ca_file or tls.insecure_skip_verify for this host in "
          "registries.yaml";
      break;
    default:
      text += *detail != '\0' ? detail : curl().strerror(code);
  }
  return Error(Reason::kServiceUnavailable, text);
}

}  // namespace

Result<HttpAnswer> CurlTransport::perform(const HttpCall& call) const {
  if (!curl().failure.empty()) return Error(Reason::kServiceUnavailable, curl().failure);
  CURL* handle = curl().easy_init();
  if (handle == nullptr) return Error(Reason::kServiceUnavailable, "libcurl cannot start a transfer");
  Transfer transfer{call, stop_.get(), handle, {}, {}};
  curl_slist* headers = nullptr;
  for (const auto& header : call.headers) headers = curl().slist_append(headers, header.c_str());
  char detail[CURL_ERROR_SIZE] = "";
  set_options(transfer, limits_, headers, detail);
  const CURLcode code = curl().perform(handle);
  transfer.answer.status = transfer.status();
  curl().cleanup(handle);
  curl().slist_free_all(headers);
  if (transfer.failure) return std::move(*transfer.failure);
  if (code == CURLE_ABORTED_BY_CALLBACK)
    return Error(Reason::kServiceUnavailable, call.url + ": given up, mk stops");
  if (code != CURLE_OK) return explain(code, call, limits_, detail);
  return std::move(transfer.answer);
}

}  // namespace mk::kubelet
