# mk_raft: libraft (LGPL-3 with static-linking exception), linked statically. Only its step core is used, so that the
# linker takes neither its libuv back end nor lz4 along. src/quorum/raft/core.h pins the version.
#
# Debian builds it without assertions: a broken invariant corrupts instead of stopping. -DMK_RAFT_SOURCE=DIR, the
# unpacked source package (apt-get source libraft-dev), builds the core from there with them; for tests.

set(MK_RAFT_SOURCE "" CACHE PATH "unpacked source of libraft 0.22.1, built with assertions instead of the package's")

add_library(mk_raft INTERFACE)
if(MK_RAFT_SOURCE)
  set(copy "${CMAKE_BINARY_DIR}/raft-source")  # it includes its generated header by a relative path
  file(COPY "${MK_RAFT_SOURCE}/src" DESTINATION "${copy}")
  set(enable_v0 "")
  configure_file("${MK_RAFT_SOURCE}/include/raft.h.in" "${copy}/include/raft.h" @ONLY)
  file(GLOB core "${copy}/src/*.c")
  list(FILTER core EXCLUDE REGEX "/(uv[_a-z]*|fixture|compress)\\.c$")
  add_library(mk_raft_core STATIC ${core})
  target_include_directories(mk_raft_core SYSTEM PUBLIC "${copy}/include")
  target_compile_options(mk_raft_core PRIVATE -w -UNDEBUG)
  target_link_libraries(mk_raft INTERFACE mk_raft_core)
else()
  find_path(MK_RAFT_INCLUDE raft.h REQUIRED)
  find_library(MK_RAFT_LIBRARY libraft.a REQUIRED)
  target_include_directories(mk_raft SYSTEM INTERFACE ${MK_RAFT_INCLUDE})
  target_link_libraries(mk_raft INTERFACE ${MK_RAFT_LIBRARY})
endif()
