#include "registry/strategies/cron_schedule.h"
#include "registry/strategies/test_cluster.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;

namespace {

std::string manifest(const std::string& version, const std::string& kind) {
  return "apiVersion: " + version + "\nkind: " + kind + R"(
metadata: {name: x, namespace: default}
spec:
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec: {containers: [{name: c, image: i:1}]}
)";
}

const char* const kJob = R"(
apiVersion: batch/v1
kind: Job
metadata: {name: pi, namespace: default}
spec:
  template:
    metadata: {labels: {app: pi}}
    spec: {restartPolicy: Never, containers: [{name: c, image: i:1}]}
)";

const char* const kCron = R"(
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick, namespace: default}
spec:
  schedule: "*/5 * * * *"
  jobTemplate:
    spec:
      template:
        spec: {restartPolicy: OnFailure, containers: [{name: c, image: i:1}]}
)";

Json made(TestCluster& cluster, const std::string& yaml, std::string_view patch = "{}") {
  auto object = cluster.create(TestCluster::patched(TestCluster::parse(yaml), patch));
  if (!object.ok()) FAIL(object.error().message());
  return std::move(*object);
}

Texts create_problems(const std::string& yaml, std::string_view patch) {
  TestCluster cluster;
  INFO(patch);
  return TestCluster::problems(cluster.create(TestCluster::patched(TestCluster::parse(yaml), patch)));
}

Texts update_problems(const std::string& yaml, std::string_view patch) {
  TestCluster cluster;
  const Json old = made(cluster, yaml);
  return TestCluster::problems(cluster.update(TestCluster::patched(old, patch), old));
}

}  // namespace

TEST_CASE("defaults of a Deployment") {
  TestCluster cluster;
  const Json object = made(cluster, manifest("apps/v1", "Deployment"));
  const Json spec = *api::find(object, "spec");
  CHECK(api::num(spec, "replicas") == 1);
  CHECK(api::num(spec, "revisionHistoryLimit") == 10);
  CHECK(api::num(spec, "progressDeadlineSeconds") == 600);
  CHECK(*api::find(spec, "strategy") ==
        TestCluster::parse("{type: RollingUpdate, rollingUpdate: {maxUnavailable: 25%, maxSurge: 25%}}"));
  CHECK(api::str(spec, "template.spec.restartPolicy") == "Always");
  CHECK(api::find(spec, "template.spec.enableServiceLinks") == nullptr);  // only pods get that one
}

TEST_CASE("bad Deployments are refused in Kubernetes' words") {
  const auto yaml = manifest("apps/v1", "Deployment");
  const auto problems = [&](std::string_view patch) { return create_problems(yaml, patch); };
  CHECK(problems("{spec: {replicas: -1}}") ==
        Texts{"spec.replicas: Invalid value: -1: must be greater than or equal to 0"});
  CHECK(problems("{spec: {selector: null}}") == Texts{"spec.selector: Required value"});
  CHECK(problems("{spec: {selector: {matchLabels: null}}}") ==
        Texts{"spec.selector: Invalid value: {}: empty selector is invalid for deployment"});
  CHECK(problems("{spec: {template: {metadata: {labels: {app: y}}}}}") ==
        Texts{"spec.template.metadata.labels: Invalid value: {\"app\":\"y\"}: `selector` does not match "
              "template `labels`"});
  CHECK(
      problems("{spec: {template: {spec: {restartPolicy: Never}}}}") ==
      Texts{"spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""});
  CHECK(
      problems("{spec: {strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 0}}}}") ==
      Texts{
          "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"});
  CHECK(
      problems("{spec: {strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}}}") ==
      Texts{
          "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"});
  CHECK(problems("{spec: {strategy: {rollingUpdate: {maxUnavailable: 10}}, minReadySeconds: 600}}") ==
        Texts{"spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"});
  CHECK(problems("{spec: {strategy: {rollingUpdate: {maxSurge: lots}}}}") ==
        Texts{"spec.strategy.rollingUpdate.maxSurge: Invalid value: \"lots\": a valid percent string must be "
              "a numeric string "
              "followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"});
}

TEST_CASE("selectors of workloads never change") {
  for (const auto* kind : {"Deployment", "ReplicaSet", "DaemonSet"}) {
    CHECK(update_problems(
              manifest("apps/v1", kind),
              "{spec: {selector: {matchLabels: {app: y}}, template: {metadata: {labels: {app: y}}}}}") ==
          Texts{"spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"y\"}}: field is immutable"});
  }
  CHECK(update_problems(manifest("apps/v1", "Deployment"), "{spec: {replicas: 5, paused: true}}") == Texts());
}

TEST_CASE("StatefulSets") {
  TestCluster cluster;
  const auto yaml = manifest("apps/v1", "StatefulSet");
  const Json object = made(cluster, yaml, R"(
spec:
  volumeClaimTemplates:
  - {metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
  template: {spec: {containers: [{name: c, image: i, volumeMounts: [{name: data, mountPath: /data}]}]}}
)");
  CHECK(api::str(object, "spec.podManagementPolicy") == "OrderedReady");
  CHECK(*api::find(object, "spec.updateStrategy") ==
        TestCluster::parse("{type: RollingUpdate, rollingUpdate: {partition: 0}}"));
  CHECK(*api::find(object, "spec.persistentVolumeClaimRetentionPolicy") ==
        TestCluster::parse("{whenDeleted: Retain, whenScaled: Retain}"));
  CHECK(api::str(api::list(object, "spec.volumeClaimTemplates")[0], "spec.volumeMode") == "Filesystem");
  CHECK(update_problems(yaml, "{spec: {serviceName: other}}") ==
        Texts{"spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', "
              "'template', "
              "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
              "'minReadySeconds' are "
              "forbidden"});
  CHECK(create_problems(yaml, "{spec: {podManagementPolicy: Random}}") ==
        Texts{"spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'"});
}

TEST_CASE("DaemonSets") {
  TestCluster cluster;
  const auto yaml = manifest("apps/v1", "DaemonSet");
  const Json object = made(cluster, yaml);
  CHECK(*api::find(object, "spec.updateStrategy") ==
        TestCluster::parse("{type: RollingUpdate, rollingUpdate: {maxUnavailable: 1, maxSurge: 0}}"));
  CHECK(api::Object(object).annotation("deprecated.daemonset.template.generation") == "1");
  auto updated =
      cluster.update(TestCluster::patched(object, "{spec: {template: {spec: {hostNetwork: true}}}}"), object);
  REQUIRE(updated.ok());
  CHECK(api::Object(*updated).annotation("deprecated.daemonset.template.generation") == "2");
  CHECK(
      create_problems(yaml, "{spec: {updateStrategy: {rollingUpdate: {maxUnavailable: 1, maxSurge: 1}}}}") ==
      Texts{"spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when "
            "maxUnavailable is non-zero"});
}

TEST_CASE("ReplicationControllers go by the labels of their pods") {
  TestCluster cluster;
  const std::string yaml =
      "{apiVersion: v1, kind: ReplicationController, metadata: {name: x, namespace: default}, spec: "
      "{template: {metadata: "
      "{labels: {app: x}}, spec: {containers: [{name: c, image: i}]}}}}";
  const Json object = made(cluster, yaml);
  CHECK(*api::find(object, "spec.selector") == TestCluster::parse("{app: x}"));
  CHECK(*api::find(object, "metadata.labels") == TestCluster::parse("{app: x}"));
  CHECK(create_problems(yaml, "{spec: {selector: {app: y}}}") ==
        Texts{"spec.template.metadata.labels: Invalid value: {\"app\":\"x\"}: `selector` does not match "
              "template `labels`"});
  CHECK(create_problems(yaml, "{spec: {template: null}}") ==
        Texts{"spec.selector: Required value", "spec.template: Required value"});
}

TEST_CASE("Jobs find their pods by uid") {
  TestCluster cluster;
  const Json job = made(cluster, kJob);
  const std::string uid(api::str(job, "metadata.uid"));
  CHECK(api::object(job, "spec.selector.matchLabels").at("batch.kubernetes.io/controller-uid") ==
        api::text(uid));
  const auto& labels = api::object(job, "spec.template.metadata.labels");
  CHECK(labels.at("controller-uid") == api::text(uid));
  CHECK(labels.at("batch.kubernetes.io/job-name") == "pi");
  CHECK(labels.at("job-name") == "pi");
  CHECK(*api::find(job, "metadata.labels") == TestCluster::parse("{app: pi}"));
  const std::pair<const char*, std::int64_t> numbers[] = {
      {"completions", 1}, {"parallelism", 1}, {"backoffLimit", 6}};
  for (const auto& [field, value] : numbers) CHECK(api::num(job, std::string("spec.") + field) == value);
  CHECK(api::str(job, "spec.completionMode") == "NonIndexed");
  CHECK(api::str(job, "spec.podReplacementPolicy") == "TerminatingOrFailed");
  CHECK(!api::flag(job, "spec.suspend", true));
}

TEST_CASE("bad Jobs are refused in Kubernetes' words") {
  CHECK(create_problems(kJob, "{spec: {template: {spec: {restartPolicy: Always}}}}") ==
        Texts{"spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""});
  CHECK(create_problems(kJob, "{spec: {completionMode: Indexed, parallelism: 2}}") ==
        Texts{"spec.completions: Required value: when completion mode is Indexed"});
  CHECK(create_problems(kJob, "{spec: {backoffLimitPerIndex: 1}}") ==
        Texts{"spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"});
  CHECK(create_problems(kJob, "{spec: {manualSelector: true}}") == Texts{"spec.selector: Required value"});
  CHECK(update_problems(kJob, "{spec: {completions: 3}}") ==
        Texts{"spec.completions: Invalid value: 3: field is immutable"});
  CHECK(update_problems(kJob, "{spec: {parallelism: 3, suspend: true}}") == Texts());
  const auto changed = update_problems(kJob, "{spec: {template: {spec: {hostNetwork: true}}}}");
  REQUIRE(changed.size() == 1);
  CHECK(changed[0].find("spec.template: Invalid value: {") == 0);
  CHECK(changed[0].find(": field is immutable") != std::string::npos);
}

TEST_CASE("policies of Jobs are checked against the job") {
  const std::string indexed = kJob;
  const auto problems = [&indexed](const std::string& spec) {
    return create_problems(indexed,
                           "{spec: {completionMode: Indexed, completions: 4, parallelism: 1, " + spec + "}}");
  };
  const auto rule = [&problems](const std::string& text) {
    return problems("backoffLimitPerIndex: 1, podFailurePolicy: {rules: [" + text + "]}");
  };
  CHECK(rule("{action: FailIndex, onExitCodes: {containerName: c, operator: In, values: [1]}}") == Texts());
  CHECK(rule("{action: Ignore, onExitCodes: {containerName: x, operator: In, values: [1]}}") ==
        Texts{"spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: \"x\": must be one "
              "of the "
              "container or initContainer names in the pod template"});
  CHECK(problems(
            "podFailurePolicy: {rules: [{action: FailIndex, onExitCodes: {operator: In, values: [1]}}]}") ==
        Texts{"spec.podFailurePolicy.rules[0].action: Invalid value: \"FailIndex\": requires the "
              "backoffLimitPerIndex to be set"});
  CHECK(problems("backoffLimitPerIndex: 1, maxFailedIndexes: 5") ==
        Texts{"spec.maxFailedIndexes: Invalid value: 5: must be less than or equal to completions"});
  const auto success = [&problems](const std::string& text) {
    return problems("successPolicy: {rules: [" + text + "]}");
  };
  CHECK(success("{succeededIndexes: \"0,2-3\", succeededCount: 3}") == Texts());
  CHECK(success("{succeededIndexes: \"0,2\", succeededCount: 3}") ==
        Texts{"spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 "
              "(the "
              "number of indexes in the specified succeededIndexes field)"});
  CHECK(success("{succeededCount: 5}") == Texts{"spec.successPolicy.rules[0].succeededCount: Invalid value: "
                                                "5: must be less than or equal to 4 (the "
                                                "number of specified completions)"});
  CHECK(success("{succeededIndexes: \"3-1\"}") ==
        Texts{"spec.successPolicy.rules[0].succeededIndexes: Invalid value: \"3-1\": error parsing "
              "succeededIndexes: non-increasing order, previous: 3, current: 1"});
  CHECK(success("{succeededIndexes: \"4\"}") ==
        Texts{"spec.successPolicy.rules[0].succeededIndexes: Invalid value: \"4\": error parsing "
              "succeededIndexes: too large index: \"4\""});
}

TEST_CASE("a Job's status says first what it is about to become") {
  TestCluster cluster;
  const Json job = made(cluster, kJob);
  const auto problems = [&](std::string_view status) {
    const auto changed = TestCluster::patched(job, std::string("{status: ") + std::string(status) + "}");
    return TestCluster::problems(cluster.update(changed, job, "status"));
  };
  const std::string start = "startTime: \"2026-01-01T00:00:00Z\", ";
  CHECK(problems("{" + start +
                 "completionTime: \"2026-01-01T00:01:00Z\", conditions: [{type: SuccessCriteriaMet, status: "
                 "\"True\"}, {type: Complete, status: \"True\"}]}") == Texts());
  CHECK(problems("{" + start + "conditions: [{type: Other, status: \"True\"}], active: 3}") == Texts());
  CHECK(problems("{" + start +
                 "active: 1, conditions: [{type: FailureTarget, status: \"True\"}, {type: Failed, status: "
                 "\"True\"}]}") ==
        Texts{"status.active: Invalid value: 1: active>0 is invalid for finished job"});
  const auto sudden = problems("{" + start + "conditions: [{type: Failed, status: \"True\"}]}");
  REQUIRE(sudden.size() == 1);
  CHECK(sudden[0].find("cannot set Failed=True condition without the FailureTarget=true condition") !=
        std::string::npos);
}

TEST_CASE("a suspended Job may still be steered") {
  TestCluster cluster;
  const Json job = made(cluster, kJob, "{spec: {suspend: true}}");
  CHECK(TestCluster::problems(cluster.update(
            TestCluster::patched(job, "{spec: {template: {spec: {nodeSelector: {a: b}}}}}"), job)) ==
        Texts());
  // Where the nodes are, yes; next to which pods, no.
  const auto affinity = [&](const std::string& text) {
    return TestCluster::problems(cluster.update(
        TestCluster::patched(job, "{spec: {template: {spec: {affinity: {" + text + "}}}}}"), job));
  };
  CHECK(affinity("nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: "
                 "{matchExpressions: [{key: a, operator: Exists}]}}]}") == Texts());
  CHECK(affinity("podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a, "
                 "labelSelector: {}}]}")
            .size() == 1);
}

TEST_CASE("CronJobs") {
  TestCluster cluster;
  const Json cron = made(cluster, kCron);
  CHECK(api::str(cron, "spec.concurrencyPolicy") == "Allow");
  CHECK(api::num(cron, "spec.successfulJobsHistoryLimit") == 3);
  CHECK(api::num(cron, "spec.failedJobsHistoryLimit") == 1);
  CHECK(create_problems(kCron, "{spec: {schedule: often}}") ==
        Texts{"spec.schedule: Invalid value: \"often\": expected exactly 5 fields, found 1: [often]"});
  CHECK(create_problems(kCron, "{spec: {schedule: 'TZ=UTC * * * * *'}}") ==
        Texts{"spec.schedule: Invalid value: \"TZ=UTC * * * * *\": cannot use TZ or CRON_TZ in schedule, use "
              "timeZone field instead"});
  CHECK(create_problems(kCron, "{spec: {timeZone: Nowhere/Land}}") ==
        Texts{"spec.timeZone: Invalid value: \"Nowhere/Land\": unknown time zone Nowhere/Land"});
  CHECK(create_problems(kCron, "{spec: {concurrencyPolicy: Maybe}}") ==
        Texts{"spec.concurrencyPolicy: Unsupported value: \"Maybe\": supported values: \"Allow\", "
              "\"Forbid\", \"Replace\""});
}

TEST_CASE("schedules") {
  for (const auto* good :
       {"* * * * *", "0 12 1-15/2 jan,MAR mon-fri", "@daily", "@every 1h30m", "*/15 0 * * 0"}) {
    CHECK(check_cron_schedule(good) == "");
  }
  CHECK(check_cron_schedule("60 * * * *") == "end of range (60) above maximum (59): 60");
  CHECK(check_cron_schedule("* * 0 * *") == "beginning of range (0) below minimum (1): 0");
  CHECK(check_cron_schedule("5-1 * * * *") == "beginning of range (5) beyond end of range (1): 5-1");
  CHECK(check_cron_schedule("*/0 * * * *") == "step of range should be a positive number: */0");
  CHECK(check_cron_schedule("@never") == "unrecognized descriptor: @never");
  CHECK(check_cron_schedule("x * * * *") ==
        "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax");
}
