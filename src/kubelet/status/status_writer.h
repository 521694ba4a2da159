#pragma once

#include <functional>

#include "context.h"
#include "mk/rt/event.h"

namespace mk::kubelet {

// Keeps one pod's status in the API equal to what `make` says. Requests that come while a write is under way
// become one write; what is equal is not written; failures are retried.
class StatusWriter {
 public:
  // `make` gets the pod as the API has it and gives the status it should have.
  StatusWriter(Context& context, api::Object pod, std::function<Json(const Json&)> make);

  // The pod as last seen, by the watch or by our own write, whichever is newer.
  const api::Object& pod() const { return pod_; }
  // False: older than what is known already.
  bool observe(api::Object pod);
  // Makes this the writer of a static pod, which itself is known on this node alone: its status goes to its
  // mirror (empty: there is none now).
  void set_mirror(api::Object mirror);
  bool writes_mirror() const { return static_; }
  void request();
  void pod_gone();     // nothing is written from now on
  rt::Task<> run();    // the writing task
  rt::Task<> flush();  // until what was requested is written, or the pod is gone

 private:
  rt::Task<Result<void>> write_once();
  rt::Task<Result<void>> write_to(api::Object object, Json wanted);

  Context& context_;
  api::Object pod_;
  std::function<Json(const Json&)> make_;
  api::Object mirror_;
  bool pending_ = false, busy_ = false, gone_ = false, static_ = false;
  rt::Event changed_;
};

}  // namespace mk::kubelet
