// The default credential chain: one provider after the other, in AWS's own order, until one is set up. What a
// profile says is read from the files whenever credentials are fetched.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "aws/credentials.h"
#include "aws/profile.h"
#include "aws/settings.h"

namespace bakusoku::aws {

/// Asks providers in order. One that is set up and fails ends the search: its error is the answer.
class CredentialsChain final : public CredentialsProvider {
 public:
  /// `advice` is what to do when none is set up; the error then lists why each is not, and is of kind
  /// `nothing_found`.
  CredentialsChain(std::vector<std::unique_ptr<CredentialsProvider>> providers, std::string advice,
                   ErrorKind nothing_found);
  [[nodiscard]] asio::awaitable<Result<Credentials>> get() override;
  void invalidate() override;
  [[nodiscard]] std::string name() const override;

 private:
  std::vector<std::unique_ptr<CredentialsProvider>> providers_;
  std::string advice_;
  ErrorKind nothing_found_;
  std::string last_;  // name of the one that answered last
};

/// What the settings' profile and the web identity variables say.
class ProfileChain final : public CredentialsProvider {
 public:
  ProfileChain(const ChainContext& context, Settings settings);
  [[nodiscard]] asio::awaitable<Result<Credentials>> get() override;
  void invalidate() override;
  [[nodiscard]] std::string name() const override;

 private:
  [[nodiscard]] std::unique_ptr<CredentialsProvider> build(const ProfilePlan& plan) const;

  ChainContext context_;
  Settings settings_;
  std::string built_for_;  // the plan that provider_ was built from, as text
  std::unique_ptr<CredentialsProvider> provider_;
};

/// The plan in one line, without secrets: two plans that read alike lead to the same credentials.
[[nodiscard]] std::string describe(const ProfilePlan& plan);

}  // namespace bakusoku::aws
