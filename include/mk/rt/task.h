#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>

namespace mk::rt {

// A coroutine of the program. Lazy: runs when awaited or spawned in a Group. Rules (src/rt/README.md):
// parameters by value or shared handles, no capturing lambda coroutines, every lambda and braced value
// named before it is awaited (g++ 12 destroys such temporaries twice).
template <class T = void>
using Task = boost::asio::awaitable<T>;

using Executor = boost::asio::any_io_executor;
using Duration = std::chrono::nanoseconds;
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// The executor of the running task.
Task<Executor> this_executor();

// Lets every other ready task run once; long loops over objects do this about each millisecond.
Task<> yield();

// Waits for whichever ends first, cancels the other and waits for it too. Returns 0 or 1.
Task<std::size_t> race(Task<> first, Task<> second);

// Ends the running task as if it had been cancelled from outside.
[[noreturn]] void throw_cancelled();

}  // namespace mk::rt
