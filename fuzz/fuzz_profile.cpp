// The shared config and credentials files, and the plan for a profile in them. The first zero byte, if any,
// parts the two files: config before, credentials after.
#include <cstdint>
#include <string_view>

#include "aws/profile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::aws;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t parting = text.find('\0');
  auto config = parse_config_file(text.substr(0, parting), ConfigKind::config, "config");
  auto credentials =
      parse_config_file(parting == std::string_view::npos ? std::string_view{} : text.substr(parting + 1),
                        ConfigKind::credentials, "credentials");
  SharedConfig shared;
  if (config) shared.config = *config;
  if (credentials) shared.credentials = *credentials;
  for (const ConfigFile* file : {&shared.config, &shared.credentials}) {
    for (const auto& [name, section] : file->profiles) {
      (void)shared.service_endpoint_urls(name);
      (void)shared.no_such_profile(name);
      const auto plan = plan_profile(shared, name, {});
      if (plan) (void)split_command(plan->command);
    }
  }
  return 0;
}
