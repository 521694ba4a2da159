#pragma once

#include <string>
#include <string_view>

#include "mk/base/result.h"

// Small files, whole: configuration, keys, state of a few kilobytes. Blocking: never for bulk data on the
// brain thread. Errors carry the path and the errno text.
namespace mk {

Result<std::string> read_file(const std::string& path);  // kNotFound when it does not exist

// Atomic and durable: temporary file in the same folder, fsync, rename, fsync of the folder. After a power
// cut the path holds the old content or the new, whole.
Result<void> write_file(const std::string& path, std::string_view content, unsigned mode = 0644);

Result<void> make_dirs(const std::string& path, unsigned mode = 0755);  // mkdir -p
bool file_exists(const std::string& path);
Result<void> remove_tree(const std::string& path);  // rm -rf; fine when absent; never crosses a mount

}  // namespace mk
