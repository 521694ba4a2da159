#include "status/status_writer.h"

#include <algorithm>

#include "mk/api/resource.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "status/pod_status.h"

namespace mk::kubelet {

namespace {
constexpr Log kLog("kubelet");
}

StatusWriter::StatusWriter(Context& context, api::Object pod, std::function<Json(const Json&)> make)
    : context_(context), pod_(std::move(pod)), make_(std::move(make)) {}

bool StatusWriter::observe(api::Object pod) {
  const auto have = parse_int(pod_.resource_version()), got = parse_int(pod.resource_version());
  if (have && got && *got < *have) return false;
  pod_ = std::move(pod);
  return true;
}

void StatusWriter::set_mirror(api::Object mirror) {
  static_ = true;
  mirror_ = std::move(mirror);
  request();
}

void StatusWriter::request() {
  pending_ = true;
  changed_.notify_all();
}

void StatusWriter::pod_gone() {
  gone_ = true;
  changed_.notify_all();
}

rt::Task<Result<void>> StatusWriter::write_once() {
  Json wanted = make_(pod_.json());
  if (!static_) co_return co_await write_to(pod_, std::move(wanted));
  pod_ = pod_.with([&wanted](Json& pod) { pod.as_object()["status"] = wanted; });
  if (mirror_) co_return co_await write_to(mirror_, std::move(wanted));
  co_return ok();
}

rt::Task<Result<void>> StatusWriter::write_to(api::Object object, Json wanted) {
  const Json* current = api::find(object.json(), "status");
  auto patch = status_patch(std::string(object.uid()), current == nullptr ? Json(nullptr) : *current, wanted);
  if (!patch) co_return ok();
  client::WriteOptions options;
  auto written =
      co_await context_.client.patch(api::resources::kPods, object.key(), "status",
                                     client::PatchType::kStrategicMerge, std::move(*patch), options);
  if (!written.ok()) co_return std::move(written).error();
  if (written->uid() != object.uid()) co_return ok();
  if (!static_)
    observe(std::move(*written));
  else if (mirror_ && mirror_.uid() == written->uid())
    mirror_ = std::move(*written);
  co_return ok();
}

rt::Task<> StatusWriter::run() {
  rt::Duration pause = std::chrono::milliseconds(500);
  const rt::Duration most = std::chrono::seconds(30);
  while (true) {
    while (!pending_ || gone_) co_await changed_.wait();
    pending_ = false;
    busy_ = true;
    auto result = co_await write_once();
    busy_ = false;
    if (result.ok()) {
      pause = std::chrono::milliseconds(500);
    } else if (result.error().is(Reason::kNotFound) || result.error().is(Reason::kConflict)) {
      // Deleted, or replaced by another pod of the same name: the watch will say so.
      kLog.debug("pod status not written", "pod", pod_key(pod_.json()), "error", result.error().message());
    } else {
      kLog.warn("cannot write pod status, will retry", "pod", pod_key(pod_.json()), "error",
                result.error().message());
      pending_ = true;
      co_await context_.clock.sleep_for(pause);
      pause = std::min(most, 2 * pause);
    }
    changed_.notify_all();
  }
}

rt::Task<> StatusWriter::flush() {
  while ((pending_ || busy_) && !gone_) co_await changed_.wait();
}

}  // namespace mk::kubelet
