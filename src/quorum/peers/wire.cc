#include "peers/wire.h"

#include "mk/base/log.h"

namespace mk::quorum {

namespace {

constexpr Log kLog("quorum");
// A peer that does not take what it is sent gets no more; while there is no connection only the newest is
// kept, which is what an election needs.
constexpr std::size_t kQueuedMax = 64 << 20, kQueuedUnconnected = 1 << 20;
constexpr std::size_t kBatch = 256 << 10;
constexpr auto kSilenceMax = std::chrono::seconds(4);
constexpr auto kRedialFirst = std::chrono::milliseconds(20), kRedialMax = std::chrono::milliseconds(1000);
constexpr auto kDialTimeout = std::chrono::seconds(3);

std::uint32_t length_at(std::string_view bytes) {
  std::uint32_t out = 0;
  for (int i = 3; i >= 0; --i)
    out = out << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  return out;
}

void put_length(std::string& out, std::size_t length) {
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(length >> (8 * i)));
}

}  // namespace

Result<std::optional<SharedBytes>> FrameReader::next() {
  for (;;) {
    const std::string_view rest = std::string_view(buffer_).substr(used_);
    const std::size_t length = rest.size() < 4 ? 0 : length_at(rest);
    if (length > kFrameMax) return Error(Reason::kInvalid, "a frame of " + std::to_string(length) + " bytes");
    if (rest.size() < 4 || rest.size() - 4 < length) {
      buffer_.erase(0, used_);
      used_ = 0;
      return std::optional<SharedBytes>();
    }
    used_ += 4 + length;
    if (length > 0) return std::optional<SharedBytes>(SharedBytes(std::string(rest.substr(4, length))));
  }
}

void Wire::send(SharedBytes frame) {
  if (frame.empty() || frame.size() > kFrameMax || queued_ + frame.size() > kQueuedMax) return;
  queued_ += frame.size();
  queue_.push_back(std::move(frame));
  if (!connected_) drop_oldest(kQueuedUnconnected);
  more_.notify_all();
}

void Wire::drop_oldest(std::size_t keep) {
  while (queued_ > keep && queue_.size() > 1) {
    queued_ -= queue_.front().size();
    queue_.pop_front();
  }
}

std::string Wire::take_batch() {
  std::string out;
  while (!queue_.empty() && (out.empty() || out.size() + queue_.front().size() < kBatch)) {
    put_length(out, queue_.front().size());
    out.append(queue_.front().view());
    queued_ -= queue_.front().size();
    queue_.pop_front();
  }
  return out;
}

rt::Task<Result<std::unique_ptr<net::RawStream>>> Wire::dial() {
  net::ClientOptions options;
  options.base_url = "https://" + peer_.address;
  options.ca_pem = identity_.ca_pem;
  options.client_certificate = identity_.certificate;
  options.server_name = peer_name(peer_.id);  // whoever answers there must be that server
  options.connect_timeout = kDialTimeout;
  MK_CO_ASSIGN(auto client, net::make_http_client(loop_, clock_, std::move(options)));
  net::Request request("GET", kPeerPath);
  request.headers.set("Connection", "Upgrade");
  request.headers.set("Upgrade", kPeerProtocol);
  request.headers.set(kClusterHeader, identity_.cluster);
  request.headers.set(kToHeader, std::to_string(peer_.id));
  request.headers.set(kAddressHeader, identity_.address);
  MK_CO_ASSIGN(auto upgraded, co_await client->upgrade(std::move(request)));
  co_return std::move(upgraded.stream);
}

rt::Task<> Wire::pump(net::RawStream& stream) {
  for (;;) {
    while (queue_.empty()) co_await more_.wait();
    auto written = co_await stream.write_all(take_batch());
    if (!written.ok()) co_return;
  }
}

// The peer sends nothing but signs of life on this connection.
rt::Task<> Wire::watch(net::RawStream& stream) {
  for (;;) {
    const auto read = co_await stream.read_some(4096);
    if (!read.ok() || read->empty()) co_return;
    heard_ = clock_.mono();
  }
}

rt::Task<> Wire::expect_life() {
  while (clock_.mono() - heard_ < kSilenceMax) co_await clock_.sleep_until(heard_ + kSilenceMax);
}

rt::Task<> Wire::until_silent(net::RawStream& stream) {
  co_await rt::race(watch(stream), expect_life());
}

rt::Task<> Wire::serve(net::RawStream& stream) {
  heard_ = clock_.mono();
  connected_ = true;
  kLog.info("linked to a server", "id", peer_.id, "address", peer_.address);
  co_await rt::race(until_silent(stream), pump(stream));
  connected_ = false;
  stream.close();
}

rt::Task<> Wire::run() {
  auto pause = rt::Duration(kRedialFirst);
  std::string said;
  for (;;) {
    auto stream = co_await dial();
    if (stream.ok()) {
      pause = kRedialFirst;
      said.clear();
      co_await serve(**stream);
      kLog.warn("the link to a server broke", "id", peer_.id, "address", peer_.address);
    } else if (stream.error().message() != said) {  // once, not at every try
      said = stream.error().message();
      kLog.warn("no link to a server", "id", peer_.id, "address", peer_.address, "error", said);
    }
    // Chance keeps servers that restart together from dialing in step.
    co_await clock_.sleep_for(pause / 2 + rt::Duration(static_cast<std::int64_t>(
                                              random_.below(static_cast<std::uint64_t>(pause.count())))));
    pause = std::min<rt::Duration>(pause * 2, kRedialMax);
  }
}

}  // namespace mk::quorum
