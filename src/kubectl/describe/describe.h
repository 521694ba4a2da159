#pragma once

#include <string>

#include "mk/api/json.h"

// `kubectl describe`: an object as people read it. Pure functions from documents to text, so that they can be
// tested; fields are separated by tabs, which the caller aligns (align_tabs).
namespace mk::kubectl {

struct DescribeContext {
  api::Json events = nullptr;   // an EventList about the object; null: none asked for
  api::Json related = nullptr;  // what a kind's page shows besides the object: pods of a node, quotas ...
  std::int64_t now = 0;         // seconds since the epoch, for ages
};

std::string describe_object(const api::Json& object, const DescribeContext& context);

// Pieces that the pages of several kinds share.
class Page {
 public:
  explicit Page(std::int64_t now) : now_(now) {}

  void line(int depth, std::string_view text);
  void field(int depth, std::string_view name, std::string_view value);  // "" shows as <none>
  // "Labels:\ta=b\n\tc=d", sorted.
  void map(int depth, std::string_view name, const api::JsonObject& values);
  void lines(int depth, std::string_view name, const std::vector<std::string>& values);
  void head(const api::Json& object, bool namespaced);  // Name, Namespace, Labels, Annotations
  void conditions(const api::Json& object, bool with_reason);
  void events(const api::Json& list);
  void pod_template(const api::Json& pod_template);  // "Pod Template:" of a workload
  void containers(std::string_view title, const api::JsonArray& containers, const api::JsonArray& statuses,
                  int depth);
  void volumes(const api::JsonArray& volumes, int depth);

  std::string age(std::string_view time) const;
  std::string take() { return std::move(text_); }

 private:
  void container(const api::Json& container, const api::Json& status, int depth);
  void state(int depth, std::string_view name, const api::Json& state);
  void environment(const api::JsonArray& variables, int depth);
  std::string text_;
  std::int64_t now_;
};

void describe_pod(Page& page, const api::Json& pod);
void describe_workload(Page& page, const api::Json& workload, const api::Json& related);
void describe_service(Page& page, const api::Json& service, const api::Json& slices);
void describe_node(Page& page, const api::Json& node, const api::Json& pods);
void describe_config(Page& page, const api::Json& object);  // ConfigMap and Secret
void describe_namespace(Page& page, const api::Json& object);
void describe_generic(Page& page, const api::Json& object);
// "Tue, 03 Feb 2026 10:00:00 +0000"
std::string long_time(std::string_view rfc3339);

}  // namespace mk::kubectl
