#pragma once

// libraft's header, as C++ can read it: it has no extern "C" of its own and defines types inside the sizeof
// of its static assertions. Its functions and some structs share names: write `struct raft_message`.

#include <cstddef>
#include <cstdint>
#include <cstdio>

#pragma push_macro("__cpp_static_assert")
#pragma push_macro("_Static_assert")
#undef __cpp_static_assert
#define _Static_assert(...)
extern "C" {
#include <raft.h>
}
#pragma pop_macro("_Static_assert")
#pragma pop_macro("__cpp_static_assert")

// Earlier releases commit entries of older terms by counting replicas; later ones own memory differently.
static_assert(RAFT_VERSION_NUMBER == 2201, "mk is written for libraft 0.22.1 and no other");
