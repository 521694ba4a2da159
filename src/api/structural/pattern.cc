#include "structural/pattern.h"

#include <re2/re2.h>

namespace mk::api {
namespace {

class Re2Pattern final : public Pattern {
 public:
  Re2Pattern(re2::StringPiece source, const re2::RE2::Options& options) : expression_(source, options) {}

  bool matches(std::string_view text) const override {
    return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), expression_);
  }
  const re2::RE2& expression() const { return expression_; }

 private:
  re2::RE2 expression_;
};

}  // namespace

Result<std::shared_ptr<const Pattern>> Pattern::compile(std::string_view source) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto made = std::make_shared<const Re2Pattern>(re2::StringPiece(source.data(), source.size()), options);
  if (!made->expression().ok()) return Error(Reason::kInvalid, made->expression().error());
  return std::shared_ptr<const Pattern>(std::move(made));
}

}  // namespace mk::api
