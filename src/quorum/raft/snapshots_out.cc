#include "snapshots_out.h"

#include <algorithm>

#include "mk/base/crc32c.h"
#include "mk/base/log.h"
#include "node.h"

namespace mk::quorum {
namespace {

constexpr mk::Log kLog("raft");
constexpr std::uint64_t kChunk = 64 << 10;
constexpr std::uint64_t kWindow = 4 * kChunk;  // sent and not yet acknowledged
constexpr int kSilencesMax = 10;               // election timeouts without an answer
constexpr auto kInstallLimit = std::chrono::seconds(60);

rt::Task<> until_changed(rt::Event& event) {
  co_await event.wait();
}

}  // namespace

// The file, removed when nobody sends it any more.
struct SnapshotsOut::Source {
  explicit Source(std::shared_ptr<Node> owner) : node(std::move(owner)) {}
  ~Source() {
    if (node->closed()) return;  // its disk may be gone; who made the file removes it at the next start
    auto shared = std::make_shared<std::unique_ptr<store::File>>(std::move(file));
    store::Disk* disk = &node->disk();
    const auto remove = [shared, disk, path = snapshot.path] {
      shared->reset();
      if (auto removed = disk->remove(path); !removed.ok())
        kLog.warn("a snapshot is left over", "path", path, "error", removed.error().message());
    };
    node->file_worker().submit(remove, [] {});
  }

  const std::shared_ptr<Node> node;
  std::uint64_t id = 0;
  store::SnapshotFile snapshot;
  std::unique_ptr<store::File> file;
};

void SnapshotsOut::close() {
  lost_leadership();
  transfers_.clear();
}

void SnapshotsOut::lost_leadership() {
  for (auto& [to, transfer] : transfers_) {
    transfer->stopped = true;
    transfer->changed.notify_all();
  }
}

void SnapshotsOut::want(ServerId to, Index index) {
  if (transfers_.count(to) > 0 || !node_.heard_lately(to)) return;  // the core asks again
  auto transfer = std::make_shared<Transfer>();
  transfer->to = to;
  transfers_.emplace(to, transfer);
  const auto node = node_.shared_from_this();
  node->spawn("raft snapshot", run(node, std::move(transfer), index));
}

void SnapshotsOut::end(const std::shared_ptr<Transfer>& transfer) {
  const auto found = transfers_.find(transfer->to);
  if (found != transfers_.end() && found->second == transfer) transfers_.erase(found);
}

void SnapshotsOut::receive(ServerId from, const SnapshotHave& have) {
  const auto found = transfers_.find(from);
  if (found == transfers_.end() || found->second->id != have.id) return;
  Transfer& transfer = *found->second;
  transfer.again = transfer.again || have.gap || !transfer.answered;
  transfer.answered = transfer.begun = true;
  transfer.have = have.offset;
  transfer.changed.notify_all();
}

void SnapshotsOut::refused(ServerId from) {
  const auto found = transfers_.find(from);
  if (found == transfers_.end()) return;
  found->second->refused = true;
  found->second->changed.notify_all();
}

Index SnapshotsOut::pinned() const {
  Index pinned = UINT64_MAX;
  for (const auto& [to, transfer] : transfers_)
    if (transfer->begun && transfer->index > 0) pinned = std::min(pinned, transfer->index);
  return pinned;
}

rt::Task<std::shared_ptr<SnapshotsOut::Source>> SnapshotsOut::source_for(std::shared_ptr<Node> node,
                                                                         Index wanted) {
  SnapshotsOut& self = node->snapshots_out();
  while (self.making_ && !node->closed()) co_await self.made_.wait();
  if (node->closed()) co_return nullptr;
  auto source = self.newest_.lock();
  if (source && source->snapshot.applied.index >= wanted &&
      source->snapshot.applied.index >= node->cache().base())
    co_return source;
  self.making_ = true;
  auto made = co_await node->handlers().make_snapshot();
  self.making_ = false;
  self.made_.notify_all();
  if (node->closed()) co_return nullptr;
  if (!made.ok()) {
    kLog.error("no snapshot could be made for a server that needs one", "error", made.error().message());
    co_return nullptr;
  }
  source = std::make_shared<Source>(node);
  source->snapshot = std::move(*made);
  source->id = node->random().next() | 1;
  self.newest_ = source;
  co_return source;
}

rt::Task<std::string> SnapshotsOut::read_chunk(std::shared_ptr<Node> node, std::shared_ptr<Source> source,
                                               std::uint64_t offset) {
  auto read = std::make_shared<Pending<std::string>>();
  auto slot = std::make_shared<Result<std::string>>(std::string());
  store::Disk* disk = &node->disk();
  const auto job = [disk, source, slot, offset] {
    if (!source->file) {
      auto file = disk->open(source->snapshot.path, store::Disk::Open::kExisting);
      if (!file.ok()) return void(*slot = std::move(file).error());
      source->file = std::move(*file);
    }
    *slot = source->file->read(offset, std::min(kChunk, source->snapshot.size - offset));
  };
  node->file_worker().submit(job, [read, slot] { read->resolve(std::move(*slot)); });
  auto bytes = co_await await_result(std::move(read));
  if (!bytes.ok()) kLog.error("a snapshot cannot be read", "error", bytes.error().message());
  co_return bytes.ok() ? std::move(*bytes) : std::string();
}

rt::Task<> SnapshotsOut::run(std::shared_ptr<Node> node, std::shared_ptr<Transfer> transfer, Index wanted) {
  auto source = co_await source_for(node, wanted);
  if (source && !transfer->stopped && !node->closed()) {
    transfer->id = source->id;
    transfer->index = source->snapshot.applied.index;
    kLog.info("sending the state", "to", transfer->to, "index", transfer->index, "bytes",
              source->snapshot.size);
    const bool sent = co_await stream(node, transfer, source);
    // Asked for again while the receiver installs it, it would be sent again.
    transfer->refused = false;
    if (sent) co_await until_installed(node, transfer);
  }
  node->snapshots_out().end(transfer);
}

rt::Task<bool> SnapshotsOut::stream(std::shared_ptr<Node> node, std::shared_ptr<Transfer> transfer,
                                    std::shared_ptr<Source> source) {
  const std::uint64_t size = source->snapshot.size;
  const store::Applied& applied = source->snapshot.applied;
  std::uint64_t sent = 0;
  int silences = 0;
  bool answered = false;  // and `have`: as of the last progress
  std::uint64_t have = 0;
  rt::MonoTime deadline = node->clock().mono() + node->timing().election;
  while (!node->closed() && !transfer->stopped && silences < kSilencesMax) {
    if (!transfer->begun && applied.index < node->cache().base()) co_return false;  // too old by now
    if (!transfer->answered)
      node->send(transfer->to,
                 SnapshotBegin{transfer->id, node->engine().term(), applied.index, applied.term, size});
    if (transfer->answered && transfer->have >= size) co_return true;
    if (transfer->again || sent < transfer->have) sent = transfer->have;
    transfer->again = false;
    while (transfer->answered && sent < size && sent - std::min(sent, transfer->have) < kWindow) {
      const std::uint64_t offset = sent;
      SnapshotChunk chunk{transfer->id, offset, 0, {}};
      chunk.bytes = co_await read_chunk(node, source, offset);
      if (chunk.bytes.empty() || node->closed() || transfer->stopped) co_return false;
      chunk.checksum = crc32c(chunk.bytes);
      sent = offset + chunk.bytes.size();
      node->send(transfer->to, chunk);
      if (transfer->again) break;
    }
    if (transfer->again || (transfer->answered && transfer->have >= size)) continue;
    if (transfer->answered != answered || transfer->have != have) {
      answered = transfer->answered;
      have = transfer->have;
      silences = 0;
      deadline = node->clock().mono() + node->timing().election;
    }
    co_await rt::race(until_changed(transfer->changed), node->clock().sleep_until(deadline));
    if (node->clock().mono() < deadline) continue;
    ++silences;
    transfer->answered = answered = false;  // it may have restarted: begin again, from what it has
    deadline = node->clock().mono() + node->timing().election;
  }
  co_return false;
}

rt::Task<> SnapshotsOut::until_installed(std::shared_ptr<Node> node, std::shared_ptr<Transfer> transfer) {
  const rt::MonoTime deadline = node->clock().mono() + kInstallLimit;
  while (!node->closed() && !transfer->stopped && !transfer->refused && node->clock().mono() < deadline &&
         node->engine().match_index(transfer->to) < transfer->index)
    co_await rt::race(until_changed(transfer->changed), node->clock().sleep_for(node->timing().heartbeat));
}

}  // namespace mk::quorum
