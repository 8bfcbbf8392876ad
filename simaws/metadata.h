// The simulated instance metadata service (IMDSv2; version 1 if wanted) and a container credentials endpoint.
// Pure but for the credentials and tokens they remember; one per simulator, one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "simaws/fleet.h"
#include "simaws/http.h"
#include "simaws/sts.h"

namespace bakusoku::simaws {

inline constexpr const char* kContainerPath = "/simaws/container-credentials";
inline constexpr const char* kContainerToken = "simaws-container-token";
inline constexpr const char* kInstanceRole = "simaws-role";

class Metadata {
 public:
  Metadata(const World& world, Vault& vault, int64_t lifetime_cap, bool v1)
      : world_(world), vault_(vault), lifetime_cap_(lifetime_cap), v1_(v1) {}

  /// Nothing when the path is not one of metadata's.
  [[nodiscard]] std::optional<Reply> answer(const Request& request, int64_t now);

 private:
  Reply put_token(const Request& request, int64_t now);
  Reply get(const Request& request, int64_t now);
  Reply container(const Request& request, int64_t now);
  const Issued& current(std::string& key, const std::string& role, const std::string& session, int64_t now);

  const World& world_;
  Vault& vault_;
  int64_t lifetime_cap_;
  bool v1_;
  std::map<std::string, int64_t> tokens_;  // token -> when it ends
  std::string instance_key_;
  std::string container_key_;
};

}  // namespace bakusoku::simaws
