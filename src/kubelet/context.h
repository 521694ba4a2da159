#pragma once

#include <string>

#include "mk/client/client.h"
#include "mk/client/informer.h"
#include "mk/kubelet/kubelet.h"
#include "mk/kubelet/node_runtime.h"
#include "mk/rt/blocking.h"
#include "mk/rt/clock.h"
#include "mk/rt/loop.h"
#include "mk/rt/random.h"
#include "node/node_facts.h"
#include "pods/resources.h"

namespace mk::kubelet {

class CsiVolumes;
class EventRecorder;
class Mounter;
class ObjectWatcher;

// What the parts of one kubelet share. Everything outlives them.
struct Context {
  rt::Loop& loop;
  rt::Clock& clock;
  rt::Random& random;
  rt::BlockingPool& pool;
  client::Client& client;
  NodeRuntime& runtime;
  const KubeletOptions& options;
  EventRecorder& events;
  ObjectWatcher& objects;
  Mounter& mounter;
  const client::Informer& services;  // of all namespaces
  NodeCapacity allocatable;
  NodePressure pressure;      // as the eviction manager saw it last
  CsiVolumes* csi = nullptr;  // nullptr: no drivers (tests)
};

}  // namespace mk::kubelet
