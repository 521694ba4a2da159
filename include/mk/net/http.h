#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mk::net {

// Header fields in order; names compare without case.
class Headers {
 public:
  void set(std::string name, std::string value);  // replaces
  void add(std::string name, std::string value);
  std::string_view get(std::string_view name) const;  // the first, "" when absent
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
  Request() = default;
  Request(std::string method_, std::string target_)
      : method(std::move(method_)), target(std::move(target_)) {}

  std::string method = "GET";
  std::string target = "/";  // path and query, still percent-encoded
  Headers headers;
  std::string body;

  std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
  std::string_view query() const {
    const auto mark = target.find('?');
    return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
  }
};

struct Response {
  Response() = default;
  Response(int status_, std::string content_type, std::string body_)
      : status(status_), body(std::move(body_)) {
    headers.set("Content-Type", std::move(content_type));
  }

  int status = 200;
  Headers headers;
  std::string body;
};

// Decoded query parameters in order; a broken escape is kept as it stands.
class Query {
 public:
  explicit Query(std::string_view text);
  std::string_view get(std::string_view name) const;  // the first, "" when absent
  bool has(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  bool flag(std::string_view name) const;  // there, and neither "0" nor "false" in any case

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace mk::net
