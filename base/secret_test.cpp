#include "base/secret.h"

#include <gtest/gtest.h>

#include <sstream>

namespace bakusoku {
namespace {

TEST(Secret, PrintsAsStars) {
  const Secret secret("wJalrXUtnFEMI");
  EXPECT_EQ(fmt::format("{}", secret), "***");
  std::ostringstream out;
  out << secret;
  EXPECT_EQ(out.str(), "***");
}

TEST(Secret, MovedFromIsEmpty) {
  Secret from("short");
  const Secret to(std::move(from));
  EXPECT_EQ(to.reveal(), "short");
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that it is wiped is the point
}

}  // namespace
}  // namespace bakusoku
