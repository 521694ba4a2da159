#pragma once

#include <sys/socket.h>

#include "../protocol.h"
#include "container.h"
#include "namespaces.h"

// What a supervisor knows, and how it talks. One process, one thread, included by its main file alone.
namespace mk::supervisor {
namespace {

constexpr int kConnectionsMax = 200;
constexpr int kPollMax = 1000;
constexpr int64_t kRuncMs = 120000;    // then runc is killed
constexpr int64_t kStalledMs = 10000;  // then a watcher is let go

struct Connection {
  int fd = -1;
  bool watching = false;
};

// A runc that runs, and what follows when it ends.
struct Operation {
  enum Kind { kCreate, kStart, kExec } kind;
  pid_t runc;
  int connection;  // -1: nobody waits any more
  char request[24];
  Container* container;
  char exec_name[64];
  int64_t deadline;
  Operation* next;
};

// A program exec'ed in a container.
struct Exec {
  pid_t pid;
  int connection;
  Exec* next;
};

// Ends of children nobody asked about yet: a container's init may be gone before runc has reported its pid.
struct Orphan {
  pid_t pid;
  int status;
};

Options options;
Connection connections[kConnectionsMax];
Container* containers;
Operation* operations;
Exec* execs;
Orphan orphans[64];
unsigned orphan_next;
pid_t pid_namespace;
int listener = -1, signals = -1;
sigset_t old_mask;
unsigned console_number;

// --- messages

struct Message {
  char data[kMessageMax];
  size_t size = 0;
  Message& add(const char* text) {
    const size_t length = strlen(text) + 1;
    if (size + length <= sizeof data) memcpy(data + size, text, length), size += length;
    return *this;
  }
  Message& add(int64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%lld", static_cast<long long>(number));
    return add(text);
  }
};

struct Request {
  int connection;
  const char* field[kFieldsMax];
  int count;
  int fds[kDescriptorsMax];
  int fd_count;
};

void forget_connection(int index);

void send_message(int connection, const Message& message, int fd = -1) {
  if (connection < 0 || connections[connection].fd < 0) return;
  iovec part{const_cast<char*>(message.data), message.size};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (fd >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(item), &fd, sizeof fd);
  }
  // An agent that takes no messages for so long is lost; it finds everything when it connects again.
  if (sendmsg(connections[connection].fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    forget_connection(connection);
}

void answer(const Request& request, bool good, const char* text = nullptr) {
  Message message;
  message.add(request.field[0]).add(good ? "ok" : "err");
  if (text != nullptr) message.add(text);
  send_message(request.connection, message);
}

void send_state(int connection, const Container& container) {
  Message message;
  message.add("0").add("container").add(container.id);
  message.add(container.exited ? "exited" : container.started ? "running" : "created");
  message.add(container.pid).add(container.exit_code).add(container.exit_signal).add(container.oom ? 1 : 0);
  message.add(container.started_at).add(container.finished_at);
  send_message(connection, message);
}

void tell_watchers(const Container& container) {
  for (int i = 0; i < kConnectionsMax; ++i)
    if (connections[i].fd >= 0 && connections[i].watching) send_state(i, container);
}

}  // namespace
}  // namespace mk::supervisor
