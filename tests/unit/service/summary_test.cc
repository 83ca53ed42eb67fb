#include "tsingest/service/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tsingest/service/number_text.h"
#include "tsingest/service/progress.h"

namespace tsingest {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(FormatSummary, JsonHasTheContractsKeysInOneLine) {
  const RunSummary summary{.balance = {.received = 10,
                                       .written = 6,
                                       .deduplicated = 2,
                                       .dead_lettered = 1,
                                       .in_flight = 1},
                           .batches = 3,
                           .bytes = 4096,
                           .seconds = 2};
  EXPECT_EQ(FormatSummary(SummaryFormat::kJson, summary),
            "{\"received\":10,\"written\":6,\"deduplicated\":2,\"dead_lettered\":1,\"in_flight\":1,"
            "\"batches\":3,\"bytes\":4096,\"seconds\":2.000,\"rows_per_second\":4.5}\n");
}

TEST(FormatSummary, TextLeavesOutWhatDidNotHappen) {
  RunSummary summary{.balance = {.received = 1234567, .written = 1234567},
                     .batches = 1,
                     .bytes = 1 << 20,
                     .seconds = 0.5,
                     .note = "see docs"};
  const std::string text = FormatSummary(SummaryFormat::kText, summary);
  EXPECT_THAT(text, HasSubstr("1,234,567\n"));
  EXPECT_THAT(text, HasSubstr("in 0.500 s: 2,469,134 rows/s, 1.0 MiB of input, 1 batch\n"));
  EXPECT_THAT(text, Not(HasSubstr("dead-lettered")));
  EXPECT_THAT(text, HasSubstr("see docs\n"));
  summary.balance.dead_lettered = 2;
  EXPECT_THAT(FormatSummary(SummaryFormat::kText, summary),
              HasSubstr("dead-lettered                2\n"));
}

TEST(FormatSummary, ADryRunWroteNothing) {
  const RunSummary summary{
      .balance = {.received = 3, .written = 3}, .batches = 2, .is_dry_run = true};
  EXPECT_THAT(FormatSummary(SummaryFormat::kText, summary),
              testing::AllOf(HasSubstr("would write                  3\n"), HasSubstr("2 batches"),
                             Not(HasSubstr("written"))));
  EXPECT_THAT(FormatSummary(SummaryFormat::kJson, summary), HasSubstr(",\"dry_run\":true}\n"));
}

TEST(FormatSummary, NoneAndNoTimeAreFine) {
  EXPECT_EQ(FormatSummary(SummaryFormat::kNone, {}), "");
  EXPECT_THAT(FormatSummary(SummaryFormat::kJson, {}), HasSubstr("\"rows_per_second\":0.0"));
  EXPECT_EQ(ParseSummaryFormat("json"), SummaryFormat::kJson);
  EXPECT_EQ(ParseSummaryFormat("none"), SummaryFormat::kNone);
}

TEST(ExitCode, FollowsTheContract) {
  const Balance clean{.received = 5, .written = 4, .deduplicated = 1};
  const Balance rejects{.received = 5, .written = 4, .dead_lettered = 1};
  EXPECT_EQ(ExitCode({.balance = clean}), 0);
  EXPECT_EQ(ExitCode({.balance = rejects}), 3);
  EXPECT_EQ(ExitCode({.signal = SIGINT, .balance = rejects}), 130);
  EXPECT_EQ(ExitCode({.signal = SIGTERM, .balance = clean}), 143);
  EXPECT_EQ(ExitCode({.status = absl::UnavailableError("x"), .balance = clean}), 1);
}

TEST(ExitCode, NeverCallsAnUnbalancedRunDone) {
  EXPECT_EQ(ExitCode({.balance = {.received = 5, .written = 4, .in_flight = 1}}), 1);
  EXPECT_EQ(ExitCode({.signal = SIGTERM, .balance = {.received = 5, .written = 4}}), 1);
}

TEST(StartExitCode, TellsConfigurationFromBadLuck) {
  EXPECT_EQ(StartExitCode(absl::InvalidArgumentError("")), 2);
  EXPECT_EQ(StartExitCode(absl::NotFoundError("")), 2);
  EXPECT_EQ(StartExitCode(absl::UnavailableError("")), 1);
  EXPECT_EQ(StartExitCode(absl::InternalError("")), 1);
}

TEST(NumberText, GroupsAndShortens) {
  EXPECT_EQ(GroupDigits(0), "0");
  EXPECT_EQ(GroupDigits(999), "999");
  EXPECT_EQ(GroupDigits(1000), "1,000");
  EXPECT_EQ(GroupDigits(18446744073709551615U), "18,446,744,073,709,551,615");
  EXPECT_EQ(ShortSize(1023), "1023 B");
  EXPECT_EQ(ShortSize(1536), "1.5 KiB");
  EXPECT_EQ(ShortSize(1024ULL * 1024 * 1024), "1.0 GiB");
}

TEST(FormatProgress, ShowsBarRatesAndTimeLeft) {
  EXPECT_EQ(
      FormatProgress(
          {.rows = 500000, .rejects = 2, .bytes_done = 50 << 20, .bytes_total = 100 << 20}, 10,
          120),
      "██████████░░░░░░░░░░  50 %  500,000 rows  50,000 rows/s  5.0 MiB/s  2 rejects  10s left");
}

TEST(FormatProgress, KnowsNoEndOfAPipe) {
  EXPECT_EQ(FormatProgress({.rows = 5, .bytes_done = 1024}, 1, 120),
            "5 rows  5 rows/s  1.0 KiB/s  0 rejects");
}

TEST(FormatProgress, FitsTheWidth) {
  const ProgressState state{
      .rows = 500000, .bytes_done = 50, .bytes_total = 100, .note = "waiting"};
  EXPECT_EQ(FormatProgress(state, 10, 40), "██████████░░░░░░░░░░  50 %  500,000 rows");
  EXPECT_EQ(FormatProgress(state, 10, 39), "██████████░░░░░░░░░░  50 %");
  EXPECT_EQ(FormatProgress(state, 10, 5), "");
  EXPECT_THAT(FormatProgress(state, 10, 200), testing::EndsWith("waiting"));
}

TEST(FormatProgress, SurvivesTheFirstMomentAndAGrowingFile) {
  EXPECT_THAT(FormatProgress({}, 0, 80), HasSubstr("0 rows"));
  EXPECT_THAT(FormatProgress({.bytes_done = 200, .bytes_total = 100}, 1, 80), HasSubstr("100 %"));
}

TEST(ShowsProgress, AutoNeedsATerminal) {
  EXPECT_TRUE(ShowsProgress("always", -1));
  EXPECT_FALSE(ShowsProgress("never", 2));
  EXPECT_FALSE(ShowsProgress("auto", -1));
}

}  // namespace
}  // namespace tsingest
