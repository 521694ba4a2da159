#include "registry/strategy.h"

namespace mk::apiserver {

StrategySet::StrategySet(Environment environment) {}

}  // namespace mk::apiserver
