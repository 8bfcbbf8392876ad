#include "new.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

namespace zbxmod::host {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class New : public ::testing::Test {
 protected:
  New() {
    fs::create_directories(template_ / "src");
    write(template_ / "CMakeLists.txt.in", "project(@NAME@)\n");
    write(template_ / "src/@NAME@.cpp.in", "@NAME@@NAME@ @OTHER@");
    write(template_ / "kept.conf.in.in", "@DIRECTORY@");
    write(template_ / "not a template", "@NAME@");
  }
  ~New() override { fs::remove_all(directory_); }

  static void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }
  static std::string read(const fs::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const fs::path directory_ = ::testing::TempDir() + "zbxmod_new_" + std::to_string(::getpid());
  const fs::path template_ = directory_ / "template";
};

TEST_F(New, PutsTheNameIntoNamesAndText) {
  const auto made = make_project(template_, "a-b_1", directory_ / "made");
  ASSERT_TRUE(made.has_value()) << made.error().message;
  EXPECT_THAT(*made, ElementsAre("CMakeLists.txt", "kept.conf.in", "src/a-b_1.cpp"));
  EXPECT_EQ(read(directory_ / "made/CMakeLists.txt"), "project(a-b_1)\n");
  EXPECT_EQ(read(directory_ / "made/src/a-b_1.cpp"), "a-b_1a-b_1 @OTHER@");
  EXPECT_EQ(read(directory_ / "made/kept.conf.in"), "@DIRECTORY@");
}

TEST_F(New, TakesAnEmptyDirectoryAndNoOther) {
  fs::create_directories(directory_ / "empty");
  EXPECT_TRUE(make_project(template_, "mine", directory_ / "empty").has_value());
  const auto again = make_project(template_, "mine", directory_ / "empty");
  ASSERT_FALSE(again.has_value());
  EXPECT_THAT(again.error().message, HasSubstr("exists already: nothing was written"));
  const auto file = make_project(template_, "mine", template_ / "CMakeLists.txt.in");
  ASSERT_FALSE(file.has_value());
}

TEST_F(New, SaysThatTheTemplateIsMissing) {
  const auto made = make_project(directory_ / "nowhere", "mine", directory_ / "made");
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error().message, HasSubstr("the template is missing"));
  EXPECT_FALSE(fs::exists(directory_ / "made"));
}

TEST_F(New, SaysThatItCannotWrite) {
  write(directory_ / "file", "");
  const auto made = make_project(template_, "mine", directory_ / "file/below");
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error().message, HasSubstr("cannot write"));
}

TEST(ModuleName, IsOneThatFilesTargetsPackagesAndKeysMayHave) {
  for (const char* name : {"a", "mine", "my-disks", "my_disks2"}) {
    EXPECT_TRUE(check_module_name(name).has_value()) << name;
  }
  for (const char* name : {"", "My", "1a", "a.b", "a/b", "..", "a b", "-a", "a-", "a_", "\xC3\xA9"}) {
    ASSERT_FALSE(check_module_name(name).has_value()) << name;
    EXPECT_THAT(check_module_name(name).error().message, HasSubstr("cannot name a module"));
  }
  EXPECT_FALSE(check_module_name(std::string(65, 'a')).has_value());
  EXPECT_THAT(check_module_name("install").error().message, HasSubstr("take another name"));
}

}  // namespace
}  // namespace zbxmod::host
