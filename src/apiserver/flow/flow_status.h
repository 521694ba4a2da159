#pragma once

#include "flow/fairness.h"
#include "mk/client/client.h"

namespace mk::apiserver {

// Keeps the condition Dangling of every FlowSchema: does its priority level exist? Level-triggered; ends when
// cancelled.
rt::Task<> keep_flow_status(Fairness& fairness, Cacher& cacher, client::Client& client, rt::Clock& clock);

// The condition as it should be; nullopt when the schema has it already.
std::optional<api::Json> dangling_condition(const api::Object& schema, bool has_level,
                                            const std::string& now);

}  // namespace mk::apiserver
