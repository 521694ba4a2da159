#include "http2_session.h"

#include <algorithm>

#include "http_text.h"
#include "mk/base/assert.h"
#include "mk/base/strings.h"

namespace mk::net {
namespace {

constexpr std::int32_t kConnectionWindow = 16 << 20;
constexpr std::size_t kFieldOverhead = 32;  // RFC 9113, section 6.5.2

std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Fields of a connection have no place in a message of HTTP/2 (RFC 9113, section 8.2.2).
bool is_connection_field(std::string_view name) {
  constexpr std::string_view kNames[] = {"connection", "keep-alive", "proxy-connection", "transfer-encoding",
                                         "upgrade"};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](std::string_view own) { return same_name(own, name); });
}

nghttp2_nv field(std::string_view name, std::string_view value, std::uint8_t flags) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));  // read only, says its manual
  };
  return {bytes(name), bytes(value), name.size(), value.size(), flags};
}

}  // namespace

struct Http2Session::Callbacks {
  static Http2Session& self(void* data) { return *static_cast<Http2Session*>(data); }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    auto& session = self(data);
    auto stream = std::make_shared<Http2Stream>(frame->hd.stream_id);
    stream->moved = session.clock_.mono();
    session.streams_[stream->id] = std::move(stream);
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                       void* data) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    if (Http2Stream* stream = self(data).find(frame->hd.stream_id)) {
      if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)  // trailers are dropped
        self(data).take_header(*stream, text_of(name, name_size), text_of(value, value_size));
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                     std::size_t size, void* data) {
    nghttp2_session_consume_connection(session, size);
    if (Http2Stream* stream = self(data).find(id)) self(data).take_body(*stream, text_of(bytes, size));
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    auto& session = self(data);
    Http2Stream* const stream = session.find(frame->hd.stream_id);
    const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (stream != nullptr && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
          session.header_done(*stream, end);
        } else if (stream != nullptr && end) {
          session.request_done(*stream);
        }
        break;
      case NGHTTP2_DATA:
        if (frame->hd.length == 0 && !end) session.count_idle_frame();
        if (stream != nullptr && end) session.request_done(*stream);
        break;
      case NGHTTP2_SETTINGS:
        session.greeted_ = true;
        session.count_idle_frame();
        break;
      case NGHTTP2_PING:
      case NGHTTP2_PRIORITY:
        session.count_idle_frame();
        break;
      default:
        break;
    }
    return 0;
  }

  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* data) {
    self(data).closed(id);
    return 0;
  }

  static ssize_t read_data(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t size,
                           std::uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& stream = *static_cast<Http2Stream*>(source->ptr);
    const std::size_t count = std::min(size, stream.queued);
    if (count == stream.queued && stream.end_queued_) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (count == 0 && !stream.end_queued_) {
      stream.waiting_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return static_cast<ssize_t>(count);
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head, std::size_t size,
                       nghttp2_data_source* source, void* data) {
    constexpr std::size_t kFrameHead = 9;
    auto& session = self(data);
    if (session.out_->size() >= session.out_max_) return NGHTTP2_ERR_WOULDBLOCK;  // the same frame next time
    session.out_->append(text_of(head, kFrameHead));
    session.append_data(*static_cast<Http2Stream*>(source->ptr), size);
    return 0;
  }
};

Http2Session::Http2Session(const ServerLimits& limits, rt::Clock& clock, Kept::Total& kept)
    : limits_(limits),
      clock_(clock),
      kept_(kept),
      idle_frames_at_(clock.mono()),
      idle_from_(idle_frames_at_) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  MK_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, Callbacks::on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::on_close);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, Callbacks::send_data);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_outbound_ack(option, 1000);
  // "Rapid reset" (CVE-2023-44487): informers that end all their watches at once stay below it.
  nghttp2_option_set_stream_reset_rate_limit(option, 1000, 100);
  // As many CONTINUATION frames of 16 KiB as the largest header list takes.
  nghttp2_option_set_max_continuations(option, limits.header_max / 16384 + 1);
  MK_ASSERT(nghttp2_session_server_new2(&session_, callbacks, this, option) == 0);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_option_del(option);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<std::uint32_t>(limits.streams_max)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.header_max)}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

Http2Session::~Http2Session() {
  abandon();
  nghttp2_session_del(session_);
}

Http2Stream* Http2Session::find(std::int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

Result<void> Http2Session::feed(std::string_view data) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(data.data());
  const ssize_t used = nghttp2_session_mem_recv(session_, bytes, data.size());
  if (used < 0)
    return Error(Reason::kBadRequest, std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(used)));
  if (flooded_) nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
  return ok();
}

void Http2Session::fill(std::string& out, std::size_t size) {
  out_ = &out;
  out_max_ = size;
  while (out.size() < size) {
    const std::uint8_t* data = nullptr;
    const ssize_t count = nghttp2_session_mem_send(session_, &data);  // DATA frames come by send_data()
    if (count <= 0) break;
    out.append(text_of(data, static_cast<std::size_t>(count)));
  }
  out_ = nullptr;
}

bool Http2Session::is_over() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

void Http2Session::take_header(Http2Stream& stream, std::string_view name, std::string_view value) {
  if (stream.refusal != 0) return;
  const std::size_t size = name.size() + value.size() + kFieldOverhead;
  stream.header_bytes += size;
  headers_ += size;
  if (stream.header_bytes > limits_.header_max || headers_ > kHeadersMax) stream.refusal = 431;
  if (stream.refusal == 0 && !kept_.set(headers_ + bodies_)) stream.refusal = 503;
  if (stream.refusal != 0) {
    headers_ -= stream.header_bytes;
    stream.header_bytes = 0;
    stream.request.headers = Headers();
    return;
  }
  Request& request = stream.request;
  if (name == ":method") {
    request.method = value;
  } else if (name == ":path") {
    request.target = value;
  } else if (name == ":authority") {
    request.headers.set("host", std::string(value));
  } else if (!name.starts_with(':') && !(name == "host" && request.headers.has("host"))) {
    request.headers.add(std::string(name), std::string(value));
  }
}

void Http2Session::header_done(Http2Stream& stream, bool end) {
  if (stream.refusal == 0 && stream.request.method == "CONNECT") stream.refusal = 400;
  const auto length = parse_int(stream.request.headers.get("content-length"));
  if (stream.refusal == 0 && length && *length > static_cast<std::int64_t>(limits_.body_max))
    stream.refusal = 413;
  if (stream.refusal != 0) refuse(stream, stream.refusal);
  if (end) {
    request_done(stream);
  } else if (stream.refusal == 0 && same_name(stream.request.headers.get("expect"), "100-continue")) {
    const nghttp2_nv status = field(":status", "100", NGHTTP2_NV_FLAG_NONE);
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream.id, nullptr, &status, 1, nullptr);
  }
}

void Http2Session::take_body(Http2Stream& stream, std::string_view data) {
  if (stream.refusal != 0) {
    discard(stream, data.size());
    return;
  }
  stream.moved = clock_.mono();
  if (stream.request.body.size() + data.size() > limits_.body_max) {
    refuse(stream, 413);
    return;
  }
  if (!kept_.set(headers_ + bodies_ + data.size())) {
    refuse(stream, 503);
    return;
  }
  stream.request.body.append(data);
  bodies_ += data.size();
  stream.owed += data.size();
  owed_ += data.size();
  give_room();
}

// The rest of a request that has its answer: clients (curl, for one) would not see it if they were cut off in
// the middle of their upload, so what they send is dropped, up to a point.
void Http2Session::discard(Http2Stream& stream, std::size_t size) {
  stream.discarded += size;
  if (stream.discarded > kDiscardMax) {
    reset(stream, NGHTTP2_NO_ERROR);
  } else {
    nghttp2_session_consume_stream(session_, stream.id, size);
  }
}

// New room for uploads: to all while there is some, else to the oldest alone, so that one at least comes to
// its end, and to none while whole requests alone are too much: their handlers end.
void Http2Session::give_room() {
  if (owed_ == 0 || whole_bodies_ > kBodiesMax) return;
  for (auto& [id, stream] : streams_) {
    if (stream->whole || stream->refusal != 0) continue;
    if (stream->owed > 0) {
      nghttp2_session_consume_stream(session_, id, stream->owed);
      owed_ -= stream->owed;
      stream->owed = 0;
    }
    if (bodies_ > kBodiesMax || owed_ == 0) return;
  }
}

void Http2Session::request_done(Http2Stream& stream) {
  stream.whole = true;
  whole_bodies_ += stream.request.body.size();
  owed_ -= stream.owed;
  stream.owed = 0;
  hand_over(stream);
  give_room();
}

void Http2Session::refuse(Http2Stream& stream, int status) {
  stream.refusal = status;
  bodies_ -= stream.request.body.size();
  owed_ -= stream.owed;
  stream.owed = 0;
  stream.request.body = std::string();
  hand_over(stream);
}

void Http2Session::hand_over(Http2Stream& stream) {
  if (stream.handed_over) return;
  stream.handed_over = true;
  ready_.push_back(streams_[stream.id]);
}

void Http2Session::closed(std::int32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const auto stream = std::move(found->second);
  streams_.erase(found);
  stream->closed = true;
  stream->queue_.clear();
  stream->queued = 0;
  headers_ -= stream->header_bytes;
  bodies_ -= stream->request.body.size();
  kept_.set(headers_ + bodies_);
  if (stream->whole) whole_bodies_ -= stream->request.body.size();
  owed_ -= stream->owed;
  if (streams_.empty()) idle_from_ = clock_.mono();
  give_room();
  stream->changed.notify_all();
}

void Http2Session::count_idle_frame() {
  const auto now = clock_.mono();
  const double seconds = std::chrono::duration<double>(now - idle_frames_at_).count();
  idle_frames_at_ = now;
  idle_frames_ = std::max(0.0, idle_frames_ - seconds * kIdleFramesPerSecond) + 1;
  if (idle_frames_ > kIdleFramesMax) flooded_ = true;
}

void Http2Session::begin(Http2Stream& stream, int status, const Headers& headers, bool has_body) {
  if (stream.closed) return;
  const std::string code = std::to_string(status);
  std::vector<std::string> cleaned;  // no line break may leave us
  cleaned.reserve(headers.all().size());
  std::vector<nghttp2_nv> fields{field(":status", code, NGHTTP2_NV_FLAG_NONE)};
  fields.reserve(headers.all().size() + 1);
  for (const auto& [name, value] : headers.all()) {
    if (is_connection_field(name)) continue;
    std::string_view shown = value;
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      cleaned.push_back(value);
      for (char& c : cleaned.back())
        if (c == '\r' || c == '\n' || c == '\0') c = ' ';
      shown = cleaned.back();
    }
    // What differs in every answer would only push the rest out of the compression table.
    const bool unique = same_name(name, "Audit-Id");
    fields.push_back(field(name, shown, unique ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE));
  }
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = Callbacks::read_data;
  nghttp2_submit_response(session_, stream.id, fields.data(), fields.size(), has_body ? &provider : nullptr);
}

void Http2Session::send(Http2Stream& stream, std::vector<SharedBytes> chunks) {
  if (stream.closed) return;
  if (stream.queued == 0) stream.moved = clock_.mono();
  for (auto& chunk : chunks) {
    if (chunk.empty()) continue;
    stream.queued += chunk.size();
    stream.queue_.push_back(std::move(chunk));
  }
  if (stream.waiting_ && stream.queued > 0) {
    stream.waiting_ = false;
    nghttp2_session_resume_data(session_, stream.id);
  }
}

void Http2Session::finish(Http2Stream& stream) {
  if (stream.closed) return;
  stream.end_queued_ = true;
  if (!stream.waiting_) return;
  stream.waiting_ = false;
  nghttp2_session_resume_data(session_, stream.id);
}

void Http2Session::append_data(Http2Stream& stream, std::size_t count) {
  stream.queued -= count;
  stream.moved = clock_.mono();
  while (count > 0) {
    SharedBytes& chunk = stream.queue_[stream.first_];
    const auto part = chunk.view().substr(stream.offset_, count);
    out_->append(part);
    count -= part.size();
    stream.offset_ += part.size();
    if (stream.offset_ < chunk.size()) continue;
    chunk = SharedBytes();
    stream.offset_ = 0;
    ++stream.first_;
  }
  if (stream.first_ == stream.queue_.size()) {
    stream.queue_.clear();
    stream.first_ = 0;
  }
  stream.changed.notify_all();
}

void Http2Session::reset(Http2Stream& stream, std::uint32_t code) {
  if (!stream.closed) nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, code);
}

void Http2Session::shut_down() {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
}

void Http2Session::abandon() {
  ready_.clear();
  while (!streams_.empty()) closed(streams_.begin()->first);
}

void Http2Session::sweep(rt::MonoTime now) {
  for (const auto& [id, stream] : streams_) {
    const bool late = !stream->whole && now - stream->moved > limits_.header_timeout;
    const bool stalled = stream->queued > 0 && now - stream->moved > limits_.stall_timeout;
    if (late || stalled) reset(*stream, NGHTTP2_CANCEL);
  }
}

}  // namespace mk::net
