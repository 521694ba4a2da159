#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace mk::net {

// Writes gzip (RFC 1952) as input comes, at the level that costs least. Holds about 256 KiB and no more,
// however long the text.
class GzipWriter {
 public:
  GzipWriter();
  ~GzipWriter();
  GzipWriter(const GzipWriter&) = delete;
  GzipWriter& operator=(const GzipWriter&) = delete;

  void write(std::string_view text, std::string& out);  // appends what is ready
  void finish(std::string& out);

 private:
  struct State;
  void run(std::string_view text, int flush, std::string& out);
  std::unique_ptr<State> state_;
};

// Does an Accept-Encoding header (RFC 9110, section 12.5.3) name gzip, and with a quality above 0?
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace mk::net
