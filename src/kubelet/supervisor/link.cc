#include "supervisor/link.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <optional>

#include "supervisor/protocol.h"

namespace mk::kubelet {

struct PodLink::State {
  State(rt::Executor executor, int fd) : socket(std::move(executor), fd) {}

  rt::AsyncFd socket;
  std::uint64_t next_number = 1;
  std::map<std::string, std::optional<Result<Answer>>> waiting;  // by request number
  rt::Event answered;
  bool closed = false;
  PodLink* owner = nullptr;  // nullptr: gone

  void dispatch(std::vector<std::string> fields, UniqueFd fd);
};

namespace {

Error gone() {
  return Error(Reason::kServiceUnavailable, "the pod's supervisor is gone");
}

// One packet; nullopt when the connection has ended.
std::optional<std::pair<std::vector<std::string>, UniqueFd>> receive(int socket) {
  char data[supervisor::kMessageMax];
  iovec part{data, sizeof data};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  std::pair<std::vector<std::string>, UniqueFd> out;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return out;
  if (got <= 0) return std::nullopt;
  const cmsghdr* item = CMSG_FIRSTHDR(&header);
  if (item != nullptr && item->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(item), sizeof fd);
    out.second = UniqueFd(fd);
  }
  for (const char* field = data; field < data + got; field += std::strlen(field) + 1)
    out.first.emplace_back(field);
  return out;
}

bool send(int socket, const std::string& packet, const std::vector<int>& fds) {
  iovec part{const_cast<char*>(packet.data()), packet.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(supervisor::kDescriptorsMax * sizeof(int))] = {};
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(item), fds.data(), fds.size() * sizeof(int));
  }
  return ::sendmsg(socket, &header, MSG_NOSIGNAL) >= 0;
}

}  // namespace

void PodLink::State::dispatch(std::vector<std::string> fields, UniqueFd fd) {
  if (fields.size() < 2) return;
  if (fields[0] == "0") {
    fields.erase(fields.begin());
    if (owner != nullptr && owner->on_event) owner->on_event(std::move(fields));
    return;
  }
  const auto request = waiting.find(fields[0]);
  if (request == waiting.end()) return;
  if (fields[1] == "ok") {
    Answer answer;
    answer.results.assign(std::make_move_iterator(fields.begin() + 2), std::make_move_iterator(fields.end()));
    answer.fd = std::move(fd);
    request->second.emplace(std::move(answer));
  } else {
    request->second.emplace(Error(Reason::kInternalError, fields.size() > 2 ? fields[2] : "runc failed"));
  }
  answered.notify_all();
}

Result<std::unique_ptr<PodLink>> PodLink::connect(rt::Executor executor, const std::string& pod_folder) {
  // Through the folder's descriptor: its path may be longer than a socket's address.
  const UniqueFd folder(::open(pod_folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return sys_error("open", pod_folder);
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder.get(),
                supervisor::kSocketName);
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return gone();
  auto state = std::make_shared<State>(std::move(executor), socket.release());
  std::unique_ptr<PodLink> out(new PodLink(state));
  state->owner = out.get();
  return out;
}

PodLink::~PodLink() {
  state_->owner = nullptr;
  state_->closed = true;
  state_->socket.close();
  state_->answered.notify_all();
}

bool PodLink::closed() const {
  return state_->closed;
}

void PodLink::listen(rt::Group& group) {
  group.spawn("supervisor link", read_loop(state_));
}

rt::Task<> PodLink::read_loop(std::shared_ptr<State> state) {
  while (!state->closed) {
    const auto readable = co_await state->socket.wait_readable();
    if (!readable.ok() || state->closed) break;
    auto packet = receive(state->socket.native());
    if (!packet) break;
    state->dispatch(std::move(packet->first), std::move(packet->second));
  }
  const bool by_other_side = !state->closed;
  state->closed = true;
  state->answered.notify_all();
  if (by_other_side && state->owner != nullptr && state->owner->on_closed) {
    const auto handler = state->owner->on_closed;  // may destroy the link
    handler();
  }
}

rt::Task<Result<PodLink::Answer>> PodLink::request(std::vector<std::string> fields, std::vector<int> fds) {
  auto state = state_;
  if (state->closed) co_return gone();
  const std::string number = std::to_string(state->next_number++);
  std::string packet = number + '\0';
  for (const auto& field : fields) {
    MK_ASSERT(field.find('\0') == std::string::npos);
    packet += field + '\0';
  }
  if (packet.size() > supervisor::kMessageMax)
    co_return Error(Reason::kInvalid, "a name or path is too long");
  state->waiting[number];
  if (!send(state->socket.native(), packet, fds)) {
    state->waiting.erase(number);
    co_return gone();
  }
  while (!state->waiting[number] && !state->closed) co_await state->answered.wait();
  auto answer = std::move(state->waiting[number]);
  state->waiting.erase(number);
  if (!answer) co_return gone();
  co_return std::move(*answer);
}

}  // namespace mk::kubelet
