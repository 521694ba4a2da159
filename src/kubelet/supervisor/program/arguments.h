#pragma once

#include "state.h"

// The supervisor's command line, as the agent writes it (image.cc): the order does not matter, unknown words do.
namespace mk::supervisor {
namespace {

const char* value_of(const char* argument, const char* name) {
  const size_t length = strlen(name);
  return strncmp(argument, name, length) == 0 ? argument + length : nullptr;
}

bool parse(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const char* value = nullptr;
    if ((value = value_of(argv[i], "--folder=")))
      options.folder = value;
    else if ((value = value_of(argv[i], "--runc=")))
      options.runc = value;
    else if ((value = value_of(argv[i], "--root=")))
      options.root = value;
    else if ((value = value_of(argv[i], "--hostname=")))
      options.hostname = value;
    else if ((value = value_of(argv[i], "--log-size=")))
      options.log_size = atoll(value);
    else if ((value = value_of(argv[i], "--log-files=")))
      options.log_files = atoi(value);
    else if ((value = value_of(argv[i], "--sysctl=")) && options.sysctl_count < 64)
      options.sysctls[options.sysctl_count++] = value;
    else if (strcmp(argv[i], "--net") == 0)
      options.net = true;
    else if (strcmp(argv[i], "--ipc") == 0)
      options.ipc = true;
    else if (strcmp(argv[i], "--uts") == 0)
      options.uts = true;
    else if (strcmp(argv[i], "--pid") == 0)
      options.pid = true;
    else
      return false;
  }
  return options.folder != nullptr && options.root != nullptr;
}

}  // namespace
}  // namespace mk::supervisor
