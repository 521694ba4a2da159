#include "images/layers.h"

#include <sys/stat.h>

#include "images/digest.h"
#include "images/fs.h"
#include "images/unpack.h"
#include "images/walk.h"
#include "mk/base/files.h"
#include "mk/base/ids.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

constexpr Log kLog("kubelet");
constexpr std::string_view kTemporary = "tmp-";

}  // namespace

Result<void> LayerStore::prepare() {
  return make_dirs(dir_, 0711);
}

std::string LayerStore::short_name(const std::string& chain_id) {
  return std::string(digest_hex(chain_id).substr(0, 32));
}

bool LayerStore::has(const std::string& chain_id) const {
  return file_exists(folder(chain_id) + "/diff");
}

std::int64_t LayerStore::size(const std::string& chain_id) const {
  const auto text = read_file(folder(chain_id) + "/size");
  return text.ok() ? parse_int(trim(*text)).value_or(0) : 0;
}

Result<void> LayerStore::unpack_into(const std::string& temporary, const std::vector<std::string>& chain,
                                     const std::string& diff_id, const std::string& tar) {
  MK_TRY(make_dirs(temporary + "/diff"));
  if (::chmod((temporary + "/diff").c_str(), 0755) != 0) return sys_error("chmod", temporary);
  std::vector<std::string> parents;
  for (auto id = chain.rbegin() + 1; id != chain.rend(); ++id) parents.push_back(folder(*id) + "/diff");
  MK_ASSIGN(const UnpackedLayer layer, unpack_layer(tar, temporary + "/diff", parents));
  if (layer.diff_id != diff_id)
    return Error(Reason::kInvalid, "layer unpacks to " + layer.diff_id + ", but the image's config says " +
                                       diff_id + ": the image is damaged; nothing was kept");
  MK_TRY(replace_file(temporary + "/size", std::to_string(layer.size), 0644));
  return publish(temporary, folder(chain.back()));
}

Result<void> LayerStore::unpack(const std::vector<std::string>& chain, const std::string& diff_id,
                                const std::string& tar) {
  const std::lock_guard lock(mutex_);
  if (has(chain.back())) return ok();
  const std::string temporary = dir_ + "/" + std::string(kTemporary) + random_token(8);
  auto result = unpack_into(temporary, chain, diff_id, tar);
  if (!result.ok())
    if (auto removed = remove_tree(temporary); !removed.ok())
      kLog.warn("half-unpacked layer stays until the next start", "path", temporary, "error",
                removed.error().message());
  return result;
}

void LayerStore::sweep(const std::set<std::string>& keep) {
  const std::lock_guard lock(mutex_);
  for (const auto& name : names_in(dir_)) {
    if (keep.count(name) != 0) continue;
    // Out of sight first, so that a crash halfway leaves no layer that looks whole.
    std::string path = dir_ + "/" + name;
    if (!name.starts_with(kTemporary)) {
      const std::string doomed = dir_ + "/" + std::string(kTemporary) + random_token(8);
      if (::rename(path.c_str(), doomed.c_str()) != 0) continue;
      path = doomed;
    }
    if (auto removed = remove_tree(path); !removed.ok())
      kLog.warn("cannot delete a layer", "path", path, "error", removed.error().message());
  }
}

}  // namespace mk::kubelet
