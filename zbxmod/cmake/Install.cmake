# cmake --install BUILD --component zbxmod --prefix PREFIX: what a module's author needs, and no more. Everything in it
# finds the rest from where it lies, so the prefix may be another one than was configured.
include(CMakePackageConfigHelpers)

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/zbxmod)
install(DIRECTORY include/zbxmod DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT zbxmod)
install(TARGETS zbxmod EXPORT zbxmodTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT zbxmod)
install(EXPORT zbxmodTargets NAMESPACE zbxmod:: DESTINATION ${package_directory} COMPONENT zbxmod)
configure_package_config_file(cmake/zbxmodConfig.cmake.in zbxmodConfig.cmake INSTALL_DESTINATION ${package_directory}
  PATH_VARS CMAKE_INSTALL_BINDIR)
write_basic_package_version_file(zbxmodConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/zbxmodConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/zbxmodConfigVersion.cmake
  cmake/ZbxmodModule.cmake cmake/exports.map DESTINATION ${package_directory} COMPONENT zbxmod)
# pkg-config replaces the prefix by the place where the file lies.
string(REGEX REPLACE "[^/]+" ".." up ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(zbxmod_pc_prefix "\${pcfiledir}/${up}")
configure_file(cmake/zbxmod.pc.in zbxmod.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/zbxmod.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT zbxmod)

# zbxmod-host looks for its personalities and for the template of `new` beside its own folder, ../lib and ../share.
install(TARGETS zbxmod-host RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT zbxmod)
foreach(target IN LISTS personality_targets)
  install(TARGETS ${target} LIBRARY DESTINATION lib/zbxmod-host COMPONENT zbxmod)
endforeach()
install(DIRECTORY template DESTINATION share/zbxmod COMPONENT zbxmod)
