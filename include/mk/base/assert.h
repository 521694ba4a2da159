#pragma once

namespace mk::detail {
[[noreturn]] void assert_failed(const char* condition, const char* file, int line);
}

// An invariant of ours, never a check of input. Stays on in production: a process that no longer believes
// itself stops, and crash-only recovery takes over. An expression, so that it can stand in a comma.
#define MK_ASSERT(condition) \
  ((condition) ? (void)0 : ::mk::detail::assert_failed(#condition, __FILE__, __LINE__))
