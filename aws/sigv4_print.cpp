// Signs the requests given as JSON, one a line on standard input, and prints each Authorization header: how
// the signer is compared with another implementation of Signature Version 4 (sigv4_botocore_test.py).
#include <simdjson.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

#include "aws/sigv4.h"
#include "aws/url.h"

namespace {

namespace dom = simdjson::dom;

std::string text(const dom::element& object, std::string_view key) {
  return std::string(std::string_view(object[key].get_string()));
}

std::string unhex(std::string_view hex) {
  std::string out;
  for (size_t at = 0; at + 1 < hex.size(); at += 2) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(at, 2)), nullptr, 16));
  }
  return out;
}

std::string authorization(const dom::element& given) {
  using namespace bakusoku;
  aws::HttpRequest request;
  request.method = text(given, "method");
  request.url = text(given, "url");
  char separator = '?';
  for (const dom::element pair : dom::array(given["parameters"].get_array())) {
    request.url += separator;
    separator = '&';
    aws::append_percent_encoded(request.url, std::string_view(pair.at(0).get_string()));
    request.url += '=';
    aws::append_percent_encoded(request.url, std::string_view(pair.at(1).get_string()));
  }
  for (const dom::element pair : dom::array(given["headers"].get_array())) {
    request.headers.push_back({std::string(std::string_view(pair.at(0).get_string())),
                               std::string(std::string_view(pair.at(1).get_string()))});
  }
  request.body = unhex(text(given, "body_hex"));
  aws::Credentials credentials;
  credentials.access_key_id = text(given, "access_key_id");
  credentials.secret_access_key = Secret(text(given, "secret_access_key"));
  credentials.session_token = Secret(text(given, "session_token"));
  const WallTime time{std::chrono::seconds(int64_t(given["time"].get_int64()))};
  const Result<void> is_signed =
      aws::sigv4::sign(request, credentials, text(given, "region"), text(given, "service"), time);
  if (!is_signed) return "error: " + is_signed.error().message;
  return request.headers.back().value;
}

}  // namespace

int main() {
  try {
    dom::parser parser;
    std::string line;
    while (std::getline(std::cin, line)) {
      std::cout << authorization(parser.parse(line)) << '\n';
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
