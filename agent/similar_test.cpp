#include "agent/similar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(SimilarNames, FindsTheKeyThatIsSpelledOtherwise) {
  const std::vector<std::string_view> keys = {
      "aws.metric[AWS/EC2,CPUUtilization,\"InstanceId=i-1\",Average,300]",
      "aws.metric[AWS/EC2,NetworkIn,\"InstanceId=i-1\",Average,300]",
      "bakusoku.ping",
      "aws.resource[ec2,i-1,state]",
  };
  EXPECT_EQ(similar_names("aws.metric[AWS/EC2, cpuutilization,InstanceId=i-1,Average,300]", keys, 1).at(0),
            keys[0]);
  EXPECT_EQ(similar_names("aws.metric[AWS/EC2,CPUUtilisation,InstanceId=i-1,Average,60]", keys, 3).at(0),
            keys[0]);
  EXPECT_THAT(similar_names("bakusoku.pong", keys, 3), ElementsAre("bakusoku.ping"));
  EXPECT_THAT(similar_names("vfs.fs.size[/,free]", keys, 3), IsEmpty());
}

TEST(SimilarNames, AreTheMostAlikeAndNotTooMany) {
  const std::vector<std::string_view> names = {"web-1", "web-12", "web-2", "database"};
  EXPECT_THAT(similar_names("WEB-1", names, 2), ElementsAre("web-1", "web-12"));
  EXPECT_THAT(similar_names("", names, 2), IsEmpty());
  EXPECT_THAT(similar_names("x", names, 2), IsEmpty());
}

TEST(SimilarNames, OneNameLeavesTheNextAlone) {
  const std::vector<std::string_view> names = {"aaaa", "aaaab", "aaaa"};
  EXPECT_THAT(similar_names("aaaab", names, 3), ElementsAre("aaaab", "aaaa", "aaaa"));
}

}  // namespace
}  // namespace bakusoku::agent
