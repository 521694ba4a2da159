#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mk/base/bytes.h"
#include "mk/base/result.h"
#include "mk/rt/loop.h"

// A revisioned key-value store: bytes in, bytes out. Every change has its own revision; revisions are global,
// only grow, and equal the resourceVersions clients see. Consistency before availability: a change is either
// on disk when it is acknowledged or it did not happen (but see Durability). Who implements it: quorum.
namespace mk::store {

using Revision = std::int64_t;

enum class Durability {
  kDurable,  // synced to disk, on a quorum of servers, before it is acknowledged
  // Acknowledged from memory and written with the next durable change or after a while, of each key the last
  // one. For node heartbeats and events only: a power cut loses the last of them. Revisions still never go
  // back.
  kLazy,
};

struct Operation {
  enum class Kind { kPut, kRemove };
  static constexpr Revision kAny = -1;
  static constexpr Revision kAbsent = 0;

  Operation(Kind kind_, std::string key_, SharedBytes value_, Revision expected_)
      : kind(kind_), key(std::move(key_)), value(std::move(value_)), expected(expected_) {}

  Kind kind;
  std::string key;
  SharedBytes value;         // kPut only
  Revision expected = kAny;  // the key's revision now; kAbsent: there must be none
};

// One applied operation.
struct Change {
  Revision revision = 0;
  std::string key;
  Revision create_revision = 0;  // of the key's current life
  bool removed = false;
  // What was put; for a removal, what was there before - in history(). In the feed a removal has no value:
  // whoever follows it has seen what was there.
  SharedBytes value;
};

struct Entry {
  std::string key;
  Revision create_revision = 0, revision = 0;
  SharedBytes value;
};

struct Range {
  std::vector<Entry> entries;  // by key
  bool more = false;
};

class Store {
 public:
  // Changes in the order of their revisions, each once, on the loop's thread, before whoever committed them
  // resumes. Set before the first commit.
  using Feed = std::function<void(const std::vector<Change>&)>;

  // Revisions up to `up_to` may have named lazy changes that are lost (a server crashed). Who saw them and
  // asks from there on what happened since would not be told: it has to read anew.
  using Skipped = std::function<void(Revision up_to)>;

  virtual ~Store() = default;
  virtual void set_feed(Feed feed) = 0;
  virtual void set_skipped(Skipped) {}

  // All operations or none. kConflict: an expected revision did not match (the message names the key).
  // kServiceUnavailable: the disk is full, or no quorum is there; nothing changed. kTimeout: it may have
  // happened, or may yet. The revision of the last operation otherwise.
  virtual rt::Task<Result<Revision>> commit(std::vector<Operation> operations, Durability durability) = 0;

  // Keys that start with `prefix` and are greater than `after`, as they were at `at` (0: now). kExpired when
  // that is compacted away.
  virtual rt::Task<Result<Range>> range(std::string prefix, std::string after, std::size_t limit,
                                        Revision at) = 0;
  // Returns when what this process knows - feed, range, history - includes every write acknowledged anywhere
  // before the call. kServiceUnavailable without a quorum of servers.
  virtual rt::Task<Result<void>> linearize() = 0;
  // True: linearize() would return at once, so that nobody need call it.
  virtual bool current() const { return false; }

  // What happened after `since`, oldest first, at most `limit` changes; kExpired when compacted away.
  virtual rt::Task<Result<std::vector<Change>>> history(Revision since, std::size_t limit) = 0;

  // Forgets history up to `up_to`: superseded values and removed keys.
  virtual rt::Task<Result<void>> compact(Revision up_to) = 0;

  virtual Revision revision() const = 0;         // of the last applied change
  virtual Revision compacted() const = 0;        // history up to here is gone
  virtual std::uint64_t sync_count() const = 0;  // of the log, by this process
};

}  // namespace mk::store
