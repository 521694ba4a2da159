#include <fmt/format.h>

#include <algorithm>

#include "mk/api/patch.h"
#include "mk/base/strings.h"

namespace mk::api {
namespace {

constexpr std::size_t kOperationsMax = 10'000;
// "copy" can double a document with each operation; what all copies of one patch together may add.
constexpr std::size_t kCopiedBytesMax = 3 * 1024 * 1024;
// As deep as a document may be that is parsed: operations could nest what they add without end, and readers
// recurse.
constexpr std::size_t kDepthMax = 1000;

Error invalid_patch(std::string text) {
  return Error(Reason::kInvalid, std::move(text));
}

// RFC 6901: "/a/b~1c" to its keys.
Result<std::vector<std::string>> parse_pointer(std::string_view text) {
  std::vector<std::string> keys;
  if (text.empty()) return keys;
  if (text[0] != '/') return invalid_patch(fmt::format("JSON pointer \"{}\" must start with \"/\"", text));
  for (const auto part : split(text.substr(1), '/')) {
    keys.push_back(replace_all(replace_all(std::string(part), "~1", "/"), "~0", "~"));
  }
  return keys;
}

std::optional<std::size_t> element_index(std::string_view key, std::size_t size) {
  const auto number = parse_int(key);
  if (!number || *number < 0 || (key.size() > 1 && key[0] == '0')) return std::nullopt;
  if (static_cast<std::size_t>(*number) >= size) return std::nullopt;
  return static_cast<std::size_t>(*number);
}

std::size_t depth_of(const Json& value) {
  std::size_t out = 0;
  if (const auto* fields = value.if_object()) {
    for (const auto& field : *fields) out = std::max(out, 1 + depth_of(field.value()));
  } else if (const auto* elements = value.if_array()) {
    for (const auto& element : *elements) out = std::max(out, 1 + depth_of(element));
  }
  return out;
}

Json* step(Json& at, std::string_view key) {
  if (auto* fields = at.if_object()) return fields->if_contains(key);
  if (auto* elements = at.if_array()) {
    const auto index = element_index(key, elements->size());
    return index ? &(*elements)[*index] : nullptr;
  }
  return nullptr;
}

Json* walk(Json& root, const std::vector<std::string>& keys, std::size_t count) {
  Json* at = &root;
  for (std::size_t i = 0; at && i < count; ++i) at = step(*at, keys[i]);
  return at;
}

class JsonPatch {
 public:
  explicit JsonPatch(Json& document) : document_(document) {}

  Result<void> apply(const Json& operation) {
    if (!operation.is_object()) return invalid_patch("each operation of a JSON patch must be an object");
    const auto op = str(operation, "op");
    const auto* fields = operation.if_object();
    if (!fields->if_contains("path") || !fields->at("path").is_string()) {
      return invalid_patch(fmt::format("JSON patch operation \"{}\" has no \"path\"", op));
    }
    const auto path = str(operation, "path");
    const auto* value = fields->if_contains("value");
    if ((op == "add" || op == "replace" || op == "test") && !value) {
      return invalid_patch(fmt::format("{} operation for path \"{}\" has no \"value\"", op, path));
    }
    if (op == "add") return add(path, *value);
    if (op == "replace") return replace(path, *value);
    if (op == "test") return test(path, *value);
    if (op == "remove") return remove(path);
    if (op == "move") return move(str(operation, "from"), path);
    if (op == "copy") return copy(str(operation, "from"), path);
    return invalid_patch(fmt::format("unexpected JSON patch operation \"{}\"", op));
  }

 private:
  static Error missing(std::string_view op, std::string_view path) {
    return invalid_patch(
        fmt::format("{} operation does not apply: doc is missing path: \"{}\": missing value", op, path));
  }

  Result<void> add(std::string_view path, Json value) {
    MK_ASSIGN(const auto keys, parse_pointer(path));
    if (keys.empty()) {
      document_ = std::move(value);
      return ok();
    }
    if (keys.size() + depth_of(value) > kDepthMax)
      return invalid_patch(fmt::format("add operation nests deeper than {} levels", kDepthMax));
    auto* parent = walk(document_, keys, keys.size() - 1);
    if (!parent) return missing("add", path);
    if (auto* fields = parent->if_object()) {
      (*fields)[keys.back()] = std::move(value);
      return ok();
    }
    auto* elements = parent->if_array();
    if (!elements) return missing("add", path);
    const auto index =
        keys.back() == "-" ? elements->size() : element_index(keys.back(), elements->size() + 1);
    if (!index)
      return invalid_patch(fmt::format("add operation does not apply: \"{}\": invalid array index", path));
    elements->insert(elements->begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
    return ok();
  }

  Result<void> replace(std::string_view path, const Json& value) {
    MK_ASSIGN(const auto keys, parse_pointer(path));
    auto* target = walk(document_, keys, keys.size());
    if (!target) return missing("replace", path);
    if (keys.size() + depth_of(value) > kDepthMax)
      return invalid_patch(fmt::format("replace operation nests deeper than {} levels", kDepthMax));
    *target = value;
    return ok();
  }

  Result<void> remove(std::string_view path) {
    MK_ASSIGN(const auto keys, parse_pointer(path));
    if (keys.empty())
      return invalid_patch("remove operation does not apply: the whole document cannot be removed");
    auto* parent = walk(document_, keys, keys.size() - 1);
    if (!parent || !step(*parent, keys.back())) return missing("remove", path);
    if (auto* fields = parent->if_object()) {
      fields->stable_erase(fields->find(keys.back()));
    } else {
      auto& elements = parent->get_array();
      elements.erase(elements.begin() +
                     static_cast<std::ptrdiff_t>(*element_index(keys.back(), elements.size())));
    }
    return ok();
  }

  // A missing value tests equal to null, as Kubernetes' library has it.
  Result<void> test(std::string_view path, const Json& value) {
    MK_ASSIGN(const auto keys, parse_pointer(path));
    const auto* target = walk(document_, keys, keys.size());
    if (!target && value.is_null()) return ok();
    if (!target) return missing("test", path);
    if (*target == value) return ok();
    return invalid_patch(fmt::format("testing value {} failed: test failed", path));
  }

  Result<void> move(std::string_view from, std::string_view path) {
    if (from == path) return ok();
    if (path.starts_with(std::string(from) + "/")) {
      return invalid_patch(fmt::format("move operation does not apply: \"{}\" is inside \"{}\"", path, from));
    }
    MK_ASSIGN(const auto keys, parse_pointer(from));
    auto* source = walk(document_, keys, keys.size());
    if (!source) return missing("move", from);
    Json value = std::move(*source);  // a copy would cost the size of the document, thousands of times
    MK_TRY(remove(from));
    return add(path, std::move(value));
  }

  Result<void> copy(std::string_view from, std::string_view path) {
    MK_ASSIGN(const auto keys, parse_pointer(from));
    const auto* source = walk(document_, keys, keys.size());
    if (!source) return missing("copy", from);
    copied_bytes_ += to_json(*source).size();
    if (copied_bytes_ > kCopiedBytesMax) {
      return Error(Reason::kRequestEntityTooLarge,
                   fmt::format("the patch's copy operations add more than {} bytes", kCopiedBytesMax));
    }
    return add(path, *source);
  }

  Json& document_;
  std::size_t copied_bytes_ = 0;
};

}  // namespace

Result<Json> apply_json_patch(const Json& document, const Json& patch) {
  const auto* operations = patch.if_array();
  if (!operations) return Error(Reason::kBadRequest, "a JSON patch must be a JSON array of operations");
  if (operations->size() > kOperationsMax) {
    return Error(Reason::kRequestEntityTooLarge,
                 fmt::format("The allowed maximum operations in a JSON patch is {}, got {}", kOperationsMax,
                             operations->size()));
  }
  Json result = document;
  JsonPatch engine(result);
  for (const auto& operation : *operations) MK_TRY(engine.apply(operation));
  return result;
}

}  // namespace mk::api
