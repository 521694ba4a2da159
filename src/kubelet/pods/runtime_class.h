#pragma once

#include <string>

#include "context.h"

namespace mk::kubelet {

// The handler of the pod's RuntimeClass; "" when it names none. kNotFound: there is no such class.
rt::Task<Result<std::string>> runtime_handler(Context& context, api::Object pod);

}  // namespace mk::kubelet
