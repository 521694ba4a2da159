#include <fmt/format.h>

#include <algorithm>

#include "log.h"
#include "record.h"
#include "recovery.h"

namespace mk::quorum {
namespace {

// Files grow by this much zeros at once: a sync inside of what is allocated writes no metadata. Larger steps
// save little and delay the one sync that pays for them.
constexpr std::uint64_t kGrow = 256 << 10;
constexpr std::size_t kSpares = 2;

class SegmentLog : public Log {
 public:
  SegmentLog(store::Disk& disk, LogOptions options, Recovered found)
      : disk_(disk),
        options_(std::move(options)),
        state_(found.state),
        durable_(found.state),
        terms_(std::move(found.terms)),
        places_(std::move(found.places)),
        segments_(std::move(found.segments)),
        number_(found.number),
        file_(std::move(found.file)),
        tail_(found.tail),
        size_(found.size),
        written_(found.written),
        syncs_(found.syncs) {
    if (file_ != nullptr) file_->bypass_cache();
  }

  // The first segment of a new log.
  Result<void> begin() {
    if (!segments_.empty()) return ok();
    return roll("");
  }

  Result<void> set_vote(Term term, ServerId vote) override {
    MK_TRY(usable());
    state_.term = term;
    state_.vote = vote;
    Record record;
    record.type = Record::Type::kVote;
    record.term = term;
    record.vote = vote;
    put_record(batch_, record);
    return ok();
  }

  Result<void> append(const std::vector<LogEntry>& entries) override {
    MK_TRY(usable());
    if (entries.empty()) return ok();
    MK_TRY(check_room());
    replaced_from_ = std::min(replaced_from_, entries.front().index);
    for (const auto& entry : entries) {
      MK_ASSERT(entry.index == state_.last + 1);
      terms_.extend(entry.index, entry.term);
      state_.last = entry.index;
      state_.last_term = entry.term;
      Record record;
      record.type = Record::Type::kEntry;
      record.term = entry.term;
      record.index = entry.index;
      record.kind = entry.kind;
      record.data = entry.data.view();
      put_record(batch_, record);
    }
    return ok();
  }

  Result<void> truncate_after(Index last) override {
    MK_TRY(usable());
    MK_ASSERT(last >= state_.base);
    if (last >= state_.last) return ok();
    state_.last_term = term_at(last);
    state_.last = last;
    terms_.cut(last + 1);
    replaced_from_ = std::min(replaced_from_, last + 1);
    Record record;
    record.type = Record::Type::kTruncate;
    record.term = state_.last_term;
    record.index = last;
    put_record(batch_, record);
    return ok();
  }

  Result<void> trim(Index base) override {
    MK_TRY(usable());
    base = std::min(base, state_.last);
    if (base <= state_.base) return ok();
    state_.base_term = term_at(base);
    state_.base = base;
    // The segment of the first entry that stays; entries not yet synced will be in the newest or a later one.
    const Sequence place = base < std::min(state_.last, replaced_from_ - 1) ? places_.at(base + 1) : 0;
    put_base(Record::Type::kTrim, place == 0 ? segments_.back() : place);
    terms_.drop_below(base);
    return ok();
  }

  Result<void> restart_at(Index base, Term base_term) override {
    MK_TRY(usable());
    state_.base = state_.last = base;
    state_.base_term = state_.last_term = base_term;
    terms_.cut(0);
    replaced_from_ = 0;
    put_base(Record::Type::kRestart, segments_.back());
    return ok();
  }

  Result<void> sync() override {
    MK_TRY(usable());
    if (batch_.empty()) return ok();
    const std::string_view sealed = batch_.seal(number_ + 1);
    const bool full = tail_ > kSector && tail_ + sealed.size() > options_.segment_size;
    MK_TRY(full ? roll(sealed) : extend(sealed));
    ++number_;
    durable_ = state_;
    if (replaced_from_ != UINT64_MAX) {
      places_.cut(replaced_from_);
      const Index first = std::max(replaced_from_, state_.base + 1);
      if (first <= state_.last) places_.extend(first, segments_.back());
      replaced_from_ = UINT64_MAX;
    }
    places_.drop_below(state_.base + 1);
    batch_.clear();
    room_checked_ = false;
    return drop_done_segments();
  }

  Result<bool> has_space() override {
    MK_TRY(usable());
    MK_ASSIGN(const std::uint64_t free, free_bytes());
    return free >= options_.reserve;
  }

  std::uint64_t bytes_written() const override { return written_; }
  std::uint64_t sync_count() const override { return syncs_; }

 private:
  struct Spare {
    std::string path;
    bool used = false;  // was a segment: all it holds is older than any batch to come
  };

  std::string path_of(std::string_view name) const { return fmt::format("{}/{}", options_.dir, name); }
  Term term_at(Index index) const { return index == state_.base ? state_.base_term : terms_.at(index); }

  Result<void> usable() const {
    if (!failed_) return ok();
    return Error(failed_->reason(), "the log has failed before: " + failed_->message());
  }
  // Whatever the disk refused once is refused for good: what it holds now is not known.
  Result<void> keep_failure(Result<void> result) {
    if (!result.ok()) failed_ = result.error();
    return result;
  }
  Result<std::uint64_t> free_bytes() {
    auto free = disk_.free_bytes(options_.dir);
    if (!free.ok()) failed_ = free.error();
    return free;
  }

  // Once a batch: asking the system costs more than a small entry.
  Result<void> check_room() {
    if (room_checked_) return ok();
    MK_ASSIGN(const std::uint64_t free, free_bytes());
    if (free < options_.reserve / 2)
      return Error(Reason::kServiceUnavailable,
                   fmt::format("only {} MiB are free below {}: nothing is written before there is more space",
                               free >> 20, options_.dir));
    room_checked_ = true;
    return ok();
  }

  void put_base(Record::Type type, Sequence first) {
    state_.first = std::max(state_.first, first);
    Record record;
    record.type = type;
    record.term = state_.base_term;
    record.index = state_.base;
    record.first = state_.first;
    put_record(batch_, record);
  }

  Result<void> write(store::File& file, std::uint64_t at, std::string_view bytes) {
    written_ += bytes.size();
    return keep_failure(file.write(at, bytes));
  }
  Result<void> sync(store::File& file) {
    ++syncs_;
    return keep_failure(file.sync());
  }

  // Zeros up to the next step, inside the segment's size if it can be.
  Result<void> grow(store::File& file, std::uint64_t end, std::uint64_t& size) {
    if (end <= size) return ok();
    size = std::max(end, std::min((end / kGrow + 1) * kGrow, options_.segment_size / kSector * kSector));
    return size == end ? ok() : write(file, end, std::string(size - end, '\0'));
  }

  Result<void> extend(std::string_view sealed) {
    MK_TRY(write(*file_, tail_, sealed));
    MK_TRY(grow(*file_, tail_ + sealed.size(), size_));
    MK_TRY(sync(*file_));
    tail_ += sealed.size();
    return ok();
  }

  Result<void> sync_names() {
    ++syncs_;
    MK_TRY(keep_failure(disk_.sync_dir(options_.dir)));
    names_synced_ = true;
    return ok();
  }

  // Goes on in a new segment. It gets its name when what it holds is synced, so that a segment always has a
  // whole head and its first batch.
  Result<void> roll(std::string_view sealed) {
    const Sequence sequence = segments_.empty() ? 1 : segments_.back() + 1;
    Spare spare;
    if (spares_.empty()) {
      spare.path = path_of(fmt::format("{}{}", kSpare, sequence));
    } else {
      spare = std::move(spares_.back());
      spares_.pop_back();
      // A power cut may not bring its old name back with the new content.
      if (!names_synced_) MK_TRY(sync_names());
    }
    auto opened = disk_.open(spare.path, store::Disk::Open::kCreate);
    if (!opened.ok()) return keep_failure(std::move(opened).error());
    auto file = std::move(opened).value();
    std::uint64_t size = 0;
    if (spare.used) {
      auto found = file->size();
      if (!found.ok()) return keep_failure(std::move(found).error());
      size = *found / kSector * kSector;
      if (size > options_.segment_size) {
        size = options_.segment_size / kSector * kSector;
        MK_TRY(keep_failure(file->truncate(size)));
      }
    }
    SegmentHead head;
    head.sequence = sequence;
    head.number = number_;
    head.state = durable_;
    head.cluster = options_.cluster;
    MK_TRY(write(*file, 0, encode_head(head)));
    if (!sealed.empty()) MK_TRY(write(*file, kSector, sealed));
    MK_TRY(grow(*file, kSector + sealed.size(), size));
    MK_TRY(sync(*file));
    MK_TRY(keep_failure(disk_.rename(spare.path, path_of(segment_name(sequence)))));
    MK_TRY(sync_names());
    // Errors shall name the segment from now on.
    auto named = disk_.open(path_of(segment_name(sequence)), store::Disk::Open::kExisting);
    if (!named.ok()) return keep_failure(std::move(named).error());
    segments_.push_back(sequence);
    file_ = std::move(named).value();
    file_->bypass_cache();
    tail_ = kSector + sealed.size();
    size_ = size;
    return ok();
  }

  // After the record that says so is durable. The names need no sync yet: recovery removes them again.
  Result<void> drop_done_segments() {
    while (segments_.front() < durable_.first) {
      names_synced_ = false;
      const std::string path = path_of(segment_name(segments_.front()));
      if (spares_.size() < kSpares) {
        Spare spare;
        spare.path = path_of(fmt::format("{}{}", kSpare, segments_.front()));
        spare.used = true;
        MK_TRY(keep_failure(disk_.rename(path, spare.path)));
        spares_.push_back(std::move(spare));
      } else {
        MK_TRY(keep_failure(disk_.remove(path)));
      }
      segments_.erase(segments_.begin());
    }
    return ok();
  }

  store::Disk& disk_;
  const LogOptions options_;
  LogState state_, durable_;          // with the calls since the last sync, and without
  Steps terms_, places_;              // of entries; places_ as of the last sync
  Index replaced_from_ = UINT64_MAX;  // entries from here on are not where places_ says, since the last sync
  BatchBuilder batch_;
  bool room_checked_ = false;

  std::vector<Sequence> segments_;  // the last is written to
  std::uint64_t number_;            // of the last batch
  std::unique_ptr<store::File> file_;
  std::uint64_t tail_, size_;
  std::vector<Spare> spares_;
  bool names_synced_ = true;  // but for removals and renames to spares

  std::optional<Error> failed_;
  std::uint64_t written_, syncs_;
};

}  // namespace

Result<std::unique_ptr<Log>> open_log(store::Disk& disk, LogOptions options, LogContent& found) {
  if (options.cluster.size() > kMaxCluster)
    return Error(Reason::kInvalid, "the id of a cluster has at most 255 bytes");
  MK_TRY(disk.make_dirs(options.dir));
  MK_ASSIGN(Recovered recovered, recover(disk, options));
  found = LogContent();
  found.term = recovered.state.term;
  found.vote = recovered.state.vote;
  found.base_index = recovered.state.base;
  found.base_term = recovered.state.base_term;
  found.entries = std::move(recovered.entries);
  auto log = std::make_unique<SegmentLog>(disk, std::move(options), std::move(recovered));
  MK_TRY(log->begin());
  return std::unique_ptr<Log>(std::move(log));
}

}  // namespace mk::quorum
