# One function per kind of target, so that a folder's CMakeLists.txt is a list of its files.
include(GoogleTest)

# bakusoku_library(NAME SOURCES a.cpp ... LINKS target ...): the static library of one folder.
function(bakusoku_library NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${NAME} STATIC ${ARG_SOURCES})
  set_property(GLOBAL APPEND PROPERTY BAKUSOKU_TARGETS ${NAME})
  target_include_directories(${NAME} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
  target_link_libraries(${NAME} PUBLIC ${ARG_LINKS} bakusoku_sanitizers PRIVATE bakusoku_options)
endfunction()

# bakusoku_program(NAME SOURCES ... LINKS ...): an executable in bin/.
function(bakusoku_program NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  set_property(GLOBAL APPEND PROPERTY BAKUSOKU_TARGETS ${NAME})
  if(BAKUSOKU_TESTS_ONCE AND BAKUSOKU_SANITIZE_ADDRESS)
    set_target_properties(${NAME} PROPERTIES EXCLUDE_FROM_ALL ON)  # but for those that a unit test depends on
  endif()
  target_link_libraries(${NAME} PRIVATE ${ARG_LINKS} bakusoku_sanitizers bakusoku_options)
endfunction()

# bakusoku_test(NAME SOURCES a_test.cpp ... LINKS ...): a GoogleTest program; each test is a ctest test "NAME.Suite.Test".
function(bakusoku_test NAME)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINKS" ${ARGN})
  if(BAKUSOKU_FUZZ)
    return()
  endif()
  if(BAKUSOKU_TESTS_ONCE)
    if(NAME MATCHES "^(zbxmod|module)_" AND BAKUSOKU_SANITIZE_ADDRESS)
      return()
    elseif(NOT NAME MATCHES "^(zbxmod|module)_" AND NOT BAKUSOKU_SANITIZE_ADDRESS)
      return()
    endif()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${NAME} ${ARG_SOURCES})
  set_property(GLOBAL APPEND PROPERTY BAKUSOKU_TARGETS ${NAME})
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_link_libraries(${NAME} PRIVATE ${ARG_LINKS} GTest::gtest GTest::gmock GTest::gtest_main
    bakusoku_sanitizers bakusoku_options)
  target_compile_definitions(${NAME} PRIVATE BAKUSOKU_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    BAKUSOKU_BINARY_DIR="${PROJECT_BINARY_DIR}")
  gtest_discover_tests(${NAME} TEST_PREFIX "${NAME}." DISCOVERY_MODE PRE_TEST
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} PROPERTIES TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT TZ=UTC0)
endfunction()

# bakusoku_fuzz(NAME SOURCE fuzz_x.cpp LINKS ...): LLVMFuzzerTestOneInput over one decoder. With the preset 'fuzz' a
# libFuzzer program; with sanitizers a replay of fuzz/corpus/NAME, registered as the ctest test "fuzz.NAME"; else nothing,
# as what a decoder does wrong shows under sanitizers.
function(bakusoku_fuzz NAME)
  cmake_parse_arguments(ARG "" "SOURCE" "LINKS" ${ARGN})
  if(NOT BAKUSOKU_FUZZ AND NOT BAKUSOKU_SANITIZE_ADDRESS AND NOT BAKUSOKU_SANITIZE_THREAD)
    return()
  endif()
  if(BAKUSOKU_FUZZ)
    add_executable(${NAME} ${ARG_SOURCE})
    target_link_options(${NAME} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${NAME} ${ARG_SOURCE} ${PROJECT_SOURCE_DIR}/fuzz/replay.cpp)
    add_test(NAME fuzz.${NAME} COMMAND ${NAME} ${PROJECT_SOURCE_DIR}/fuzz/corpus/${NAME})
    set_tests_properties(fuzz.${NAME} PROPERTIES TIMEOUT 120)
  endif()
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  target_link_libraries(${NAME} PRIVATE ${ARG_LINKS} bakusoku_sanitizers bakusoku_options)
endfunction()
