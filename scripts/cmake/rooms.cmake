# mk_room(<name> FLOOR <n> USES <rooms...> [LINK <external libraries...>])
#
# A room is one static library, one namespace mk::<name>, its doors in include/mk/<name>/ and its insides in
# src/<name>/. What this function enforces, so that the floors of the house cannot rot:
#   - a room gets the doors of the rooms it USES on its include path and nobody else's (a private include
#     root per room): a wrong include is "file not found";
#   - USES must name rooms of strictly lower floors, so there are no cycles and wings never meet;
#   - <room>_linktest links the whole archive against the declared rooms alone: a smuggled forward
#     declaration is "undefined reference".
# *_test.cc beside the code become <room>_test. *_main.cc are programs and belong to their own CMakeLists.
# *_fuzz.cc (test/fuzz/target.h) are part of <room>_test, where they run over their corpus; with -DMK_FUZZ=ON (clang)
# each is a libFuzzer program of the same name too, in target `fuzzers`.

set(MK_ROOTS "${CMAKE_BINARY_DIR}/doors")

function(mk_room name)
  cmake_parse_arguments(ROOM "" "FLOOR" "USES;LINK" ${ARGN})
  set(target mk_${name})
  set(dir ${CMAKE_CURRENT_SOURCE_DIR})

  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${dir}/*.cc" "${dir}/*.S")
  file(GLOB_RECURSE doors CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/include/mk/${name}/*.h")
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "(_test|_fuzz)\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|_main|_fuzz)\\.cc$")

  if(NOT sources)  # a room whose doors stand before its insides
    set(sources "${CMAKE_BINARY_DIR}/linktest/empty_room.cc")
    file(WRITE ${sources} "")
  endif()
  add_library(${target} STATIC ${sources} ${doors})
  set_target_properties(${target} PROPERTIES MK_FLOOR ${ROOM_FLOOR} LINKER_LANGUAGE CXX)
  file(MAKE_DIRECTORY "${MK_ROOTS}/${name}/mk")
  if(NOT EXISTS "${MK_ROOTS}/${name}/mk/${name}")
    file(CREATE_LINK "${CMAKE_SOURCE_DIR}/include/mk/${name}" "${MK_ROOTS}/${name}/mk/${name}" SYMBOLIC)
  endif()
  target_include_directories(${target} PUBLIC "${MK_ROOTS}/${name}" PRIVATE "${dir}")
  target_link_libraries(${target} PUBLIC mk_flags PRIVATE mk_warnings)
  target_link_libraries(${target} PUBLIC mk_boost_impl ${ROOM_LINK})

  foreach(use ${ROOM_USES})
    get_target_property(floor mk_${use} MK_FLOOR)
    if(NOT floor LESS ROOM_FLOOR)
      message(FATAL_ERROR "${name} (floor ${ROOM_FLOOR}) may not use ${use} (floor ${floor})")
    endif()
    target_link_libraries(${target} PUBLIC mk_${use})
  endforeach()

  target_precompile_headers(${target} REUSE_FROM mk_pch)
  mk_link_test(${name})
  if(tests)
    mk_room_tests(${name} ${tests})
  endif()
  if(MK_FUZZ)
    mk_room_fuzzers(${name} ${dir})
  endif()
endfunction()

function(mk_link_test name)
  file(WRITE "${CMAKE_BINARY_DIR}/linktest/${name}.cc" "int main() { return 0; }\n")
  add_executable(${name}_linktest EXCLUDE_FROM_ALL "${CMAKE_BINARY_DIR}/linktest/${name}.cc")
  target_link_libraries(${name}_linktest PRIVATE
    -Wl,--whole-archive mk_${name} -Wl,--no-whole-archive)
  if(NOT TARGET linktests)
    add_custom_target(linktests)
  endif()
  add_dependencies(linktests ${name}_linktest)
endfunction()

function(mk_room_tests name)
  add_executable(${name}_test ${ARGN})
  target_include_directories(${name}_test PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  target_link_libraries(${name}_test PRIVATE mk_${name} mk_warnings mk_catch_main)
  target_precompile_headers(${name}_test REUSE_FROM mk_pch)
  add_test(NAME ${name} COMMAND ${name}_test)
  if(NOT TARGET unit_tests)
    add_custom_target(unit_tests)
  endif()
  add_dependencies(unit_tests ${name}_test)
endfunction()

function(mk_room_fuzzers name dir)
  file(GLOB_RECURSE fuzzers CONFIGURE_DEPENDS "${dir}/*_fuzz.cc")
  foreach(source ${fuzzers})
    get_filename_component(program ${source} NAME_WE)
    add_executable(${program} EXCLUDE_FROM_ALL ${source})
    target_include_directories(${program} PRIVATE "${dir}")
    target_link_libraries(${program} PRIVATE mk_${name} mk_warnings)
    target_include_directories(${program} PRIVATE "${CMAKE_SOURCE_DIR}/test")
    target_compile_definitions(${program} PRIVATE MK_LIBFUZZER)
    target_link_options(${program} PRIVATE -fsanitize=fuzzer)
    if(NOT TARGET fuzzers)
      add_custom_target(fuzzers)
    endif()
    add_dependencies(fuzzers ${program})
  endforeach()
endfunction()
