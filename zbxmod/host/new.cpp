#include "new.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <system_error>

namespace zbxmod::host {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPlaceholder = "@NAME@";

// Targets that every CMake project has, and our own.
constexpr std::array<std::string_view, 12> kReservedNames = {
    "all",           "clean", "edit_cache", "help",   "install", "package", "package_source",
    "rebuild_cache", "src",   "test",       "zabbix", "zbxmod"};

std::string replaced(std::string text, std::string_view name) {
  for (size_t at = text.find(kPlaceholder); at != std::string::npos;
       at = text.find(kPlaceholder, at + name.size())) {
    text.replace(at, kPlaceholder.size(), name);
  }
  return text;
}

Result<std::string> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.good() && !in.eof()) return not_supported("cannot read " + path.string());
  return text;
}

Result<void> write_file(const fs::path& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) return not_supported("cannot write " + path.string());
  return {};
}

constexpr const char* kHelp =
    R"(Makes a project for a module of your own: it builds, tests itself in zbxmod-host, and packages.

Usage: zbxmod-host new NAME [--directory DIRECTORY]

  NAME                    small letters, digits, '-' and '_': the module is NAME.so, its keys begin with NAME.
  --directory DIRECTORY   where; NAME in the current directory otherwise. It must not exist or be empty.
)";

int useless(const std::string& message) {
  std::fprintf(stderr, "zbxmod-host new: %s\n%s", message.c_str(), kHelp);
  return 2;
}

}  // namespace

Result<void> check_module_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (name.empty() || name.size() > 64 || !std::all_of(name.begin(), name.end(), allowed) ||
      name.front() < 'a' || name.front() > 'z' || name.back() == '-' || name.back() == '_') {
    return not_supported(
        "'" + std::string(name) +
        "' cannot name a module: take small letters, digits, '-' and '_', at most 64, a letter "
        "first and a letter or digit last");
  }
  if (std::find(kReservedNames.begin(), kReservedNames.end(), name) != kReservedNames.end()) {
    return not_supported("'" + std::string(name) +
                         "' means something to CMake or Zabbix already: take another name");
  }
  return {};
}

Result<std::vector<std::string>> make_project(const fs::path& template_directory, std::string_view name,
                                              const fs::path& directory) {
  if (auto sound = check_module_name(name); !sound) return tl::unexpected(sound.error());
  std::error_code error;
  if (!fs::is_directory(template_directory, error)) {
    return not_supported("the template is missing: there is no directory " + template_directory.string());
  }
  if (fs::exists(directory, error) &&
      !(fs::is_directory(directory, error) && fs::is_empty(directory, error))) {
    return not_supported(directory.string() + " exists already: nothing was written");
  }
  std::vector<std::string> made;
  for (const auto& entry : fs::recursive_directory_iterator(template_directory, error)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".in") continue;
    auto text = read_file(entry.path());
    if (!text) return tl::unexpected(text.error());
    fs::path relative = replaced(fs::relative(entry.path(), template_directory).string(), name);
    relative.replace_extension();
    auto written = write_file(directory / relative, replaced(std::move(*text), name));
    if (!written) return tl::unexpected(written.error());
    made.push_back(relative.string());
  }
  if (error || made.empty())
    return not_supported("cannot read the template in " + template_directory.string());
  std::sort(made.begin(), made.end());
  return made;
}

int new_command(const std::vector<std::string>& arguments, const fs::path& template_directory) {
  std::string name;
  std::string directory;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--help" || word == "-h") {
      std::fputs(kHelp, stdout);
      return 0;
    }
    if (word == "--directory") {
      if (++i == arguments.size()) return useless("--directory needs a directory");
      directory = arguments[i];
    } else if (word.starts_with("--directory=")) {
      directory = word.substr(word.find('=') + 1);
    } else if (word.starts_with('-')) {
      return useless("unknown option " + word);
    } else if (name.empty()) {
      name = word;
    } else {
      return useless("one name only, not also '" + word + "'");
    }
  }
  if (name.empty()) return useless("which NAME?");
  if (auto sound = check_module_name(name); !sound) return useless(sound.error().message);
  if (directory.empty()) directory = name;
  const auto made = make_project(template_directory, name, directory);
  if (!made) {
    std::fprintf(stderr, "zbxmod-host new: %s\n", made.error().message.c_str());
    return 1;
  }
  for (const std::string& each : *made) std::printf("%s\n", (fs::path(directory) / each).c_str());
  std::printf("\nNext: cd %s && cmake -B build && cmake --build build && ctest --test-dir build\n",
              directory.c_str());
  return 0;
}

}  // namespace zbxmod::host
