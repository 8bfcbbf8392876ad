# zbxmod_module(NAME SOURCES a.cpp ... [LINKS target ...] [OUTPUT_NAME name]): a module that Zabbix can load, <name>.so.
#
# A module lives inside someone else's process, next to symbols of any name: it exports the functions of Zabbix's module
# interface and nothing else, binds its own calls to its own functions, needs no C++ runtime of the machine, and stays
# loaded once it is, as code of it may still be called at exit.
option(ZBXMOD_STATIC_RUNTIME "Link libstdc++ and libgcc into modules (not with sanitizers)" ON)

function(zbxmod_module NAME)
  cmake_parse_arguments(ARG "" "OUTPUT_NAME" "SOURCES;LINKS" ${ARGN})
  if(NOT ARG_OUTPUT_NAME)
    set(ARG_OUTPUT_NAME ${NAME})
  endif()
  set(exports ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/exports.map)
  add_library(${NAME} MODULE ${ARG_SOURCES})
  set_target_properties(${NAME} PROPERTIES PREFIX "" SUFFIX ".so" OUTPUT_NAME ${ARG_OUTPUT_NAME}
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON LINK_DEPENDS ${exports})
  target_compile_options(${NAME} PRIVATE -ffunction-sections -fdata-sections)
  target_link_libraries(${NAME} PRIVATE ${ARG_LINKS} zbxmod::zbxmod ${CMAKE_DL_LIBS})
  target_link_options(${NAME} PRIVATE
    LINKER:--version-script=${exports} LINKER:-Bsymbolic LINKER:--no-undefined LINKER:--as-needed
    LINKER:--gc-sections LINKER:-z,nodelete LINKER:-z,relro LINKER:-z,now)
  if(ZBXMOD_STATIC_RUNTIME)
    target_link_options(${NAME} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
endfunction()

# zbxmod_check(NAME [KEY ...]): a ctest test NAME.host that zbxmod-host, as every version of Zabbix, passes the module,
# asked for these keys; without any, for every item with its test parameter.
function(zbxmod_check NAME)
  add_test(NAME ${NAME}.host COMMAND ${ZBXMOD_HOST} --all-layouts $<TARGET_FILE:${NAME}> ${ARGN})
  set_tests_properties(${NAME}.host PROPERTIES TIMEOUT 120)
endfunction()
