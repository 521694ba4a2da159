#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kept.h"
#include "mk/base/bytes.h"
#include "mk/base/result.h"
#include "mk/net/http.h"
#include "mk/net/server.h"
#include "mk/rt/event.h"

namespace mk::net {

// One request and its answer on a connection that carries many.
struct Http2Stream {
  explicit Http2Stream(std::int32_t id_) : id(id_) {}

  const std::int32_t id;
  Request request;
  std::size_t header_bytes = 0;  // as SETTINGS_MAX_HEADER_LIST_SIZE counts them
  int refusal = 0;               // the status that it gets instead of being handled: 400, 413 or 431
  bool whole = false;            // the request has come to its end
  bool handed_over = false;
  bool closed = false;        // nothing goes either way any more
  std::size_t discarded = 0;  // of a refused request
  std::size_t owed = 0;       // bytes taken for which the client has not been given new room yet
  rt::MonoTime moved;         // when bytes last went either way
  rt::Event changed;          // closed, or the queue below got shorter
  std::size_t queued = 0;     // bytes of the answer that are not in frames yet

 private:
  friend class Http2Session;
  std::vector<SharedBytes> queue_;
  std::size_t first_ = 0, offset_ = 0;  // of the next byte in queue_
  bool end_queued_ = false, waiting_ = false;
};

// HTTP/2 (RFC 9113) of a server, without the socket: bytes in, requests out; answers in, bytes out. What a
// client can make us keep is bounded: kHeadersMax of headers; of bodies twice kBodiesMax, one whole body, and
// a window (64 KiB) for each of streams_max streams; and `kept` for all clients together.
class Http2Session {
 public:
  Http2Session(const ServerLimits& limits, rt::Clock& clock, Kept::Total& kept);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  // Requests that are whole now, or refused, go to ready(). An error: the connection cannot go on; what there
  // is to send (GOAWAY) should still be sent.
  Result<void> feed(std::string_view data);
  std::vector<std::shared_ptr<Http2Stream>>& ready() { return ready_; }
  // Appends frames until `out` has about `size` bytes (a frame more at most) or nothing is left to send.
  void fill(std::string& out, std::size_t size);
  // Neither side has anything to say any more.
  bool is_over() const;

  // The answer's head; `has_body`: send() and finish() follow. No effect on a closed stream.
  void begin(Http2Stream& stream, int status, const Headers& headers, bool has_body);
  void send(Http2Stream& stream, std::vector<SharedBytes> chunks);
  void finish(Http2Stream& stream);
  void reset(Http2Stream& stream, std::uint32_t code);

  // GOAWAY: streams under way may end, new ones are not taken.
  void shut_down();
  // The connection is gone: all streams are closed.
  void abandon();
  // Resets streams that have not moved for too long.
  void sweep(rt::MonoTime now);

  std::size_t open_streams() const { return streams_.size(); }
  // Since when no stream is open.
  rt::MonoTime idle_from() const { return idle_from_; }
  bool greeted() const { return greeted_; }  // the client's first SETTINGS have come

 private:
  static constexpr std::size_t kBodiesMax = 4 << 20, kDiscardMax = 4 << 20, kHeadersMax = 4 << 20;
  // Frames that cost us something and ask for nothing (PING, SETTINGS, PRIORITY, empty DATA).
  static constexpr double kIdleFramesMax = 10000, kIdleFramesPerSecond = 500;

  struct Callbacks;  // nghttp2's view
  friend struct Callbacks;

  Http2Stream* find(std::int32_t id);
  void take_header(Http2Stream& stream, std::string_view name, std::string_view value);
  void take_body(Http2Stream& stream, std::string_view data);
  void header_done(Http2Stream& stream, bool end);
  void request_done(Http2Stream& stream);
  void refuse(Http2Stream& stream, int status);
  void hand_over(Http2Stream& stream);
  void closed(std::int32_t id);
  void discard(Http2Stream& stream, std::size_t size);
  void give_room();
  void count_idle_frame();
  void append_data(Http2Stream& stream, std::size_t count);

  const ServerLimits& limits_;
  rt::Clock& clock_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, std::shared_ptr<Http2Stream>> streams_;  // the lowest id is the oldest
  std::vector<std::shared_ptr<Http2Stream>> ready_;
  std::string* out_ = nullptr;  // during fill()
  std::size_t out_max_ = 0;
  Kept kept_;
  std::size_t headers_ = 0, bodies_ = 0, whole_bodies_ = 0, owed_ = 0;
  double idle_frames_ = 0;
  rt::MonoTime idle_frames_at_, idle_from_;
  bool greeted_ = false, flooded_ = false;
};

}  // namespace mk::net
