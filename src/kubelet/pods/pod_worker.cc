#include "pods/pod_worker.h"

#include <fmt/core.h>

#include <algorithm>

#include "mk/base/log.h"
#include "pods/container_config.h"
#include "pods/events.h"
#include "pods/resize.h"
#include "pods/runtime_class.h"
#include "pods/termination_message.h"
#include "probes/action.h"

namespace mk::kubelet {

namespace {

constexpr Log kLog("kubelet");
constexpr auto kRetry = std::chrono::seconds(10);
constexpr auto kSandboxRetry = std::chrono::seconds(5);

std::string seconds_text(rt::Duration duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  if (seconds < 60) return fmt::format("{}s", seconds);
  return fmt::format("{}m{}s", seconds / 60, seconds % 60);
}

const Json* find_spec(const Json& pod, std::string_view name) {
  for (const auto& container : all_containers(pod))
    if (container.name() == name) return container.spec;
  return nullptr;
}

}  // namespace

PodWorker::PodWorker(Context& context, api::Object pod)
    : context_(context),
      tasks_(context.loop.executor()),
      volume_tasks_(context.loop.executor()),
      writer_(context, pod, [this](const Json& current) { return make_status(current); }),
      volumes_(context, pod.json(),
               [this] {
                 volumes_dirty_ = true;
                 volumes_changed_.notify_all();
                 wake();
               }),
      prober_(context, [this] { wake(); }),
      puller_(context),
      granted_(granted_resources(pod.json())) {}

void PodWorker::update(api::Object pod) {
  if (!writer_.observe(std::move(pod))) return;
  volumes_dirty_ = true;  // labels and annotations may be in files
  volumes_changed_.notify_all();
  if (this->pod().deleting() && stop_deadline_ != rt::WallTime()) set_stop_deadline(grace_period(spec()));
  wake();
}

void PodWorker::removed() {
  removed_ = true;
  writer_.pod_gone();
  if (stop_deadline_ != rt::WallTime() && pod().deleting()) set_stop_deadline(std::chrono::seconds(1));
  wake();
}

void PodWorker::reject(std::string reason, std::string message) {
  failure_ = ReasonMessage{std::move(reason), std::move(message)};
  wake();
}

void PodWorker::evict(std::string reason, std::string message, std::chrono::seconds grace) {
  evicted_grace_ = grace;
  reject(std::move(reason), std::move(message));
}

void PodWorker::discard_containers() {
  discard_ = true;
  wake();
}

void PodWorker::wake() {
  dirty_ = true;
  changed_.notify_all();
}

void PodWorker::wake_at(rt::WallTime when) {
  if (!wake_at_ || when < *wake_at_) wake_at_ = when;
}

std::vector<std::string> PodWorker::pod_ips() const {
  if (host_network(spec())) return {context_.options.node_ip};
  if (snapshot_) return snapshot_->sandbox.ips;
  return {};
}

rt::Task<> PodWorker::run() {
  tasks_.spawn("status writer of " + pod_key(spec()), writer_.run());
  volume_tasks_.spawn("volumes of " + pod_key(spec()), run_volume_updates());
  while (!done_) {
    dirty_ = false;
    wake_at_.reset();
    co_await sync();
    if (!done_) co_await wait_for_work();
  }
  co_await stop();
}

rt::Task<> PodWorker::stop() {
  co_await prober_.stop();
  co_await volume_tasks_.stop();
  co_await tasks_.stop();
}

rt::Task<> PodWorker::wait_for_work() {
  while (!dirty_) {
    const auto now = context_.clock.now();
    if (wake_at_ && *wake_at_ <= now) co_return;
    if (wake_at_)
      co_await rt::race(changed_.wait(), context_.clock.sleep_for(*wake_at_ - now));
    else
      co_await changed_.wait();
  }
}

rt::Task<> PodWorker::sync() {
  co_await refresh();
  if (terminal_phase(spec()) && !removed_) finished_ = true;  // ended in an earlier life of the kubelet
  check_deadline();
  if (!must_stop() && !finished_) (void)co_await sync_running();
  if (must_stop() || finished_) co_await terminate();
  writer_.request();
}

void PodWorker::check_deadline() {
  if (failure_ || stopped_ || api::find(spec(), "spec.activeDeadlineSeconds") == nullptr) return;
  const auto started = rt::parse_time(api::str(spec(), "status.startTime"));
  if (!started) return;
  const auto deadline = *started + std::chrono::seconds(api::num(spec(), "spec.activeDeadlineSeconds"));
  if (deadline > context_.clock.now()) return wake_at(deadline);
  reject("DeadlineExceeded", "Pod was active on the node longer than the specified deadline");
  context_.events.pod(spec(), "Normal", "DeadlineExceeded", failure_->message);
}

rt::Task<bool> PodWorker::sync_running() {
  writer_.request();
  if (!co_await sync_volumes()) co_return false;
  while (!must_stop()) {
    if (co_await sync_resize()) co_await refresh();
    if (must_stop()) break;
    ActionInputs inputs;
    inputs.must_restart = must_restart_;
    inputs.snapshot = snapshot_ ? &*snapshot_ : nullptr;
    inputs.started = prober_.started();
    for (const auto& [id, why] : prober_.unhealthy()) inputs.unhealthy.insert(id);
    inputs.backoff = &restarts_;
    inputs.now = context_.clock.now();
    PodActions actions = compute_actions(spec(), inputs);
    for (const auto& backoff : actions.backoffs) {
      const auto message =
          fmt::format("back-off {} restarting failed container={} pod={}",
                      seconds_text(restarts_.delay(backoff.name)), backoff.name, full_name(spec()));
      if (waiting_.count(backoff.name) == 0 || waiting_[backoff.name].reason != "CrashLoopBackOff")
        context_.events.pod(
            spec(), "Warning", "BackOff",
            fmt::format("Back-off restarting failed container {} in pod {}", backoff.name, full_name(spec())),
            backoff.name);
      waiting_[backoff.name] = {"CrashLoopBackOff", message};
      wake_at(backoff.until);
    }
    if (actions.finished) {
      finished_ = true;
      co_return false;
    }
    if (actions.nothing() || !co_await perform(std::move(actions))) co_return true;
    co_await refresh();
    writer_.request();
  }
  co_return false;
}

rt::Task<bool> PodWorker::sync_volumes() {
  if (volumes_ready_) co_return true;
  if (!co_await pull_volume_images()) co_return false;
  auto result = co_await volumes_.sync(pod(), pod_ips());
  if (result.ok()) {
    volumes_ready_ = true;
    mount_problem_.clear();
    volumes_changed_.notify_all();
    co_return true;
  }
  // What a watch will deliver wakes us by itself.
  if (result.error().is(Reason::kTimeout)) co_return false;
  if (mount_problem_ != result.error().message()) {
    mount_problem_ = result.error().message();
    context_.events.pod(spec(), "Warning", "FailedMount", mount_problem_);
  }
  wake_at(context_.clock.now() + kRetry);
  co_return false;
}

rt::Task<bool> PodWorker::pull_volume_images() {
  const api::Object pod = this->pod();
  for (const Json& volume : api::list(pod.json(), "spec.volumes")) {
    const Json* source = api::find(volume, "image");
    const std::string name(api::str(volume, "name"));
    if (source == nullptr || volumes_.has_image(name)) continue;
    const auto key = "volume " + name;
    if (const auto retry = retry_.find(key); retry != retry_.end() && retry->second > context_.clock.now()) {
      wake_at(retry->second);
      co_return false;
    }
    std::optional<ImageAnswer> answer;
    auto get_image = [](ImagePuller& puller, api::Object of, const Json& wanted,
                        std::optional<ImageAnswer>& out) -> rt::Task<> {
      out.emplace(co_await puller.ensure_image(std::move(of), std::string(api::str(wanted, "reference")),
                                               std::string(api::str(wanted, "pullPolicy", "IfNotPresent")),
                                               ""));
    };
    if (!co_await interruptible(get_image(puller_, pod, *source, answer))) co_return false;
    if (const auto* wait = std::get_if<ImageWait>(&*answer)) {
      retry_[key] = wait->retry;
      wake_at(wait->retry);
      co_return false;
    }
    volumes_.set_image(name, std::get<ImageInfo>(*answer).id);
  }
  co_return true;
}

// After the first set-up the volumes have a task of their own, so that new contents reach the containers
// while the worker waits for a pull or a hook.
rt::Task<> PodWorker::run_volume_updates() {
  while (true) {
    const auto now = context_.clock.now();
    const auto refresh = volumes_.next_refresh();
    const bool due = volumes_dirty_ || (refresh && *refresh <= now);
    if (!volumes_ready_ || (!due && !refresh)) {
      co_await volumes_changed_.wait();
      continue;
    }
    if (!due) {
      co_await rt::race(volumes_changed_.wait(), context_.clock.sleep_for(*refresh - now));
      continue;
    }
    volumes_dirty_ = false;
    auto result = co_await volumes_.sync(pod(), pod_ips());
    if (result.ok() || result.error().is(Reason::kTimeout)) continue;
    kLog.warn("volumes not updated", "pod", pod_key(spec()), "error", result.error().message());
    co_await rt::race(volumes_changed_.wait(), context_.clock.sleep_for(kRetry));
    volumes_dirty_ = true;
  }
}

rt::Task<bool> PodWorker::perform(PodActions actions) {
  bool progress = false;
  for (const auto& kill : actions.kills) {
    const auto why = prober_.unhealthy().find(kill.id);
    const auto message =
        why == prober_.unhealthy().end()
            ? kill.message
            : fmt::format("Container {} failed {}, will be restarted", kill.name, why->second);
    stop_deadline_ = context_.clock.now() + grace_period(spec());
    co_await stop_one(kill.id, kill.name, message);
    stop_deadline_ = {};
    progress = true;
  }
  if (actions.create_sandbox) progress = co_await create_sandbox() || progress;
  for (auto& action : actions.starts) {
    if (must_stop()) co_return progress;
    progress = co_await start(std::move(action)) || progress;
  }
  co_return progress;
}

rt::Task<bool> PodWorker::create_sandbox() {
  const auto now = context_.clock.now();
  if (const auto retry = retry_.find(""); retry != retry_.end() && retry->second > now) {
    wake_at(retry->second);
    co_return false;
  }
  if (!host_network(spec()) && !context_.runtime.network->ready()) {
    context_.events.pod(spec(), "Warning", "NetworkNotReady",
                        "network is not ready: the node's pod network has not been set up yet");
    wake_at(now + kSandboxRetry);
    co_return false;
  }
  if (snapshot_) {
    context_.events.pod(spec(), "Normal", "SandboxChanged",
                        "Pod sandbox changed, it will be killed and re-created.");
    (void)co_await context_.runtime.containers->stop_sandbox(snapshot_->sandbox.id);
    co_await remove_old_sandboxes();  // the last one stays for its exit codes and logs
  }
  const api::Object granted = granted_pod();
  SandboxConfig config = make_sandbox_config(granted.json(), context_.options);
  Result<SandboxStatus> made = Error(Reason::kUnknown, "");
  auto handler = co_await runtime_handler(context_, granted);
  if (handler.ok()) {
    config.handler = *handler;
    made = co_await context_.runtime.containers->run_sandbox(std::move(config));
  } else {
    made = std::move(handler).error();
  }
  if (made.ok()) {
    retry_.erase("");
    co_return true;
  }
  context_.events.pod(spec(), "Warning", "FailedCreatePodSandBox",
                      "Failed to create pod sandbox: " + made.error().message());
  retry_[""] = now + kSandboxRetry;
  wake_at(retry_[""]);
  co_return false;
}

void PodWorker::wait_because(const std::string& name, std::string reason, std::string message,
                             rt::WallTime retry) {
  waiting_[name] = {std::move(reason), std::move(message)};
  retry_[name] = retry;
  wake_at(retry);
  writer_.request();
}

rt::Task<bool> PodWorker::start(StartAction action) {
  const auto now = context_.clock.now();
  if (const auto retry = retry_.find(action.name); retry != retry_.end() && retry->second > now) {
    auto& why = waiting_[action.name];
    if (why.reason == "ErrImagePull") {
      const auto image = api::str(*find_spec(spec(), action.name), "image");
      context_.events.pod(spec(), "Normal", "BackOff", fmt::format("Back-off pulling image \"{}\"", image),
                          action.name);
      why = {"ImagePullBackOff",
             fmt::format("Back-off pulling image \"{}\": ErrImagePull: {}", image, why.message)};
      writer_.request();
    }
    wake_at(retry->second);
    co_return false;
  }
  std::optional<ImageAnswer> answer;
  auto get_image = [](ImagePuller& puller, api::Object pod, std::string name,
                      std::optional<ImageAnswer>& out) -> rt::Task<> {
    out.emplace(co_await puller.ensure(std::move(pod), std::move(name)));
  };
  if (!co_await interruptible(get_image(puller_, pod(), action.name, answer))) co_return false;
  if (const auto* wait = std::get_if<ImageWait>(&*answer)) {
    wait_because(action.name, wait->why.reason, wait->why.message, wait->retry);
    if (wait->why.reason == "ErrImagePull")
      wake_at(now + std::chrono::seconds(1));  // then it is ImagePullBackOff
    co_return false;
  }
  co_return co_await create_and_start(std::move(action), std::get<ImageInfo>(std::move(*answer)));
}

rt::Task<bool> PodWorker::create_and_start(StartAction action, ImageInfo image) {
  const std::string name = action.name;
  auto& runtime = *context_.runtime.containers;
  if (!snapshot_) co_return false;
  images_[image.id] = {image.names.empty() ? std::string() : image.names.front(),
                       image.digests.empty() ? image.id : image.digests.front()};
  if (const auto* old = latest(*snapshot_, name); old != nullptr && ended(*old))
    restarts_.next(name, context_.clock.now());
  std::string id = action.existing_id;
  if (start_sent_.count(id) != 0) co_return false;  // the runtime will tell when it runs
  if (id.empty()) {
    auto config = co_await make_container_config(context_, volumes_, granted_pod(), name, action.attempt,
                                                 std::move(image), pod_ips());
    if (!config.ok()) {
      wait_because(name, "CreateContainerConfigError", config.error().message(),
                   context_.clock.now() + kRetry);
      context_.events.pod(spec(), "Warning", "Failed", "Error: " + config.error().message(), name);
      co_return false;
    }
    config->pid_target =
        co_await pid_target(std::string(api::str(*find_spec(spec(), name), "targetContainerName")));
    auto created = co_await runtime.create_container(snapshot_->sandbox.id, std::move(*config));
    if (!created.ok() &&
        created.error().message().find("unable to start container process") != std::string::npos) {
      record_failed_start(name, action.attempt, created.error().message());
      co_return true;
    }
    if (!created.ok()) {
      wait_because(name, "CreateContainerError", created.error().message(), context_.clock.now() + kRetry);
      context_.events.pod(spec(), "Warning", "Failed", "Error: " + created.error().message(), name);
      co_return false;
    }
    id = *created;
    if (const auto granted = granted_.find(name); granted != granted_.end()) actual_[id] = granted->second;
    context_.events.pod(spec(), "Normal", "Created", "Container created", name);
  }
  auto started = co_await runtime.start_container(id);
  if (!started.ok()) {
    (void)co_await runtime.remove_container(id);
    record_failed_start(name, action.attempt, started.error().message());
    co_return true;
  }
  start_sent_.insert(id);
  waiting_.erase(name);
  retry_.erase(name);
  context_.events.pod(spec(), "Normal", "Started", "Container started", name);
  (void)co_await run_post_start(name, id);
  co_await remove_old_containers(name);
  co_return true;
}

// The running container of that name, which may have started a moment ago.
rt::Task<std::string> PodWorker::pid_target(std::string name) {
  if (name.empty()) co_return name;
  const auto now = co_await context_.runtime.containers->pod(volumes_.paths().uid);
  const auto* status = now ? latest(*now, name) : nullptr;
  co_return status == nullptr ? "" : status->id;
}

// What could not be executed counts as a container that ended with 128: the restart policy decides what
// follows.
void PodWorker::record_failed_start(const std::string& name, std::uint32_t attempt, std::string message) {
  context_.events.pod(spec(), "Warning", "Failed", "Error: " + message, name);
  std::erase_if(failed_starts_, [&](const ContainerStatus& old) { return old.name == name; });
  ContainerStatus status;
  status.id = fmt::format("{}-{}-{}", volumes_.paths().uid, name, attempt);
  status.sandbox_id = snapshot_->sandbox.id;
  status.pod_uid = volumes_.paths().uid;
  status.name = name;
  status.attempt = attempt;
  status.state = ContainerState::kExited;
  status.exit_code = 128;
  status.created_at = status.started_at = status.finished_at = context_.clock.now();
  messages_[status.id] = std::move(message);
  waiting_.erase(name);
  failed_starts_.push_back(std::move(status));
}

// A failed hook kills its container; the restart policy then decides.
rt::Task<bool> PodWorker::run_post_start(std::string name, std::string id) {
  const api::Object pod = this->pod();
  const Json* container = find_spec(pod.json(), name);
  const Json* hook = container == nullptr ? nullptr : api::find(*container, "lifecycle.postStart");
  if (hook == nullptr) co_return true;
  ActionTarget target{id, pod_ips().empty() ? "" : pod_ips().front(), &pod.json(), container};
  ActionResult result;
  if (!co_await interruptible(run_hook(std::move(target), *hook, result))) co_return false;
  if (result.success) co_return true;
  context_.events.pod(spec(), "Warning", "FailedPostStartHook", "PostStartHook failed: " + result.output,
                      name);
  stop_deadline_ = context_.clock.now() + grace_period(spec());
  co_await stop_one(id, name, "FailedPostStartHook");
  stop_deadline_ = {};
  co_return false;
}

// Of what has ended only the last is kept: for lastState and for the log of the previous container.
rt::Task<> PodWorker::remove_old_containers(std::string name) {
  auto pod = co_await context_.runtime.containers->pod(volumes_.paths().uid);
  if (!pod) co_return;
  const auto* newest = latest(*pod, name);
  if (newest == nullptr || newest->attempt < 2) co_return;
  const auto keep_from = newest->attempt - 1;
  for (const auto& status : pod->containers) {
    if (status.name != name || status.attempt >= keep_from || !ended(status)) continue;
    (void)co_await context_.runtime.containers->remove_container(status.id);
    auto work = [log = status.log_path, note = volumes_.paths().termination(name, status.attempt)] {
      remove_container_files(log, note);
    };
    co_await context_.pool.run(std::move(work));
  }
}

rt::Task<> PodWorker::refresh() {
  snapshot_ = co_await context_.runtime.containers->pod(volumes_.paths().uid);
  if (!snapshot_) co_return;
  for (const auto& failed : failed_starts_) snapshot_->containers.push_back(failed);
  if (!snapshot_->sandbox.ips.empty()) last_ip_ = snapshot_->sandbox.ips.front();
  for (const auto& container : all_containers(spec())) {
    const auto* status = latest(*snapshot_, container.name());
    if (status == nullptr || images_.count(status->image_id) != 0) continue;
    const auto image = context_.runtime.images->find(std::string(api::str(*container.spec, "image")));
    if (image && image->id == status->image_id)
      images_[image->id] = {image->names.empty() ? std::string() : image->names.front(),
                            image->digests.empty() ? image->id : image->digests.front()};
  }
  co_await read_termination_messages();
  prober_.update(pod(), *snapshot_, must_stop() || finished_);
}

rt::Task<> PodWorker::read_termination_messages() {
  std::vector<TerminationSource> wanted;
  for (const auto& container : all_containers(spec())) {
    for (const auto& status : snapshot_->containers) {
      if (status.name != container.name() || !ended(status) || messages_.count(status.id) != 0) continue;
      const bool from_log =
          api::str(*container.spec, "terminationMessagePolicy") == "FallbackToLogsOnError" &&
          status.exit_code != 0;
      wanted.push_back({status.id, volumes_.paths().termination(status.name, status.attempt),
                        from_log ? status.log_path : ""});
    }
  }
  if (wanted.empty()) co_return;
  auto work = [wanted] { return read_messages(wanted); };
  for (auto& [id, message] : co_await context_.pool.run(std::move(work))) messages_[id] = std::move(message);
}

std::set<std::string> PodWorker::images_in_use() const {
  std::set<std::string> out = volumes_.images_in_use();
  if (snapshot_)
    for (const auto& status : snapshot_->containers) out.insert(status.image_id);
  if (stopped_) return out;
  for (const auto& container : all_containers(spec()))
    if (const auto image = context_.runtime.images->find(std::string(api::str(*container.spec, "image"))))
      out.insert(image->id);
  return out;
}

Json PodWorker::make_status(const Json& pod) const {
  StatusInputs inputs;
  inputs.snapshot = snapshot_ ? &*snapshot_ : nullptr;
  inputs.waiting = waiting_;
  inputs.ready = prober_.ready();
  inputs.started = prober_.started();
  inputs.termination_messages = messages_;
  inputs.images = images_;
  inputs.node_ip = context_.options.node_ip;
  inputs.pod_ip = last_ip_.empty() ? std::string(api::str(pod, "status.podIP")) : last_ip_;
  for (const auto& failed : failed_starts_) inputs.start_errors.insert(failed.id);
  inputs.failure = failure_;
  inputs.evicted = evicted_grace_.has_value();
  inputs.stopped = stopped_;
  add_resize(pod, inputs);
  inputs.now = context_.clock.now();
  return make_pod_status(pod, inputs);
}

}  // namespace mk::kubelet
