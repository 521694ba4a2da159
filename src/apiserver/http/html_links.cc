#include "http/html_links.h"

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::apiserver {

namespace {

constexpr std::string_view kSpace = " \t\r\n\f";

// Attributes that hold a URL, whatever the element (HTML standard, index of attributes).
bool holds_link(std::string_view name) {
  static constexpr std::string_view kNames[] = {"href",   "src",      "action",  "formaction", "cite",
                                                "data",   "poster",   "icon",    "background", "longdesc",
                                                "usemap", "codebase", "profile", "manifest",   "classid"};
  return std::find(std::begin(kNames), std::end(kNames), to_lower(name)) != std::end(kNames);
}

class Mover {
 public:
  Mover(std::string_view page, std::string_view prefix) : page_(page), prefix_(prefix) {}

  std::string run() {
    while (at_ < page_.size()) {
      copy_until(page_.find('<', at_));
      if (at_ >= page_.size()) break;
      if (page_.substr(at_).starts_with("<!--"))
        copy_past("-->");
      else
        tag();
    }
    return std::move(out_);
  }

 private:
  void copy_until(std::size_t end) {
    end = std::min(end, page_.size());
    out_.append(page_.substr(at_, end - at_));
    at_ = end;
  }
  void copy_past(std::string_view mark) {
    const auto found = page_.find(mark, at_);
    copy_until(found == std::string_view::npos ? found : found + mark.size());
  }
  bool at_end_of_tag() const { return at_ >= page_.size() || page_[at_] == '>'; }

  void tag() {
    const auto name_end = page_.find_first_of(" \t\r\n\f>/", at_ + 1);
    const std::string name = to_lower(page_.substr(at_ + 1, std::min(name_end, page_.size()) - at_ - 1));
    copy_until(name_end);
    while (!at_end_of_tag()) attribute();
    // Its text is no HTML.
    if (name == "script" || name == "style") {
      auto end = page_.find("</", at_);
      while (end != std::string_view::npos && to_lower(page_.substr(end + 2, name.size())) != name)
        end = page_.find("</", end + 2);
      copy_until(end);
    }
  }

  void attribute() {
    copy_until(page_.find_first_not_of(" \t\r\n\f/", at_));
    if (at_end_of_tag()) return;
    const auto name_end = std::min(page_.find_first_of(" \t\r\n\f=>/", at_ + 1), page_.size());
    const auto name = page_.substr(at_, name_end - at_);
    copy_until(name_end);
    const auto equals = page_.find_first_not_of(kSpace, at_);
    if (equals == std::string_view::npos || page_[equals] != '=') return;
    copy_until(page_.find_first_not_of(kSpace, equals + 1));
    if (at_end_of_tag()) return;
    const char quote = page_[at_];
    const bool quoted = quote == '"' || quote == '\'';
    if (quoted) copy_until(at_ + 1);
    const auto end =
        std::min(quoted ? page_.find(quote, at_) : page_.find_first_of(" \t\r\n\f>", at_), page_.size());
    const auto value = page_.substr(at_, end - at_);
    out_.append(holds_link(name) ? moved_link(value, prefix_) : std::string(value));
    at_ = end;
    if (quoted) copy_until(at_ + 1);
  }

  std::string_view page_, prefix_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string moved_link(std::string_view link, std::string_view prefix) {
  if (!link.starts_with("/") || link.starts_with("//") || link.starts_with(prefix)) return std::string(link);
  return std::string(prefix) + std::string(link);
}

std::string move_links(std::string_view page, std::string_view prefix) {
  return Mover(page, prefix).run();
}

}  // namespace mk::apiserver
