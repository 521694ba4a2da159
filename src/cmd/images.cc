#include <cstdio>

#include "mk/cmd/verbs.h"
#include "mk/kubelet/images.h"
#include "mk/node/runtime_options.h"
#include "mk/rt/loop.h"
#include "node_flags.h"

// `mk images import FILE [--name REF]` and `mk images list`: the image store of this node, without a
// registry.
namespace mk::cmd {
namespace {

std::string human_size(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1fMB", static_cast<double>(bytes) / 1e6);
  return text;
}

rt::Task<> import_file(kubelet::ImageStore& store, std::string path, std::string name, int& exit_code) {
  auto images = co_await store.import(path, name);
  if (!images.ok()) {
    std::fprintf(stderr, "mk images: %s\n", images.error().message().c_str());
    exit_code = 1;
    co_return;
  }
  for (const auto& image : *images) {
    for (const auto& each : image.names)
      std::printf("imported %s (%s)\n", each.c_str(), human_size(image.size).c_str());
  }
}

int list(const kubelet::ImageStore& store) {
  std::printf("%-50s %-16s %s\n", "IMAGE", "ID", "SIZE");
  for (const auto& image : store.list()) {
    const std::string id = image.id.substr(image.id.find(':') + 1).substr(0, 12);
    for (const auto& name : image.names)
      std::printf("%-50s %-16s %s\n", name.c_str(), id.c_str(), human_size(image.size).c_str());
  }
  return 0;
}

}  // namespace

int images(std::vector<std::string> arguments) {
  NodeFlags flags;
  std::string name;
  flags.flags().text("name", name, "name for an image that has none, or another one");
  const auto read = flags.read(std::move(arguments));
  const auto& words = flags.positional();
  const bool is_import = words.size() == 2 && words[0] == "import",
             is_list = words.size() == 1 && words[0] == "list";
  if (!read.ok() || flags.wants_help() || (!is_import && !is_list)) {
    if (!read.ok()) std::fprintf(stderr, "mk images: %s\n", read.error().message().c_str());
    std::fputs(
        "usage: mk images import FILE [--name REF] [--data-dir D]\n       mk images list [--data-dir D]\n",
        stderr);
    return flags.wants_help() ? 0 : 2;
  }
  rt::Loop loop;
  auto store = kubelet::open_image_store(loop, node::runtime_options(flags.options(), ""));
  if (!store.ok()) {
    std::fprintf(stderr, "mk images: %s\n", store.error().message().c_str());
    return 1;
  }
  if (is_list) return list(**store);
  int exit_code = 0;
  rt::run_until_done(loop, import_file(**store, words[1], name, exit_code));
  return exit_code;
}

}  // namespace mk::cmd
