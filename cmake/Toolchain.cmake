# Warnings, sanitizers and the linker: what every target of ours is built with.
add_library(bakusoku_options INTERFACE)
target_compile_options(bakusoku_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Wold-style-cast
  -Woverloaded-virtual -Wnull-dereference -Werror)
# GCC 12 reports null dereferences inside inlined coroutine frames, and at -O3 overlaps inside std::string's operator+.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(bakusoku_options INTERFACE -Wno-null-dereference -Wno-restrict)
endif()

add_library(bakusoku_sanitizers INTERFACE)
if(BAKUSOKU_SANITIZE_ADDRESS)
  # Left out are the checks of each access through a pointer, which take a third of the build's time: AddressSanitizer
  # reports what they would find, but for misalignment.
  target_compile_options(bakusoku_sanitizers INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined
    -fno-sanitize=null,alignment,vptr,object-size,nonnull-attribute,returns-nonnull-attribute -fno-omit-frame-pointer)
  target_link_options(bakusoku_sanitizers INTERFACE -fsanitize=address,undefined)
elseif(BAKUSOKU_SANITIZE_THREAD)
  target_compile_options(bakusoku_sanitizers INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_options(bakusoku_sanitizers INTERFACE -fsanitize=thread)
endif()
if(BAKUSOKU_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "fuzz targets need clang: use the preset 'fuzz'")
  endif()
  target_compile_options(bakusoku_sanitizers INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(bakusoku_sanitizers INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_program(BAKUSOKU_CCACHE ccache)
if(BAKUSOKU_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${BAKUSOKU_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${BAKUSOKU_CCACHE})
endif()
