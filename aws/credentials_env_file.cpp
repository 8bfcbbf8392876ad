#include "aws/credentials_env_file.h"

#include "aws/credentials_environment.h"
#include "aws/env_file.h"
#include "aws/text_file.h"

namespace bakusoku::aws {
namespace {

Result<Credentials> read(const std::string& path) {
  auto file = read_text_file(path);
  // One that may not be read ends the search: what comes after it would be another identity.
  if (!file) return fail(std::move(file.error()));
  auto variables = parse_env_file(file->text, path);
  if (!variables) return fail(std::move(variables.error()));
  return credentials_of(Environment{std::move(*variables)}, path);
}

}  // namespace

EnvFileCredentials::EnvFileCredentials(std::string path) : path_(std::move(path)) {}

asio::awaitable<Result<Credentials>> EnvFileCredentials::get() { co_return read(path_); }

std::string EnvFileCredentials::name() const { return path_; }

}  // namespace bakusoku::aws
