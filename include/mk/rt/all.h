#pragma once

#include <vector>

#include "mk/rt/task.h"

namespace mk::rt {

// Runs the tasks side by side and waits for all of them; being cancelled cancels them. What the first of
// those that failed threw is thrown again, once all have ended.
Task<> all(std::vector<Task<>> tasks);

}  // namespace mk::rt
