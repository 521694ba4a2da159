#pragma once

#include <nghttp2/nghttp2.h>

#include <map>
#include <string>
#include <vector>

#include "http2_session.h"

// For tests: a client of HTTP/2 in memory, talking to a session.
namespace mk::net {

class Http2Peer {
 public:
  struct Answer {
    int status = 0;
    std::map<std::string, std::string> fields;
    std::string body;
    bool whole = false;
    std::int64_t reset = -1;  // the code of RST_STREAM
  };
  using Fields = std::vector<std::pair<std::string, std::string>>;

  explicit Http2Peer(bool opens_windows = true) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    if (!opens_windows) nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_client_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, 0, nullptr, 0);
  }
  ~Http2Peer() { nghttp2_session_del(session_); }
  Http2Peer(const Http2Peer&) = delete;
  Http2Peer& operator=(const Http2Peer&) = delete;

  // A request whose body is `body`; with `open`, its end is not told.
  std::int32_t request(const std::string& method, const std::string& path, std::string body = {},
                       const Fields& more = {}, bool open = false) {
    Fields all{{":method", method}, {":scheme", "https"}, {":path", path}, {":authority", "mk"}};
    all.insert(all.end(), more.begin(), more.end());
    std::vector<nghttp2_nv> fields;
    for (const auto& [name, value] : all) fields.push_back(nv(name, value));
    nghttp2_data_provider provider{};
    provider.read_callback = read_body;
    const bool has_body = open || !body.empty();
    const std::int32_t id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                                   has_body ? &provider : nullptr, nullptr);
    bodies_[id] = {std::move(body), open};
    return id;
  }
  std::size_t unsent(std::int32_t id) const { return bodies_.at(id).first.size(); }
  void reset(std::int32_t id) { nghttp2_submit_rst_stream(session_, 0, id, NGHTTP2_CANCEL); }
  void ping() { nghttp2_submit_ping(session_, 0, nullptr); }
  void open_window(std::int32_t id, std::size_t size) { nghttp2_session_consume(session_, id, size); }

  // What this client has to send now.
  std::string output() {
    std::string out;
    const std::uint8_t* data = nullptr;
    for (ssize_t count; (count = nghttp2_session_mem_send(session_, &data)) > 0;)
      out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(count));
    return out;
  }
  void input(const std::string& data) {
    nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  }

  std::map<std::int32_t, Answer> answers;
  std::int64_t goaway = -1;  // its code
  int informational = 0;

 private:
  static Http2Peer& self(void* data) { return *static_cast<Http2Peer*>(data); }
  static nghttp2_nv nv(const std::string& name, const std::string& value) {
    const auto bytes = [](const std::string& text) {
      return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
  }
  static ssize_t read_body(nghttp2_session*, std::int32_t id, std::uint8_t* buffer, std::size_t size,
                           std::uint32_t* flags, nghttp2_data_source*, void* data) {
    auto& [body, open] = self(data).bodies_[id];
    const std::size_t count = body.copy(reinterpret_cast<char*>(buffer), size);
    body.erase(0, count);
    if (!body.empty()) return static_cast<ssize_t>(count);
    if (!open) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return open && count == 0 ? static_cast<ssize_t>(NGHTTP2_ERR_DEFERRED) : static_cast<ssize_t>(count);
  }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                       void* data) {
    const std::string key(reinterpret_cast<const char*>(name), name_size);
    const std::string text(reinterpret_cast<const char*>(value), value_size);
    auto& answer = self(data).answers[frame->hd.stream_id];
    if (key == ":status" && text == "100") {
      ++self(data).informational;
    } else if (key == ":status") {
      answer.status = std::stoi(text);
    } else {
      answer.fields[key] = text;
    }
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                     std::size_t size, void* data) {
    self(data).answers[id].body.append(reinterpret_cast<const char*>(bytes), size);
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    if (frame->hd.type == NGHTTP2_GOAWAY) self(data).goaway = frame->goaway.error_code;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
      self(data).answers[frame->hd.stream_id].reset = frame->rst_stream.error_code;
    const bool may_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (may_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      self(data).answers[frame->hd.stream_id].whole = true;
    return 0;
  }

  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, std::pair<std::string, bool>> bodies_;
};

}  // namespace mk::net
