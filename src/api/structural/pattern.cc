#include "structural/pattern.h"

#include <boost/regex.hpp>

namespace mk::api {
namespace {

class BoostPattern final : public Pattern {
 public:
  explicit BoostPattern(boost::regex expression) : expression_(std::move(expression)) {}

  bool matches(std::string_view text) const override {
    try {
      return boost::regex_search(text.begin(), text.end(), expression_);
    } catch (const std::runtime_error&) {
      return false;  // the library gives up on expressions that explode
    }
  }

 private:
  boost::regex expression_;
};

}  // namespace

Result<std::shared_ptr<const Pattern>> Pattern::compile(std::string_view source) {
  try {
    // Go's "$" is the very end of the text, and "." no line break.
    boost::regex expression(source.begin(), source.end(),
                            boost::regex::perl | boost::regex::no_mod_m | boost::regex::no_mod_s);
    return std::shared_ptr<const Pattern>(std::make_shared<BoostPattern>(std::move(expression)));
  } catch (const boost::regex_error& error) {
    return Error(Reason::kInvalid, error.what());
  }
}

}  // namespace mk::api
