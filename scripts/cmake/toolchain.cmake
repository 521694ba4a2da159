# Compilers, flags and libraries: everything about the build that is not about the house.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)

# "Dev" is fast to build, with lines in back traces; asserts stay on in every type (MK_ASSERT). FORCE: project()
# has put empty ones into the cache already.
set(CMAKE_CXX_FLAGS_DEV "-O0 -g1" CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_DEV "-O0 -g1" CACHE STRING "" FORCE)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -ffunction-sections -fdata-sections" CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1 -ffunction-sections -fdata-sections" CACHE STRING "" FORCE)
set(MK_RELEASE_LINK "-Wl,--gc-sections")
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # Equal functions once (only where nobody compares their addresses): 4 % of the binary, which is memory too. lld.
  string(APPEND MK_RELEASE_LINK " -Wl,--icf=safe")
endif()
set(CMAKE_EXE_LINKER_FLAGS_RELEASE "${MK_RELEASE_LINK}" CACHE STRING "" FORCE)

option(MK_FUZZ "build the libFuzzer targets (*_fuzz.cc), everything instrumented; clang only" OFF)
if(MK_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "MK_FUZZ needs clang: use a preset with clang, such as asan")
  endif()
  set(MK_SANITIZE "address,undefined" CACHE STRING "sanitizers, as -fsanitize= takes them" FORCE)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

set(MK_SANITIZE "" CACHE STRING "sanitizers, as -fsanitize= takes them")
if(MK_SANITIZE)
  add_compile_options(-fsanitize=${MK_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MK_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang AND MK_SANITIZE MATCHES undefined)
    # clang 14 cannot emit the function sanitizer's prologue for coroutines.
    add_compile_options(-fno-sanitize=function)
  endif()
endif()

find_program(MK_CCACHE ccache)
if(MK_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
      CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${MK_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()

# Two compilations of Beast+SSL at once would need 2 GB; everything else runs freely.
set_property(GLOBAL PROPERTY JOB_POOLS heavy=1)

find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(CURL REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(LibArchive REQUIRED)
find_package(ZLIB REQUIRED)
find_path(MK_NGHTTP2_INCLUDE nghttp2/nghttp2.h REQUIRED)
find_library(MK_NGHTTP2_LIBRARY nghttp2 REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(Catch2 2.13 REQUIRED)

# Interface of everything that comes from Boost: compiled once in third_party/boost_impl.
add_library(mk_flags INTERFACE)
target_compile_definitions(mk_flags INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  BOOST_ASIO_NO_DEPRECATED BOOST_JSON_NO_LIB BOOST_CONTAINER_NO_LIB
  BOOST_ASIO_DISABLE_BOOST_COROUTINE BOOST_ALLOW_DEPRECATED_HEADERS)
target_link_libraries(mk_flags INTERFACE Threads::Threads)

add_library(mk_warnings INTERFACE)
target_compile_options(mk_warnings INTERFACE -Wall -Wextra -Wshadow -Wno-unused-parameter
  $<$<CXX_COMPILER_ID:GNU>:-fcoroutines -Wno-mismatched-new-delete -Wno-maybe-uninitialized -Wno-dangling-pointer>)

add_library(mk_nghttp2 INTERFACE)
target_include_directories(mk_nghttp2 SYSTEM INTERFACE ${MK_NGHTTP2_INCLUDE})
target_link_libraries(mk_nghttp2 INTERFACE ${MK_NGHTTP2_LIBRARY})
