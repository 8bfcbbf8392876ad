# System libraries only; Debian 12 package names are in scripts/packages.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(CURL 7.74 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(SQLite3 3.34 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(GTest REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
pkg_check_modules(simdjson REQUIRED IMPORTED_TARGET simdjson)
pkg_check_modules(pugixml REQUIRED IMPORTED_TARGET pugixml)
pkg_check_modules(tomlplusplus REQUIRED IMPORTED_TARGET tomlplusplus)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
# Its -pthread changes a macro, with which precompiled headers would have to be made too; Threads::Threads is enough.
set_target_properties(PkgConfig::re2 PROPERTIES INTERFACE_COMPILE_OPTIONS "")
find_path(ASIO_INCLUDE_DIR asio.hpp REQUIRED)
find_path(EXPECTED_INCLUDE_DIR tl/expected.hpp REQUIRED)
find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_path(ROBIN_MAP_INCLUDE_DIR tsl/robin_map.h REQUIRED)

# Asio's implementation is compiled once (base/asio_impl.cpp), not in every file that includes it.
add_library(bakusoku_asio INTERFACE)
target_include_directories(bakusoku_asio SYSTEM INTERFACE ${ASIO_INCLUDE_DIR})
# Asio 1.22 takes std::aligned_alloc only where a standard header was included before it: left to itself, memory
# allocated in one file would be freed in another the other way.
target_compile_definitions(bakusoku_asio INTERFACE ASIO_STANDALONE ASIO_SEPARATE_COMPILATION ASIO_NO_DEPRECATED
  ASIO_DISABLE_STD_ALIGNED_ALLOC)
# GCC 12 takes Asio's frame allocator, inlined into a coroutine, for a mismatched new and delete.
target_compile_options(bakusoku_asio INTERFACE
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<COMPILE_LANGUAGE:CXX>>:-Wno-mismatched-new-delete>)
target_link_libraries(bakusoku_asio INTERFACE Threads::Threads)
