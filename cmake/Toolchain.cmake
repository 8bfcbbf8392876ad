# Warnings, sanitizers and the linker: what every target of ours is built with.
add_library(bakusoku_options INTERFACE)
target_compile_options(bakusoku_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Wold-style-cast
  -Woverloaded-virtual -Wnull-dereference -Werror)
# GCC 12 reports null dereferences inside inlined coroutine frames, and at -O3 overlaps inside std::string's operator+.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(bakusoku_options INTERFACE -Wno-null-dereference -Wno-restrict)
endif()

# What Debian's dpkg-buildflags with hardening=+all gives a package, whoever builds a release. The stack is guarded,
# calls of libc are checked, jumps land where they may, programs have no fixed place, and what the linker wrote is read-only.
add_library(bakusoku_hardening INTERFACE)
if(CMAKE_BUILD_TYPE MATCHES "^(Release|RelWithDebInfo|MinSizeRel)$" AND NOT BAKUSOKU_SANITIZE_ADDRESS
    AND NOT BAKUSOKU_SANITIZE_THREAD AND NOT BAKUSOKU_FUZZ)
  include(CheckCXXCompilerFlag)
  include(CheckPIESupported)
  check_pie_supported(LANGUAGES C CXX)
  target_compile_options(bakusoku_hardening INTERFACE -fstack-protector-strong -Wformat -Werror=format-security
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  foreach(option IN ITEMS -fstack-clash-protection -fcf-protection -mbranch-protection=standard)  # as the processor has it
    string(MAKE_C_IDENTIFIER "BAKUSOKU_HAS${option}" known)
    check_cxx_compiler_flag(${option} ${known})
    if(${known})
      target_compile_options(bakusoku_hardening INTERFACE ${option})
    endif()
  endforeach()
  target_link_options(bakusoku_hardening INTERFACE LINKER:-z,relro LINKER:-z,now)
endif()

# With the hardening, what every target is built with but those that stand for other people's.
add_library(bakusoku_sanitizers INTERFACE)
target_link_libraries(bakusoku_sanitizers INTERFACE bakusoku_hardening)
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
