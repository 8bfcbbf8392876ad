// zbxmod-host new: a project for a module of one's own, made from the template that is installed with zbxmod.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "zbxmod/result.h"

namespace zbxmod::host {

/// What is wrong with the name of a module, or nothing: it names a file, a target of CMake's, a package and
/// the beginning of each key.
[[nodiscard]] Result<void> check_module_name(std::string_view name);

/// Makes `directory`, which must not exist or be empty, from the template: NAME takes the place of @NAME@ in
/// the names and the text of its files (*.in; a second .in is the project's own). Returns the files' paths,
/// relative and sorted.
[[nodiscard]] Result<std::vector<std::string>> make_project(const std::filesystem::path& template_directory,
                                                            std::string_view name,
                                                            const std::filesystem::path& directory);

/// The subcommand: `arguments` are the words behind "new". Returns the exit status: 0, 1 when the project
/// could not be made, 2 when the command line is of no use.
[[nodiscard]] int new_command(const std::vector<std::string>& arguments,
                              const std::filesystem::path& template_directory);

}  // namespace zbxmod::host
