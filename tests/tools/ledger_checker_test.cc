#include "tests/tools/ledger_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace p2p::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Alice all the time, Bob from 100 s, Carol for 10 s only, Dave after the end.
Ledger Clean() {
  return {.due_min_ms = 30'000,
          .broadcasts = {{"b1", 0, 1'800'000}, {"b2", 50'000, 1'850'000}},
          .clients = {
              {"alice", {{0, 2'000'000}}, {{"b1", 5}, {"b2", 50'005}}},
              {"bob", {{100'000, 2'000'000}}, {{"b1", 100'200}, {"b2", 100'200}}},
              {"carol", {{60'000, 70'000}}, {{"b1", 60'100}}},
              {"dave", {{1'900'000, 2'000'000}}, {}},
          }};
}

TEST(LedgerCheckerTest, AcceptsExactlyOnce) { EXPECT_THAT(CheckLedger(Clean()), IsEmpty()); }

TEST(LedgerCheckerTest, FindsAPlantedLoss) {
  Ledger ledger = Clean();
  ledger.clients[1].shown.pop_back();
  EXPECT_THAT(CheckLedger(ledger), ElementsAre(HasSubstr("lost: bob showed b2")));
}

TEST(LedgerCheckerTest, FindsAPlantedDouble) {
  Ledger ledger = Clean();
  ledger.clients[0].shown.push_back({"b1", 700});
  EXPECT_THAT(CheckLedger(ledger), ElementsAre(HasSubstr("doubled: alice showed b1 2 times")));
}

TEST(LedgerCheckerTest, ShortStretchesMayMissButNotRepeat) {
  Ledger ledger = Clean();
  ledger.clients[2].shown.clear();
  EXPECT_THAT(CheckLedger(ledger), IsEmpty());
  ledger.clients[2].shown = {{"b2", 60'500}, {"b2", 60'900}};
  EXPECT_THAT(CheckLedger(ledger), ElementsAre(HasSubstr("doubled: carol showed b2 2 times")));
}

TEST(LedgerCheckerTest, ManyShortStretchesAreNotOneLongOne) {
  Ledger ledger = Clean();
  ledger.clients[2].active = {{0, 29'999}, {40'000, 69'000}};
  ledger.clients[2].shown.clear();
  EXPECT_THAT(CheckLedger(ledger), IsEmpty());
  ledger.clients[2].active.push_back({80'000, 110'000});
  EXPECT_THAT(CheckLedger(ledger),
              ElementsAre(HasSubstr("lost: carol showed b1"), HasSubstr("lost: carol showed b2")));
}

TEST(LedgerCheckerTest, FindsDeliveriesThatWereNotDue) {
  Ledger ledger = Clean();
  ledger.clients[3].shown.push_back({"b1", 1'900'100});
  ledger.clients[3].shown.push_back({"b9", 1'900'100});
  EXPECT_THAT(CheckLedger(ledger), ElementsAre(HasSubstr("not due: dave showed b1"),
                                               HasSubstr("unknown: dave showed b9")));
}

TEST(LedgerCheckerTest, ReadsItsFileFormat) {
  const auto ledger = ParseLedger(R"({"due_min_ms":30000,
    "broadcasts":[{"id":"b1","sent_at_ms":0,"expires_at_ms":1800000}],
    "clients":[{"name":"alice","active":[[0,40000]],"shown":[{"id":"b1","at_ms":5}]},
               {"name":"bob","active":[[0,40000]],"shown":[]}]})");
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  EXPECT_THAT(CheckLedger(*ledger), ElementsAre(HasSubstr("lost: bob")));
  EXPECT_FALSE(ParseLedger("{}").ok());
  EXPECT_FALSE(ParseLedger("not json").ok());
}

}  // namespace
}  // namespace p2p::testing
