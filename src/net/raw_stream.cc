#include "raw_stream.h"

namespace mk::net {
namespace {

class RawStreamImpl : public RawStream {
 public:
  explicit RawStreamImpl(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  ~RawStreamImpl() override { stream_->close(); }

  rt::Task<Result<std::string>> read_some(std::size_t count_max) override {
    auto stream = stream_;
    // The buffer comes into being when there is something to read: a quiet tunnel costs none.
    if (!stream->has_pending()) MK_CO_TRY(co_await stream->wait_readable());
    std::string data(std::min<std::size_t>(count_max, 64 << 10), '\0');
    auto count = co_await stream->read_some(data.data(), data.size());
    if (!count) co_return std::move(count).error();
    data.resize(*count);
    co_return data;
  }

  rt::Task<Result<void>> write_all(std::string data) override {
    auto stream = stream_;
    co_return co_await stream->write(data);
  }

  void close_write() override { stream_->close_write(); }
  void close() override { stream_->close(); }

 private:
  std::shared_ptr<Stream> stream_;
};

}  // namespace

std::unique_ptr<RawStream> make_raw_stream(std::shared_ptr<Stream> stream) {
  return std::make_unique<RawStreamImpl>(std::move(stream));
}

}  // namespace mk::net
