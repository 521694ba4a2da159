#include "snapshots_in.h"

#include "members.h"
#include "mk/base/crc32c.h"
#include "mk/base/log.h"
#include "node.h"

namespace mk::quorum {
namespace {

constexpr mk::Log kLog("raft");

}  // namespace

void SnapshotsIn::close() {
  incoming_.reset();
}

std::string SnapshotsIn::path() const {
  return node_.options().snapshot_dir + "/incoming";
}

void SnapshotsIn::receive(ServerId from, const SnapshotBegin& begin) {
  if (begin.term < node_.engine().term()) return;
  // What it holds is here already, or is just being put in place: nothing need be sent.
  const bool superfluous = begin.index <= node_.delivered_all() || node_.engine().installing();
  if (superfluous) return node_.send(from, SnapshotHave{begin.id, begin.size});
  if (incoming_ && incoming_->from == from && incoming_->begin.id == begin.id && !incoming_->broken) {
    incoming_->begin.term = begin.term;
    return node_.send(from, SnapshotHave{begin.id, incoming_->written});
  }
  incoming_ = std::make_shared<Incoming>();
  incoming_->from = from;
  incoming_->begin = begin;
  open(incoming_);
}

void SnapshotsIn::open(std::shared_ptr<Incoming> incoming) {
  store::Disk* disk = &node_.disk();
  const auto job = [incoming, disk, dir = node_.options().snapshot_dir, path = path()] {
    const auto prepare = [&]() -> Result<void> {
      MK_TRY(disk->make_dirs(dir));
      MK_ASSIGN(incoming->file, disk->open(path, store::Disk::Open::kCreate));
      return incoming->file->truncate(0);
    };
    if (auto prepared = prepare(); !prepared.ok()) incoming->error = std::move(prepared).error();
  };
  const auto weak = node_.weak_from_this();
  node_.file_worker().submit(job, [this, weak, incoming] {
    const auto node = weak.lock();
    if (node && !node->closed()) written(incoming, 0);
  });
}

void SnapshotsIn::receive(ServerId from, const SnapshotChunk& chunk) {
  if (!incoming_ || incoming_->from != from || incoming_->begin.id != chunk.id || incoming_->broken ||
      node_.engine().installing())
    return;
  const auto incoming = incoming_;
  const bool fits = chunk.offset == incoming->accepted && !chunk.bytes.empty() &&
                    chunk.bytes.size() <= incoming->begin.size - chunk.offset &&
                    crc32c(chunk.bytes) == chunk.checksum;
  if (!fits) {
    // Told once for each gap: what comes after it, or twice, needs no answer.
    if (chunk.offset > incoming->accepted && !incoming->gap_told) {
      incoming->gap_told = true;
      node_.send(from, SnapshotHave{chunk.id, incoming->accepted, true});
    }
    return;
  }
  incoming->gap_told = false;
  incoming->accepted += chunk.bytes.size();
  const bool last = incoming->accepted == incoming->begin.size;
  const auto job = [incoming, offset = chunk.offset, bytes = chunk.bytes, last] {
    if (incoming->error) return;
    const auto write = [&]() -> Result<void> {
      MK_TRY(incoming->file->write(offset, bytes));
      if (last) MK_TRY(incoming->file->sync());
      return ok();
    };
    if (auto wrote = write(); !wrote.ok()) incoming->error = std::move(wrote).error();
  };
  const auto weak = node_.weak_from_this();
  node_.file_worker().submit(job, [this, weak, incoming, size = chunk.bytes.size()] {
    const auto node = weak.lock();
    if (node && !node->closed()) written(incoming, size);
  });
}

void SnapshotsIn::written(const std::shared_ptr<Incoming>& incoming, std::uint64_t bytes) {
  if (incoming != incoming_) return;
  if (incoming->error) {
    kLog.error("a snapshot cannot be received", "error", incoming->error->message());
    incoming->broken = true;
    return;
  }
  incoming->written += bytes;
  node_.send(incoming->from, SnapshotHave{incoming->begin.id, incoming->written});
  if (incoming->written == incoming->begin.size) node_.enqueue([this, incoming] { finished(incoming); });
}

void SnapshotsIn::finished(const std::shared_ptr<Incoming>& incoming) {
  if (incoming != incoming_ || node_.engine().installing()) return;
  const SnapshotBegin& begin = incoming->begin;
  node_.carry_out(node_.engine().receive_snapshot(node_.now_ms(), incoming->from, begin.term, begin.index,
                                                  begin.index_term));
  // Of an older term, or what it holds had come otherwise: the core did not take it.
  if (!node_.engine().installing() && incoming == incoming_) incoming_.reset();
}

void SnapshotsIn::install() {
  MK_ASSERT(incoming_ != nullptr);
  const auto node = node_.shared_from_this();
  node->spawn("raft install", put_in_place(node, incoming_));
}

rt::Task<> SnapshotsIn::put_in_place(std::shared_ptr<Node> node, std::shared_ptr<Incoming> incoming) {
  const SnapshotBegin begin = incoming->begin;
  const std::string path = node->snapshots_in().path();
  auto applied = co_await node->handlers().install_snapshot(path);
  if (node->closed()) co_return;
  if (!applied.ok()) co_return node->fail(std::move(applied).error().wrap("the leader's snapshot"));
  auto members = decode_members(applied->membership.view());
  if (applied->index != begin.index || applied->term != begin.index_term || !members.ok())
    co_return node->fail(
        Error(Reason::kInternalError, "the leader's snapshot holds something else than it said"));
  store::Disk* disk = &node->disk();
  const auto remove = [disk, path, incoming] {
    incoming->file.reset();
    (void)disk->remove(path).ok();
  };
  node->file_worker().submit(remove, [] {});
  kLog.info("installed the leader's state", "id", node->id(), "index", begin.index);
  node->installed(applied->index, applied->term, std::move(*members), applied->membership_index);
}

}  // namespace mk::quorum
