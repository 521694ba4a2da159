#include <algorithm>

#include "batch.h"
#include "fuzz/target.h"
#include "log.h"
#include "mk/base/crc32c.h"
#include "mk/store/sim_disk.h"
#include "record.h"

namespace {

using namespace mk;
using namespace mk::quorum;

// Without right checksums nothing but the checksums would be tested. The first byte says which sectors get
// them, so that damage is tried too.
void repair(std::string& content, unsigned char which) {
  for (std::size_t at = 0; at + kSector <= content.size(); at += kSector) {
    if (which != 0 && at / kSector % 8 == which % 8) continue;
    char* sector = content.data() + at;
    if (at != 0 && read_u32(sector + 4) == 0) {
      const std::size_t length = read_u32(sector + kSectorHead);
      if (length <= kSector - kSectorHead - 8)
        write_u32(sector + kSectorHead + 4, crc32c({sector + kSectorHead + 8, length}));
    }
    write_u32(sector, crc32c({sector + 4, kSector - 4}));
  }
}

void fill(store::Disk& disk, Sequence sequence, std::string_view bytes) {
  auto file = disk.open("/log/" + segment_name(sequence), store::Disk::Open::kCreate).value();
  MK_ASSERT(file->write(0, bytes).ok());
}

}  // namespace

// Opens a log whose segments hold arbitrary bytes. What opens must go on: take an entry, sync, and open again
// with the same content and that entry.
MK_FUZZ_TARGET(log, input) {
  if (input.size() < 3) return;
  std::string content(input.substr(3));
  repair(content, static_cast<unsigned char>(input[0]));
  auto random = rt::make_random(1);
  auto disk = store::SimDisk::make(*random);
  MK_ASSERT(disk->make_dirs("/log").ok());
  // Two segments, cut at a sector, and perhaps a valid head before what is arbitrary.
  const std::size_t cut =
      std::min<std::size_t>(content.size(), static_cast<unsigned char>(input[1]) * kSector);
  SegmentHead head;
  head.sequence = 1;
  head.cluster = "fuzz";
  const std::string start = (input[2] & 1) != 0 ? encode_head(head) : "";
  fill(*disk, 1, start + content.substr(0, cut));
  if (cut < content.size()) fill(*disk, 2, content.substr(cut));

  LogOptions options;
  options.dir = "/log";
  options.cluster = "fuzz";
  options.segment_size = 8192;
  options.reserve = 0;
  LogContent found;
  auto log = open_log(*disk, options, found);
  if (!log.ok()) return;
  LogEntry entry;
  entry.index = found.base_index + found.entries.size() + 1;
  entry.term = found.term;
  entry.data = SharedBytes("after");
  MK_ASSERT(log.value()->append({entry}).ok());
  MK_ASSERT(log.value()->sync().ok());
  LogContent again;
  MK_ASSERT(open_log(*disk, options, again).ok());
  MK_ASSERT(again.term == found.term && again.vote == found.vote && again.base_index == found.base_index);
  MK_ASSERT(again.entries.size() == found.entries.size() + 1);
  MK_ASSERT(again.entries.back().data.view() == "after");
}
