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
// on disk when it is acknowledged or it did not happen (but see Durability).
namespace mk::store {

using Revision = std::int64_t;

enum class Durability {
  kDurable,  // synced to disk before it is acknowledged
  // Acknowledged from memory and written with the next durable change or after lazy_delay. For node
  // heartbeats and events only: a power cut loses the last of them. Revisions still never go back.
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
  SharedBytes value;  // what was put; for a removal, what was there before
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

struct Options {
  std::string dir;  // made if missing
  rt::Duration lazy_delay = std::chrono::seconds(30);
};

class Store {
 public:
  // Changes in the order of their revisions, each once, on the loop's thread, before whoever committed them
  // resumes. Set before the first commit.
  using Feed = std::function<void(const std::vector<Change>&)>;

  virtual ~Store() = default;
  virtual void set_feed(Feed feed) = 0;

  // All operations or none. kConflict: an expected revision did not match (the message names the key).
  // kServiceUnavailable: the disk is full; nothing changed. The revision of the last operation otherwise.
  virtual rt::Task<Result<Revision>> commit(std::vector<Operation> operations, Durability durability) = 0;

  // Keys that start with `prefix` and are greater than `after`, as they were at `at` (0: now). kExpired when
  // that is compacted away.
  virtual rt::Task<Result<Range>> range(std::string prefix, std::string after, std::size_t limit,
                                        Revision at) = 0;
  // Returns when what this process knows - feed, range, history - includes every write acknowledged anywhere
  // before the call. kServiceUnavailable without a quorum of servers.
  virtual rt::Task<Result<void>> linearize() = 0;

  // What happened after `since`, oldest first, at most `limit` changes; kExpired when compacted away.
  virtual rt::Task<Result<std::vector<Change>>> history(Revision since, std::size_t limit) = 0;

  // Forgets history up to `up_to`: superseded values and removed keys.
  virtual rt::Task<Result<void>> compact(Revision up_to) = 0;

  virtual Revision revision() const = 0;   // of the last applied change
  virtual Revision compacted() const = 0;  // history up to here is gone
  // Bytes this process wrote to the store's files and how often it synced them.
  virtual std::uint64_t sync_count() const = 0;
};

// Opens or creates. Errors say what to do: the directory is read-only, in use by another mk, or of a newer
// format.
Result<std::unique_ptr<Store>> open_store(rt::Loop& loop, Options options);

}  // namespace mk::store
