#include "supervisor/image.h"

#include "images/digest.h"
#include "images/fs.h"
#include "mk/base/files.h"

extern "C" const char mk_supervisor_begin[];
extern "C" const char mk_supervisor_end[];

namespace mk::kubelet {

std::string_view supervisor_image() {
  return std::string_view(mk_supervisor_begin,
                          static_cast<std::size_t>(mk_supervisor_end - mk_supervisor_begin));
}

Result<std::string> place_supervisor(const std::string& folder) {
  const std::string digest = sha256_digest(supervisor_image());
  const std::string path = folder + "/mk-supervisor-" + std::string(digest_hex(digest).substr(0, 16));
  // Compared whole: a crash of the machine may have left less of it than its name promises.
  if (const auto there = read_file(path); there.ok() && *there == supervisor_image()) return path;
  MK_TRY(make_dirs(folder, 0700));
  MK_TRY(replace_file(path, supervisor_image(), 0700));
  return path;
}

}  // namespace mk::kubelet
