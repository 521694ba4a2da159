#include "recovery.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/base/log.h"

namespace mk::quorum {
namespace {

constexpr mk::Log kLog("quorum");
constexpr Index kMostIndex = Index{1} << 62;  // more than ever is; sums do not overflow

class Recovery {
 public:
  Recovery(store::Disk& disk, const LogOptions& options) : disk_(disk), options_(options) {}

  Result<Recovered> run() {
    MK_TRY(find_segments());
    if (!segments_.empty()) {
      MK_TRY(replay());
      MK_TRY(remove_done());
      MK_TRY(settle());
    }
    out_.segments = std::move(segments_);
    return std::move(out_);
  }

 private:
  std::string path_of(Sequence sequence) const { return options_.dir + "/" + segment_name(sequence); }

  // What follows from damage. Says what to do, as nothing here can be repaired by guessing.
  Error damage(Sequence sequence, const std::string& what) const {
    return Error(
        Reason::kInternalError,
        fmt::format(
            "the log is damaged: {} {}. What was acknowledged may be lost here, so this server does not "
            "start. If other servers run: remove this member, empty {} and join again; else restore a "
            "snapshot into an empty data directory",
            path_of(sequence), what, options_.dir));
  }

  Result<void> find_segments() {
    MK_ASSIGN(const auto names, disk_.list(options_.dir));
    for (const auto& name : names) {
      if (name.substr(0, kSpare.size()) == kSpare) MK_TRY(disk_.remove(options_.dir + "/" + name));
      if (const Sequence sequence = sequence_of(name); sequence != 0) segments_.push_back(sequence);
    }
    std::sort(segments_.begin(), segments_.end());
    return ok();
  }

  Result<std::string> read_segment(Sequence sequence) {
    MK_ASSIGN(file_, disk_.open(path_of(sequence), store::Disk::Open::kExisting));
    MK_ASSIGN(out_.size, file_->size());
    return file_->read(0, out_.size);
  }

  Result<SegmentHead> read_head(Sequence sequence, std::string_view content) const {
    auto head = decode_head(content);
    if (!head.ok() && head.error().is(Reason::kInvalid))
      return std::move(head).error().wrap(path_of(sequence));
    if (!head.ok()) return damage(sequence, "has a fault: " + head.error().message());
    if (head->cluster != options_.cluster)
      return Error(Reason::kInvalid,
                   fmt::format("{} belongs to the cluster {}, not to {}; use another data directory",
                               path_of(sequence), head->cluster, options_.cluster));
    const bool possible = head->state.first <= sequence && head->state.last <= kMostIndex;
    if (head->sequence != sequence || !possible) return damage(sequence, "is another segment's file");
    return head;
  }

  Result<void> replay() {
    const Sequence newest = segments_.back();
    MK_ASSIGN(const std::string last, read_segment(newest));
    MK_ASSIGN(const SegmentHead head, read_head(newest, last));
    // Removals may be lost by a power cut: what is not in one piece with the newest is older.
    auto start = segments_.end() - 1;
    while (start != segments_.begin() && *(start - 1) + 1 == *start && *(start - 1) >= head.state.first)
      --start;
    const Sequence oldest = *start;
    for (auto at = start; at != segments_.end(); ++at) {
      MK_ASSIGN(const std::string content, read_segment(*at));
      MK_TRY(replay_segment(*at, content, *at == oldest));
      if (*at == newest) MK_TRY(check_tail(*at, content));
    }
    if (oldest > out_.state.first) return damage(out_.state.first, "is missing");
    return ok();
  }

  Result<void> replay_segment(Sequence sequence, std::string_view content, bool is_first) {
    MK_ASSIGN(const SegmentHead head, read_head(sequence, content));
    LogState& state = out_.state;
    if (is_first) {
      state = head.state;
      state.base = state.last;
      state.base_term = state.last_term;
      out_.number = head.number;
    } else if (head.number != out_.number || head.state.last != state.last || head.state.term != state.term) {
      return damage(sequence - 1,
                    fmt::format("ends with write {} but {} were made", out_.number, head.number));
    }
    out_.tail = kSector;
    batch_ = 0;
    for (;;) {
      const BatchRead read = read_batch(content, out_.tail, out_.number + 1);
      if (read.kind == BatchRead::Kind::kAbsent) return ok();
      if (read.kind == BatchRead::Kind::kDamaged)
        return damage(sequence,
                      fmt::format("cannot be read at byte {} (write {})", out_.tail, out_.number + 1));
      const auto use = [&](const Record& record) { return apply(record, sequence); };
      if (auto applied = for_each_record(read.records, use); !applied.ok())
        return std::move(applied).error().wrap(path_of(sequence));
      batch_ = out_.tail;
      out_.tail += read.size;
      ++out_.number;
    }
  }

  Result<void> apply(const Record& record, Sequence sequence) {
    LogState& state = out_.state;
    const auto contradiction = [&] {
      return damage(sequence,
                    fmt::format("contradicts itself at entry {} after {}", record.index, state.last));
    };
    if (record.index > kMostIndex || record.first > sequence) return contradiction();
    switch (record.type) {
      case Record::Type::kVote:
        state.term = record.term;
        state.vote = record.vote;
        return ok();
      case Record::Type::kEntry:
        if (record.index != state.last + 1) return contradiction();
        out_.entries.push_back(
            LogEntry{record.index, record.term, record.kind, SharedBytes(std::string(record.data))});
        out_.terms.extend(record.index, record.term);
        out_.places.extend(record.index, sequence);
        break;
      case Record::Type::kTruncate:
        if (record.index > state.last) return contradiction();
        cut_after(record.index, record.term);
        break;
      case Record::Type::kTrim:
        if (record.index > state.last) return contradiction();
        state.first = record.first;
        trim(record.index, record.term);
        return ok();
      case Record::Type::kRestart:
        state.first = record.first;
        cut_after(0, 0);
        state.base = record.index;
        state.base_term = record.term;
        break;
    }
    state.last = record.index;
    state.last_term = record.term;
    return ok();
  }

  // The base may be above `last`, when entries that stood before it in segments since trimmed were replaced.
  void cut_after(Index last, Term term) {
    if (last < out_.state.base) {
      out_.state.base = last;
      out_.state.base_term = term;
    }
    out_.entries.resize(std::min(out_.entries.size(), static_cast<std::size_t>(last - out_.state.base)));
    out_.terms.cut(last + 1);
    out_.places.cut(last + 1);
  }

  void trim(Index base, Term term) {
    LogState& state = out_.state;
    if (base <= state.base) return;
    out_.entries.erase(out_.entries.begin(),
                       out_.entries.begin() + static_cast<std::ptrdiff_t>(base - state.base));
    state.base = base;
    state.base_term = term;
  }

  // Beyond the last batch there may be what an interrupted sync left, but nothing later.
  Result<void> check_tail(Sequence sequence, std::string_view content) {
    for (std::size_t at = out_.tail; at + kSector <= content.size(); at += kSector) {
      const Sector kind = classify_sector(content.substr(at, kSector), out_.number + 1);
      if (kind == Sector::kNewer)
        return damage(sequence, fmt::format("lacks write {} at byte {}, but has later ones", out_.number + 1,
                                            out_.tail));
      if (kind != Sector::kOlder) leftovers_.push_back(at);
    }
    if (!leftovers_.empty())
      kLog.info("cut off a write that a crash interrupted", "segment", segment_name(sequence), "at",
                out_.tail);
    return ok();
  }

  Result<void> remove_done() {
    while (segments_.front() < out_.state.first) {
      MK_TRY(disk_.remove(path_of(segments_.front())));
      segments_.erase(segments_.begin());
    }
    return ok();
  }

  Result<void> write(std::uint64_t at, std::string_view bytes) {
    out_.written += bytes.size();
    return file_->write(at, bytes);
  }

  // The number of an interrupted batch is used again, so that nothing of it may stay. Before the last batch
  // every byte was synced, or the last would not have been written.
  Result<void> settle() {
    const std::string zeros(kSector, '\0');
    for (const auto at : leftovers_) MK_TRY(write(at, zeros));
    if (batch_ != 0) {
      MK_ASSIGN(const std::string again, file_->read(batch_, out_.tail - batch_));
      MK_TRY(write(batch_, again));
    }
    out_.size = out_.size / kSector * kSector;
    out_.syncs += 2;
    MK_TRY(file_->sync());
    MK_TRY(disk_.sync_dir(options_.dir));
    out_.file = std::move(file_);
    return ok();
  }

  store::Disk& disk_;
  const LogOptions& options_;
  std::vector<Sequence> segments_;
  std::unique_ptr<store::File> file_;  // the one read last
  std::uint64_t batch_ = 0;            // where the last batch in it begins; 0: none
  std::vector<std::size_t> leftovers_;
  Recovered out_;
};

}  // namespace

Result<Recovered> recover(store::Disk& disk, const LogOptions& options) {
  return Recovery(disk, options).run();
}

}  // namespace mk::quorum
