#pragma once

#include <cstdint>
#include <string_view>

// MK_FUZZ_TARGET(name, input) { ... } is one function over any bytes, `input`. Built with -DMK_FUZZ=ON it is
// the program <name>_fuzz of libFuzzer; in its room's unit tests it runs over every file of
// test/fuzz/corpus/<name>.
namespace mk::fuzz {

// Runs `decoder` over the corpus `name`, each file whole and cut off at several places.
void replay(const char* name, void (*decoder)(std::string_view));

}  // namespace mk::fuzz

#ifdef MK_LIBFUZZER
#define MK_FUZZ_TARGET(name, input)                                                   \
  static void fuzz_##name(std::string_view input);                                    \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    fuzz_##name(std::string_view(reinterpret_cast<const char*>(data), size));         \
    return 0;                                                                         \
  }                                                                                   \
  static void fuzz_##name(std::string_view input)
#else
#include <catch2/catch.hpp>
#define MK_FUZZ_TARGET(name, input)                                          \
  static void fuzz_##name(std::string_view input);                           \
  TEST_CASE("the corpus of fuzz target " #name " is survived", "[corpus]") { \
    mk::fuzz::replay(#name, fuzz_##name);                                    \
  }                                                                          \
  static void fuzz_##name(std::string_view input)
#endif
