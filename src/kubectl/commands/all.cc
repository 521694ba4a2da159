#include "commands/commands.h"

namespace mk::kubectl {

const std::vector<Command>& all_commands() {
  static const std::vector<Command> kCommands{
      {"get", "Display one or many resources", run_get},
      {"describe", "Show details of a specific resource or group of resources", run_describe},
      {"apply", "Apply a configuration to a resource by file name or stdin", run_apply},
      {"create", "Create a resource from a file or from stdin", run_create},
      {"create namespace", "Create a namespace with the specified name", run_create_namespace},
      {"create ns", "Short for create namespace", run_create_namespace},
      {"create configmap", "Create a config map from a local file, directory or literal value", run_create_configmap},
      {"create cm", "Short for create configmap", run_create_configmap},
      {"create secret", "Create a secret: generic or tls", run_create_secret},
      {"create deployment", "Create a deployment with the specified name", run_create_deployment},
      {"create deploy", "Short for create deployment", run_create_deployment},
      {"create serviceaccount", "Create a service account with the specified name", run_create_service_account},
      {"create sa", "Short for create serviceaccount", run_create_service_account},
      {"create token", "Request a service account token", run_create_token},
      {"replace", "Replace a resource by file name or stdin", run_replace},
      {"delete", "Delete resources by file names, stdin, resources and names, or by resources and label selector", run_delete},
      {"logs", "Print the logs for a container in a pod", run_logs},
      {"exec", "Execute a command in a container", run_exec},
      {"attach", "Attach to a running container", run_attach},
      {"scale", "Set a new size for a deployment, replica set, or stateful set", run_scale},
      {"rollout status", "Show the status of the rollout", run_rollout_status},
      {"rollout history", "View rollout history", run_rollout_history},
      {"rollout restart", "Restart a resource", run_rollout_restart},
      {"rollout undo", "Undo a previous rollout", run_rollout_undo},
      {"rollout pause", "Mark the provided resource as paused", run_rollout_pause},
      {"rollout resume", "Resume a paused resource", run_rollout_resume},
      {"label", "Update the labels on a resource", run_label},
      {"annotate", "Update the annotations on a resource", run_annotate},
      {"patch", "Update fields of a resource", run_patch},
      {"wait", "Wait for a specific condition on one or many resources", run_wait},
      {"api-resources", "Print the supported API resources on the server", run_api_resources},
      {"api-versions", "Print the supported API versions on the server, in the form of \"group/version\"", run_api_versions},
      {"version", "Print the client and server version information", run_version},
      {"cluster-info", "Display cluster information", run_cluster_info},
      {"config view", "Display the kubeconfig in use", run_config_view},
      {"config current-context", "Display the current-context", run_config_current_context},
      {"auth can-i", "Check whether an action is allowed", run_auth_can_i},
      {"auth whoami", "Show who you are to the server", run_auth_whoami},
      {"cordon", "Mark node as unschedulable", run_cordon},
      {"uncordon", "Mark node as schedulable", run_uncordon},
      {"drain", "Drain node in preparation for maintenance", run_drain},
      {"taint", "Update the taints on one or more nodes", run_taint},
      {"run", "Run a particular image on the cluster", run_run},
      {"expose", "Take a resource and expose it as a new Kubernetes service", run_expose},
      {"set image", "Update the image of a pod template", run_set_image},
  };
  return kCommands;
}

}  // namespace mk::kubectl
