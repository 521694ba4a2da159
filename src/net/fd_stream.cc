#include "fd_stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mk::net {
namespace {

class FdStream : public RawStream {
 public:
  explicit FdStream(rt::AsyncFd fd) : fd_(std::move(fd)) {}
  rt::Task<Result<std::string>> read_some(std::size_t count_max) override { return fd_.read_some(count_max); }
  rt::Task<Result<void>> write_all(std::string data) override { return fd_.write_all(std::move(data)); }
  void close_write() override { ::shutdown(fd_.native(), SHUT_WR); }
  void close() override { fd_.close(); }

 private:
  rt::AsyncFd fd_;
};

sockaddr_un address_of(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, name.c_str(), sizeof address.sun_path - 1);
  return address;
}

}  // namespace

std::unique_ptr<RawStream> make_fd_stream(rt::AsyncFd fd) {
  return std::make_unique<FdStream>(std::move(fd));
}

// A path that does not fit into an address is reached through its folder's descriptor.
UnixAddress::UnixAddress(const std::string& path) : name_(path) {
  if (path.size() < sizeof(sockaddr_un::sun_path)) return;
  const auto slash = path.rfind('/');
  folder_ = ::open(path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  name_ = "/proc/self/fd/" + std::to_string(folder_) + path.substr(slash);
}

UnixAddress::~UnixAddress() {
  if (folder_ >= 0) ::close(folder_);
}

int UnixAddress::connect(int fd) const {
  const auto address = address_of(name_);
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

int UnixAddress::bind(int fd) const {
  const auto address = address_of(name_);
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

}  // namespace mk::net
