// For tests: a directory of configuration files, an environment that names nothing outside of it, and a loop
// to run providers on.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/settings.h"

namespace bakusoku::aws {

class CredentialsFixture : public ::testing::Test {
 protected:
  CredentialsFixture() {
    std::string pattern = (std::filesystem::temp_directory_path() / "bakusoku-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    directory_ = pattern;
    environment_.variables = {
        {"HOME", directory_}, {"PATH", "/usr/bin:/bin"}, {"AWS_EC2_METADATA_DISABLED", "true"}};
  }
  ~CredentialsFixture() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, std::string_view text, mode_t mode = 0600) {
    const std::string path = directory_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }

  void set(const std::string& name, const std::string& value) { environment_.variables[name] = value; }

  Result<Settings> load(std::string profile = {}) {
    SettingsRequest request;
    request.environment = environment_;
    request.env_file = directory_ + "/aws.env";
    request.profile = std::move(profile);
    return load_settings(request);
  }

  ChainContext context() {
    return ChainContext{io_, http_, [this] { return now_; }};
  }

  static asio::awaitable<void> keep(CredentialsProvider& provider, std::optional<Result<Credentials>>& out) {
    out = co_await provider.get();
  }

  /// Starts a get(); `out` is there after run().
  void start(CredentialsProvider& provider, std::optional<Result<Credentials>>& out) {
    asio::co_spawn(io_, keep(provider, out), asio::detached);
  }

  void run() {
    io_.restart();
    io_.run_for(std::chrono::seconds(20));
  }

  Result<Credentials> get(CredentialsProvider& provider) {
    std::optional<Result<Credentials>> out;
    start(provider, out);
    run();
    if (!out) return fail(ErrorKind::io, "the provider never answered");
    return *out;
  }

  /// What the default chain finds for the environment and files as they are.
  Result<Credentials> find(std::string profile = {}) {
    auto settings = load(std::move(profile));
    if (!settings) return fail(settings.error());
    auto chain = default_credentials(context(), *settings);
    return get(*chain);
  }

  std::string directory_;
  Environment environment_;
  WallTime now_ = std::chrono::sys_days(std::chrono::year(2026) / 1 / 31) + std::chrono::hours(12);
  asio::io_context io_;
  Http http_{io_, {}};
};

}  // namespace bakusoku::aws
