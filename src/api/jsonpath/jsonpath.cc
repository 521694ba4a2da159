#include "mk/api/jsonpath.h"

#include <fmt/format.h>

#include "jsonpath/node.h"

namespace mk::api {

using Kind = PathStep::Kind;

namespace {

Error failed(std::string message) {
  return Error(Reason::kBadRequest, std::move(message));
}

void add_children(const Json& value, PathValues& out) {
  if (const auto* array = value.if_array()) {
    for (const auto& item : *array) out.push_back(&item);
  } else if (const auto* object = value.if_object()) {
    for (const auto& field : *object) out.push_back(&field.value());
  }
}

void add_descendants(const Json& value, PathValues& out) {
  out.push_back(&value);
  PathValues children;
  add_children(value, children);
  for (const Json* child : children) {
    if (child->is_object() || child->is_array()) add_descendants(*child, out);
  }
}

Result<void> add_elements(const Json& value, const PathStep& step, PathValues& out) {
  const auto* array = value.if_array();
  if (array == nullptr) {
    if (value.is_null()) return ok();
    return failed(fmt::format("{} is not array or slice", plain_text(value)));
  }
  const auto size = static_cast<std::int64_t>(array->size());
  const auto place = [&](std::int64_t index) { return index < 0 ? index + size : index; };
  if (step.kind == Kind::kIndex) {
    const auto index = place(*step.first);
    if (index < 0 || index >= size)
      return failed(fmt::format("array index out of bounds: index {}, length {}", *step.first, size));
    out.push_back(&(*array)[static_cast<std::size_t>(index)]);
    return ok();
  }
  const auto first = std::max<std::int64_t>(0, place(step.first.value_or(0)));
  const auto last = std::min(size, place(step.last.value_or(size)));
  const auto stride = step.stride.value_or(1);
  if (stride <= 0) return failed("step must be > 0");
  for (auto i = first; i < last; i += stride) out.push_back(&(*array)[static_cast<std::size_t>(i)]);
  return ok();
}

int compare_values(const Json& left, const Json& right, bool& comparable) {
  comparable = true;
  if (left.is_number() && right.is_number()) {
    const double a = left.to_number<double>(), b = right.to_number<double>();
    return a < b ? -1 : a > b ? 1 : 0;
  }
  if (left.is_string() && right.is_string()) return left.get_string().compare(right.get_string());
  comparable = left.kind() == right.kind();
  return left == right ? 0 : 1;
}

Result<PathValues> operand_values(const Json& candidate, const PathStep::Operand& operand) {
  if (operand.literal) return PathValues{&*operand.literal};
  return walk({&candidate}, operand.path);
}

Result<bool> passes(const Json& candidate, const PathStep& filter) {
  MK_ASSIGN(const PathValues left, operand_values(candidate, filter.operands[0]));
  if (left.empty()) return false;
  if (filter.compare == "exists") return true;
  MK_ASSIGN(const PathValues right, operand_values(candidate, filter.operands[1]));
  if (right.empty()) return false;
  bool comparable = false;
  const int order = compare_values(*left[0], *right[0], comparable);
  if (filter.compare == "==") return comparable && order == 0;
  if (filter.compare == "!=") return !comparable || order != 0;
  if (!comparable) return false;
  if (filter.compare == "<") return order < 0;
  if (filter.compare == "<=") return order <= 0;
  return filter.compare == ">" ? order > 0 : order >= 0;
}

Result<void> take_step(const Json& value, const PathStep& step, PathValues& out);

Result<void> add_filtered(const Json& value, const PathStep& step, PathValues& out) {
  PathValues candidates;
  add_children(value, candidates);
  for (const Json* candidate : candidates) {
    MK_ASSIGN(const bool chosen, passes(*candidate, step));
    if (chosen) out.push_back(candidate);
  }
  return ok();
}

Result<void> take_step(const Json& value, const PathStep& step, PathValues& out) {
  switch (step.kind) {
    case Kind::kField:
      if (const Json* found = member(value, step.field)) out.push_back(found);
      return ok();
    case Kind::kWildcard:
      add_children(value, out);
      return ok();
    case Kind::kRecursive:
      add_descendants(value, out);
      return ok();
    case Kind::kIndex:
    case Kind::kSlice:
      return add_elements(value, step, out);
    case Kind::kFilter:
      return add_filtered(value, step, out);
    case Kind::kUnion:
      for (const auto& choice : step.choices) MK_TRY(take_step(value, choice, out));
      return ok();
  }
  return ok();
}

Result<void> print_nodes(const std::vector<JsonPath::Node>& nodes, const Json& root, const Json& current,
                         std::string& out) {
  for (const auto& node : nodes) {
    if (node.kind == JsonPath::Node::Kind::kText) {
      out += node.text;
      continue;
    }
    MK_ASSIGN(const PathValues values, walk({node.from_root ? &root : &current}, node.path));
    bool first = true;
    for (const Json* value : values) {
      if (node.kind == JsonPath::Node::Kind::kRange) {
        MK_TRY(print_nodes(node.body, root, *value, out));
        continue;
      }
      if (!first) out += " ";
      first = false;
      out += plain_text(*value);
    }
  }
  return ok();
}

}  // namespace

Result<PathValues> walk(PathValues values, const std::vector<PathStep>& path) {
  bool after_recursion = false;
  for (const auto& step : path) {
    PathValues next;
    for (const Json* value : values) {
      auto done = take_step(*value, step, next);
      // A descent meets values of every shape: those that do not fit are passed over.
      if (!done.ok() && !after_recursion) return std::move(done).error();
    }
    after_recursion = step.kind == Kind::kRecursive;
    values = std::move(next);
  }
  return values;
}

std::string plain_text(const Json& value) {
  if (const auto* characters = value.if_string()) return std::string(characters->data(), characters->size());
  return value.is_null() ? "<nil>" : to_json(value);
}

Result<JsonPath> JsonPath::parse(std::string_view source) {
  auto nodes = parse_template(source);
  if (!nodes)
    return Error(Reason::kBadRequest,
                 fmt::format("error parsing jsonpath {}, {}", source, nodes.error().message()));
  JsonPath out;
  out.nodes_ = std::make_shared<const std::vector<Node>>(std::move(*nodes));
  return out;
}

Result<JsonPath> JsonPath::parse_relaxed(std::string_view source) {
  if (!source.empty() && source.front() == '{' && source.back() == '}') return parse(source);
  std::string expression(source);
  if (!expression.empty() && expression[0] != '.' && expression[0] != '[' && expression[0] != '$')
    expression.insert(0, ".");
  return parse("{" + expression + "}");
}

Result<std::string> JsonPath::print(const Json& root) const {
  std::string out;
  MK_TRY(print_nodes(*nodes_, root, root, out));
  return out;
}

Result<std::vector<const Json*>> JsonPath::find(const Json& root) const {
  std::vector<const Json*> out;
  for (const auto& node : *nodes_) {
    if (node.kind != Node::Kind::kPath) continue;
    MK_ASSIGN(const PathValues values, walk({&root}, node.path));
    out.insert(out.end(), values.begin(), values.end());
  }
  return out;
}

}  // namespace mk::api
