# Compiler flags, sanitizers and the one way to declare a library: a static target per folder of src/.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

option(PHOTOVEC_WERROR "Treat warnings as errors" OFF)
set(PHOTOVEC_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them: address,undefined or thread")

find_program(PHOTOVEC_CCACHE ccache)
if(PHOTOVEC_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # ccache looks into what comes with a precompiled header only when told that those macros and times do not matter.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${PHOTOVEC_CCACHE}")
endif()

add_library(photovec_flags INTERFACE)
target_include_directories(photovec_flags INTERFACE "${CMAKE_SOURCE_DIR}/src")
target_compile_options(photovec_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wconversion -Wsuggest-override
                       -Wno-unknown-pragmas>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12 AND
   CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # At -O3 g++ 12 takes "text" + std::string for a copy onto itself (GCC bug 105651).
  target_compile_options(photovec_flags INTERFACE $<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:CXX>>:-Wno-restrict>)
endif()
target_compile_definitions(photovec_flags INTERFACE PHOTOVEC_VERSION="${PROJECT_VERSION}")
if(PHOTOVEC_WERROR)
  target_compile_options(photovec_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(PHOTOVEC_SANITIZE)
  add_compile_options(-fsanitize=${PHOTOVEC_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${PHOTOVEC_SANITIZE})
  # Instrumented, boost::optional inside Beast looks uninitialised to g++ 12; its manual warns of this with -fsanitize.
  target_compile_options(photovec_flags INTERFACE -Wno-maybe-uninitialized)
  if(PHOTOVEC_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(PHOTOVEC_SANITIZE MATCHES "thread")
    # g++ 12 warns that TSan does not model atomic_thread_fence, which Boost.Asio uses.
    target_compile_options(photovec_flags INTERFACE -Wno-tsan)
  endif()
endif()

# How tests are compiled, which takes longer than running them: without optimisation where nothing is instrumented, and several
# files at a time on top of one precompiled header (g++ only, and only where PHOTOVEC_FAST_TEST_BUILD is on, so that asan builds
# show a missing include).
option(PHOTOVEC_FAST_TEST_BUILD "Compile the unit tests several files at a time, on top of a precompiled GoogleTest" OFF)
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(PHOTOVEC_FAST_TEST_BUILD OFF)
endif()
add_library(photovec_test_flags INTERFACE)
if(NOT PHOTOVEC_SANITIZE)
  target_compile_options(photovec_test_flags INTERFACE -O0)
elseif(PHOTOVEC_SANITIZE MATCHES "thread")
  # Instrumented for threads, text + text looks to g++ 12 like a copy beyond the string's own buffer (kin of GCC bug 105651).
  target_compile_options(photovec_test_flags INTERFACE -Wno-array-bounds -Wno-stringop-overflow)
endif()
if(PHOTOVEC_FAST_TEST_BUILD)
  target_compile_options(photovec_test_flags INTERFACE -fpch-preprocess)  # ccache asks for it
endif()

# photovec_library(NAME [HOT] [PARTS sub ...] DEPS a b ... LIBS third::party ...): every .cc of the current folder, and of the named
# folders below it, becomes the static library photovec_NAME. DEPS are other folders; tests/check_layers holds their includes to
# docs/architecture.md. HOT: what takes the CPU's time is optimised in the dev preset, too, which has -O1 otherwise.
function(photovec_library name)
  cmake_parse_arguments(ARG "HOT" "" "PARTS;DEPS;LIBS;PRIVATE_LIBS" ${ARGN})
  list(TRANSFORM ARG_PARTS APPEND "/*.cc")
  file(GLOB sources CONFIGURE_DEPENDS "*.cc" ${ARG_PARTS})
  add_library(photovec_${name} STATIC ${sources})
  if(ARG_HOT)
    target_compile_options(photovec_${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O2>)
  endif()
  list(TRANSFORM ARG_DEPS PREPEND photovec_)
  target_link_libraries(photovec_${name} PUBLIC photovec_flags ${ARG_DEPS} ${ARG_LIBS} PRIVATE ${ARG_PRIVATE_LIBS})
endfunction()

# photovec_unit_test(FOLDER [PARTS sub ...] DEPS a b ... LIBS ...): tests/unit/FOLDER/*.cc, and those of the named folders below it,
# become FOLDER_test, one ctest per case.
function(photovec_unit_test folder)
  cmake_parse_arguments(ARG "" "" "PARTS;DEPS;LIBS" ${ARGN})
  list(TRANSFORM ARG_PARTS PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/")
  list(TRANSFORM ARG_PARTS APPEND "/*.cc")
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cc" ${ARG_PARTS})
  if(NOT sources)
    return()
  endif()
  string(REPLACE "/" "_" name "${folder}")
  add_executable(${name}_test ${sources})
  list(TRANSFORM ARG_DEPS PREPEND photovec_)
  target_link_libraries(${name}_test PRIVATE photovec_flags photovec_test_flags photovec_testing ${ARG_DEPS} ${ARG_LIBS}
                        GTest::gtest GTest::gmock GTest::gtest_main)
  if(PHOTOVEC_FAST_TEST_BUILD)
    target_precompile_headers(${name}_test REUSE_FROM photovec_test_pch)
    set_target_properties(${name}_test PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  endif()
  target_compile_definitions(${name}_test PRIVATE PHOTOVEC_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
  gtest_discover_tests(${name}_test TEST_PREFIX "${folder}/" DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()
