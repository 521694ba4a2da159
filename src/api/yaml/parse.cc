#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <sstream>

#include "mk/api/schema.h"
#include "yaml/scalar.h"

namespace mk::api {
namespace {

// What aliases may copy in one document, and how deep a document may nest: a short text must not become a
// large object.
constexpr std::size_t kAliasNodesMax = 100'000;
constexpr std::size_t kDepthMax = 400;

// Thrown through the parser's callbacks and caught in this file: the library has no other way to stop.
struct Refused {
  int line;
  std::string what;
};

std::size_t count_nodes(const Json& value) {
  std::size_t count = 1;
  if (const auto* fields = value.if_object()) {
    for (const auto& field : *fields) count += count_nodes(field.value());
  } else if (const auto* elements = value.if_array()) {
    for (const auto& element : *elements) count += count_nodes(element);
  }
  return count;
}

Json tagged_scalar(const std::string& tag, const std::string& text) {
  if (tag == "?" || tag.empty()) return resolve_plain(text);
  const auto colon = tag.rfind(':');
  const auto kind = colon == std::string::npos ? std::string_view() : std::string_view(tag).substr(colon + 1);
  if (kind == "int" || kind == "float" || kind == "bool" || kind == "null") return resolve_plain(text);
  return Json(text);  // "!" (quoted), !!str, !!binary, !!timestamp
}

// Builds one document's Json from parser events.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(FieldProblems& repeated, int start = -1) : repeated_(repeated), start_(start) {}

  // Empties the builder for the next document.
  Json take() {
    anchors_.clear();
    alias_nodes_ = 0;
    return std::exchange(root_, Json());
  }

  // The library leaves a stray "," or "]" where it is and would make documents of it forever.
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (mark.pos <= start_) throw Refused{mark.line, "did not find expected node content"};
    start_ = mark.pos;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { put(mark.line, Json(), anchor); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    const bool merge_key = tag == "?" && text == "<<" && expects_key();
    if (merge_key) {
      open_.back().merging = open_.back().has_key = true;
      return;
    }
    put(mark.line, tagged_scalar(tag, text), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refused{mark.line, "an alias inside its own anchor"};
    alias_nodes_ += found->second.nodes;
    if (alias_nodes_ > kAliasNodesMax) throw Refused{mark.line, "document contains excessive aliasing"};
    put(mark.line, found->second.value, YAML::NullAnchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    push(mark, Json(JsonArray()), anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    push(mark, Json(JsonObject()), anchor);
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapEnd() override { pop(); }

 private:
  struct Open {
    Json value;
    YAML::anchor_t anchor;
    int line;
    std::string key = {};
    bool has_key = false;    // a map's next node is a value
    bool merging = false;    // ... of the key "<<"
    JsonObject merged = {};  // what "<<" brought; keys of the map itself win, wherever they stand
  };
  struct Anchored {
    Json value;
    std::size_t nodes;
  };

  bool expects_key() const {
    return !open_.empty() && open_.back().value.is_object() && !open_.back().has_key;
  }

  void push(const YAML::Mark& mark, Json value, YAML::anchor_t anchor) {
    if (open_.size() >= kDepthMax)
      throw Refused{mark.line, fmt::format("nested deeper than {} levels", kDepthMax)};
    if (expects_key()) throw Refused{mark.line, "a map key must be a scalar"};
    open_.push_back(Open{std::move(value), anchor, mark.line});
  }

  void pop() {
    auto done = std::move(open_.back());
    open_.pop_back();
    if (auto* fields = done.value.if_object()) {
      for (auto& field : done.merged) fields->emplace(field.key(), std::move(field.value()));
    }
    put(done.line, std::move(done.value), done.anchor);
  }

  void put(int line, Json value, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = {value, count_nodes(value)};
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    auto& parent = open_.back();
    if (auto* elements = parent.value.if_array()) {
      elements->push_back(std::move(value));
    } else if (!parent.has_key) {
      parent.key = key_text(line, value);
      parent.has_key = true;
      if (parent.value.get_object().contains(parent.key))
        repeated_.push_back(
            fmt::format("line {}: key {} already set in map", line + 1, to_json(text(parent.key))));
    } else {
      parent.has_key = false;
      if (std::exchange(parent.merging, false)) {
        merge(line, parent, value);
      } else {
        parent.value.get_object()[parent.key] = std::move(value);
      }
    }
  }

  static std::string key_text(int line, const Json& key) {
    if (const auto* text = key.if_string()) return std::string(*text);
    if (key.is_object() || key.is_array()) throw Refused{line, "a map key must be a scalar"};
    return to_json(key);
  }

  static void merge(int line, Open& parent, const Json& value) {
    const auto take = [&](const Json& from) {
      const auto* fields = from.if_object();
      if (!fields) throw Refused{line, "map merge requires map or sequence of maps as the value"};
      for (const auto& field : *fields) parent.merged.emplace(field.key(), field.value());
    };
    if (const auto* elements = value.if_array()) {
      for (const auto& element : *elements) take(element);
    } else {
      take(value);
    }
  }

  FieldProblems& repeated_;
  int start_;  // of the document; the next one starts behind it
  Json root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t alias_nodes_ = 0;
};

Error yaml_error(int line, std::string_view what) {
  return Error(Reason::kBadRequest, fmt::format("yaml: line {}: {}", line + 1, what));
}

Result<std::vector<Json>> read_documents(std::string_view text, FieldProblems& repeated) {
  std::vector<Json> documents;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    for (Builder builder(repeated); parser.HandleNextDocument(builder);) documents.push_back(builder.take());
  } catch (const YAML::Exception& error) {
    return yaml_error(error.mark.line, error.msg);
  } catch (const Refused& refused) {
    return yaml_error(refused.line, refused.what);
  }
  std::erase_if(documents, [](const Json& document) { return document.is_null(); });
  return documents;
}

}  // namespace

Result<std::vector<Json>> parse_yaml_documents(std::string_view text) {
  FieldProblems repeated;
  return read_documents(text, repeated);
}

Result<Json> parse_yaml(std::string_view text) {
  FieldProblems repeated;
  return parse_yaml(text, repeated);
}

Result<Json> parse_yaml(std::string_view text, FieldProblems& repeated) {
  MK_ASSIGN(auto documents, read_documents(text, repeated));
  if (documents.empty()) return Json();
  if (documents.size() > 1) return Error(Reason::kBadRequest, "yaml: expected one document, found several");
  return std::move(documents.front());
}

}  // namespace mk::api
