#pragma once

#include <string>
#include <vector>

#include "mk/base/result.h"
#include "mk/kubelet/runtime.h"

namespace mk::kubelet {

// The node's part of the cgroup tree, v1 (one tree per controller) or v2. runc makes and removes the
// containers' own groups; the groups above them are ours. Blocking, quick.
class Cgroups {
 public:
  // kNotFound when no cgroups are mounted.
  static Result<Cgroups> detect(const std::string& root_cgroup);

  // A group as runc wants it, absolute within every tree: path("kubepods/podx", id).
  std::string path(const std::string& parent, const std::string& leaf = "") const;
  Result<void> make_pod(const std::string& parent, const LinuxResources& resources) const;
  // Of a pod that runs; limits of 0 are lifted.
  Result<void> update_pod(const std::string& parent, const LinuxResources& resources) const;
  Usage usage(const std::string& path) const;
  // Removes the pod's groups; those above stay.
  Result<void> remove_pod(const std::string& parent) const;
  // Removes all of the node's groups, and the root cgroup it was given if that is empty then.
  void remove_node() const;
  // SIGKILL for every process in the group and below, until it is empty or two seconds are over.
  void kill_all(const std::string& path) const;
  // The file in which the kernel counts OOM kills of a group.
  std::string oom_file(const std::string& path) const;
  bool v2() const { return v2_; }

 private:
  struct Tree {
    std::string mount;
    std::vector<std::string> controllers;
  };
  const Tree* tree_of(const std::string& controller) const;
  Result<void> make_v1(const std::string& path, const LinuxResources& resources) const;
  Result<void> make_v2(const std::string& path, const LinuxResources& resources) const;

  std::vector<Tree> trees_;
  std::string root_;  // "" or "/mk-a"
  bool v2_ = false;
};

}  // namespace mk::kubelet
