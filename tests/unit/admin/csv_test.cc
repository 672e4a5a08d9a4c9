#include "control-server/admin/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace p2p::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::vector<std::string>> Cells(absl::string_view text) {
  const auto records = ParseCsv(text);
  EXPECT_TRUE(records.ok()) << records.status();
  std::vector<std::vector<std::string>> out;
  for (const auto& record : *records) out.push_back(record.cells);
  return out;
}

TEST(CsvTest, PlainAndQuotedCells) {
  EXPECT_THAT(Cells("a,b\nc,\"d,\"\"e\"\"\nf\"\n"),
              ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d,\"e\"\nf")));
}

TEST(CsvTest, CrlfBomBlankLinesAndAMissingLastNewline) {
  EXPECT_THAT(Cells("\xEF\xBB\xBF"
                    "a,b\r\n\r\n\"c\",d"),
              ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")));
  EXPECT_THAT(Cells(""), ElementsAre());
  EXPECT_THAT(Cells("a,\n,b"), ElementsAre(ElementsAre("a", ""), ElementsAre("", "b")));
}

TEST(CsvTest, RecordsKnowTheLineOnWhichTheyStart) {
  const auto records = ParseCsv("h,h\n\"two\nlines\",x\n\nlast,y\n");
  ASSERT_TRUE(records.ok());
  ASSERT_EQ(records->size(), 3u);
  EXPECT_EQ((*records)[1].line, 2u);
  EXPECT_EQ((*records)[2].line, 5u);
}

TEST(CsvTest, BadQuotesAreNamedByLine) {
  EXPECT_THAT(std::string(ParseCsv("a\nb\"c\n").status().message()), HasSubstr("line 2"));
  EXPECT_THAT(std::string(ParseCsv("a\n\"b\"c\n").status().message()), HasSubstr("line 2"));
  EXPECT_THAT(std::string(ParseCsv("a\n\n\"b\nc").status().message()), HasSubstr("line 3"));
}

TEST(CsvTest, FormulasAreGuardedAndTheGuardComesOff) {
  for (const absl::string_view cell : {"=1+1", "+1", "-1", "@x", "\tx", "\rx"}) {
    const std::string quoted = QuoteCsvCell(cell);
    EXPECT_EQ(quoted.substr(0, 2), "\"'");
    const auto back = Cells(quoted);
    EXPECT_EQ(StripFormulaGuard(back[0][0]), cell);
  }
  EXPECT_EQ(QuoteCsvCell("plain"), "\"plain\"");
  EXPECT_EQ(QuoteCsvCell("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(StripFormulaGuard("'plain"), "'plain");
}

}  // namespace
}  // namespace p2p::server
