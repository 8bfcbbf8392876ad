#include "aws/shared_config.h"

#include "aws/text_file.h"

namespace bakusoku::aws {
namespace {

// Whether there is such a file, as far as can be seen.
bool is_there(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

Result<ConfigFile> read_one(const std::string& path, ConfigKind kind, bool named, SharedConfig& into,
                            std::vector<std::string>* warnings) {
  ConfigFile empty;
  empty.path = path;
  if (path.empty()) return empty;
  const auto warn = [&](std::string text) {
    if (warnings != nullptr) warnings->push_back(std::move(text));
  };
  auto file = read_text_file(path);
  if (!file) {
    const ErrorKind kind_of_error = file.error().kind;
    if (kind_of_error == ErrorKind::not_found) {
      if (named) {
        warn(fmt::format("{} names {}, which does not exist",
                         kind == ConfigKind::config ? "AWS_CONFIG_FILE" : "AWS_SHARED_CREDENTIALS_FILE",
                         path));
      }
      return empty;
    }
    if (kind_of_error == ErrorKind::denied && !named) {
      if (is_there(path)) into.unreadable = file.error();
      warn(file.error().message);
      return empty;
    }
    return fail(std::move(file.error()));
  }
  if (kind == ConfigKind::credentials) {
    if (std::string warning = permission_warning(path, *file); !warning.empty()) warn(std::move(warning));
  }
  return parse_config_file(file->text, kind, path);
}

}  // namespace

std::string expand_home(std::string_view path, const Environment& environment) {
  if (path != "~" && !path.starts_with("~/")) return std::string(path);
  const auto home = environment.get("HOME");
  return home ? *home + std::string(path.substr(1)) : std::string(path);
}

SharedConfigPaths shared_config_paths(const Environment& environment) {
  SharedConfigPaths paths;
  const bool home = environment.get("HOME").has_value();
  if (const auto named = environment.get("AWS_CONFIG_FILE"); named) {
    paths.config = expand_home(*named, environment);
    paths.config_named = true;
  } else if (home) {
    paths.config = expand_home("~/.aws/config", environment);
  }
  if (const auto named = environment.get("AWS_SHARED_CREDENTIALS_FILE"); named) {
    paths.credentials = expand_home(*named, environment);
    paths.credentials_named = true;
  } else if (home) {
    paths.credentials = expand_home("~/.aws/credentials", environment);
  }
  return paths;
}

Result<SharedConfig> read_shared_config(const Environment& environment, std::vector<std::string>* warnings) {
  const SharedConfigPaths paths = shared_config_paths(environment);
  SharedConfig shared;
  auto config = read_one(paths.config, ConfigKind::config, paths.config_named, shared, warnings);
  if (!config) return fail(std::move(config.error()));
  auto credentials =
      read_one(paths.credentials, ConfigKind::credentials, paths.credentials_named, shared, warnings);
  if (!credentials) return fail(std::move(credentials.error()));
  shared.config = std::move(*config);
  shared.credentials = std::move(*credentials);
  return shared;
}

}  // namespace bakusoku::aws
