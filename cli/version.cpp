#include "base/version.h"

#include <curl/curl.h>
#include <openssl/crypto.h>

#include <cstdio>
#include <memory>

#include "base/json.h"
#include "cli/command.h"

namespace bakusoku::cli {

void add_version(CLI::App& app, Run& run) {
  CLI::App* command =
      app.add_subcommand("version", "Print the version of bakusoku and of the libraries it runs with");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print JSON");
  command->callback([&run, json] {
    run = [json] {
      const std::string curl = curl_version();
      const std::string openssl = OpenSSL_version(OPENSSL_VERSION);
      if (*json) {
        std::printf("{\"version\":%s,\"libcurl\":%s,\"openssl\":%s}\n", json_string(kVersion).c_str(),
                    json_string(curl).c_str(), json_string(openssl).c_str());
      } else {
        std::printf("bakusoku %s\n%s\n%s\n", kVersion, curl.c_str(), openssl.c_str());
      }
      return kOk;
    };
  });
}

}  // namespace bakusoku::cli
