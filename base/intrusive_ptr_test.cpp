#include "base/intrusive_ptr.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace bakusoku {
namespace {

struct Counted : RefCounted {
  explicit Counted(int& alive_) : alive(alive_) { ++alive; }
  Counted(const Counted& other) : RefCounted(other), alive(other.alive) { ++alive; }
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --alive; }
  int& alive;
};

TEST(IntrusivePtr, TheLastHolderFrees) {
  int alive = 0;
  IntrusivePtr<Counted> first(new Counted(alive));
  {
    const IntrusivePtr<Counted> second = first;
    EXPECT_EQ(second.get(), first.get());
    EXPECT_EQ(first->holders(), 2U);
    first = IntrusivePtr<Counted>();
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
  EXPECT_FALSE(first);
}

TEST(IntrusivePtr, MovingHoldsNoTwice) {
  int alive = 0;
  IntrusivePtr<Counted> first(new Counted(alive));
  std::vector<IntrusivePtr<Counted>> several;
  several.push_back(std::move(first));
  several.emplace_back(several.front().get());
  EXPECT_EQ(several.front()->holders(), 2U);
  several.erase(several.begin());
  EXPECT_EQ(several.front()->holders(), 1U);
  several.clear();
  EXPECT_EQ(alive, 0);
}

TEST(IntrusivePtr, AssignedToItselfStays) {
  int alive = 0;
  IntrusivePtr<Counted> one(new Counted(alive));
  const IntrusivePtr<Counted>& same = one;
  one = same;
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(one->holders(), 1U);
}

TEST(IntrusivePtr, ACopyOfTheObjectHasNoHolders) {
  int alive = 0;
  const IntrusivePtr<Counted> one(new Counted(alive));
  const Counted copy = *one;
  EXPECT_EQ(copy.holders(), 0U);
  EXPECT_EQ(one->holders(), 1U);
}

}  // namespace
}  // namespace bakusoku
