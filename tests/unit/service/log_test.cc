#include "tsingest/service/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "service/log_internal.h"
#include "tsingest/service/time_text.h"

namespace tsingest {
namespace {

using internal::FormatLogLine;
using internal::LogRecord;
using internal::RepeatLimiter;
using std::chrono::microseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr Timestamp kTime{microseconds(1705314600123456)};

std::string Line(LogFormat format, std::string_view message, std::vector<LogField> fields = {}) {
  return FormatLogLine(format, LogRecord{kTime, LogLevel::kWarn, "postgres", message}, fields);
}

TEST(TimeText, IsRfc3339AndUptime) {
  EXPECT_EQ(Rfc3339(kTime), "2024-01-15T10:30:00.123456Z");
  EXPECT_EQ(Rfc3339(Timestamp(microseconds(-1))), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(UptimeText(std::chrono::hours(2) + std::chrono::minutes(15) + seconds(30)), "2h15m30s");
  EXPECT_EQ(UptimeText(seconds(3600)), "1h0m0s");
  EXPECT_EQ(UptimeText(seconds(900)), "15m0s");
  EXPECT_EQ(UptimeText(std::chrono::milliseconds(42900)), "42s");
}

TEST(FormatLogLine, TextHasTimeLevelComponentMessageAndFields) {
  EXPECT_EQ(Line(LogFormat::kText, "server is away",
                 {{"attempt", 3}, {"wait", "2s"}, {"why", "no route"}, {"ok", false}, {"x", 1.5}}),
            "2024-01-15T10:30:00.123456Z WARN  postgres: server is away attempt=3 wait=2s "
            "why=\"no route\" ok=false x=1.5\n");
}

TEST(FormatLogLine, JsonIsOneObjectALine) {
  EXPECT_EQ(
      Line(LogFormat::kJson, "a \"b\"\n", {{"n", std::uint64_t{18446744073709551615U}}}),
      "{\"time\":\"2024-01-15T10:30:00.123456Z\",\"level\":\"warn\",\"component\":\"postgres\","
      "\"msg\":\"a \\\"b\\\"\\n\",\"n\":18446744073709551615}\n");
}

TEST(FormatLogLine, InputCannotForgeLinesOrBreakJson) {
  const std::string text = Line(LogFormat::kText, "x\nFAKE\x1b[31m \xff", {{"f", "a\nb"}});
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  EXPECT_THAT(text, HasSubstr("x\\x0aFAKE\\x1b[31m \\xff"));
  EXPECT_THAT(text, HasSubstr("f=\"a\\nb\""));
  EXPECT_THAT(Line(LogFormat::kJson, "\xff\xc3\xa9"),
              HasSubstr("\"msg\":\"\xef\xbf\xbd\xc3\xa9\""));
}

TEST(FormatLogLine, HidesPasswordsInMessageAndFields) {
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line = Line(format, "connecting to postgresql://u:hush@h/d",
                                  {{"conninfo", "host=h password=hush"}});
    EXPECT_THAT(line, Not(HasSubstr("hush")));
    EXPECT_THAT(line, HasSubstr("postgresql://u:****@h/d"));
  }
}

class RepeatLimiterTest : public testing::Test {
 protected:
  bool Allow(std::string_view message, int at_second, LogLevel level = LogLevel::kWarn) {
    return limiter_.Allow(level, "c", message, MonotonicTime(seconds(at_second)));
  }
  RepeatLimiter limiter_{2, seconds(10)};
};

TEST_F(RepeatLimiterTest, WritesABurstAndCountsTheRest) {
  EXPECT_TRUE(Allow("row 1 bad", 0));
  EXPECT_TRUE(Allow("row 22 bad", 1));
  EXPECT_FALSE(Allow("row 3 bad", 2));
  EXPECT_FALSE(Allow("row 4 bad", 3));
  EXPECT_THAT(limiter_.TakeEnded(MonotonicTime(seconds(9)), false), IsEmpty());
  const auto ended = limiter_.TakeEnded(MonotonicTime(seconds(10)), false);
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].message, "row 3 bad");
  EXPECT_EQ(ended[0].more, 2U);
  EXPECT_TRUE(Allow("row 5 bad", 11));
}

TEST_F(RepeatLimiterTest, TellsKindsLevelsAndQuotedPartsApart) {
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(Allow("value \"a\" is bad", 0));
    EXPECT_TRUE(Allow("other", 0));
    EXPECT_TRUE(Allow("other", 0, LogLevel::kError));
  }
  EXPECT_FALSE(Allow("value \"something else\" is bad", 0));
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(Allow("other", 0, LogLevel::kDebug));
}

TEST_F(RepeatLimiterTest, WindowWithoutHeldMessagesStartsAnew) {
  EXPECT_TRUE(Allow("x", 0));
  EXPECT_TRUE(Allow("x", 1));
  EXPECT_TRUE(Allow("x", 10));
  EXPECT_TRUE(Allow("x", 11));
  EXPECT_FALSE(Allow("x", 12));
}

TEST_F(RepeatLimiterTest, MemoryIsBoundedAndNothingIsLostForIt) {
  for (std::size_t i = 0; i < RepeatLimiter::kMaxKinds; ++i) {
    std::string kind(i % 26 + 1, static_cast<char>('a' + i % 26));
    kind += std::string(i / 26, '-');
    EXPECT_TRUE(Allow(kind, 0));
  }
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Allow("one kind too many", 0));
}

// A pipe whose reading end the test holds.
class LoggerTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe2(fds_, O_CLOEXEC), 0); }
  void TearDown() override {
    close(fds_[0]);
    close(fds_[1]);
  }
  LogOptions Options() const {
    return {.level = LogLevel::kInfo, .format = LogFormat::kText, .fd = fds_[1]};
  }
  // Everything that is in the pipe now.
  std::string Read() {
    std::string out;
    fcntl(fds_[0], F_SETFL, O_NONBLOCK);
    char block[65536];
    for (ssize_t n; (n = read(fds_[0], block, sizeof(block))) > 0;) {
      out.append(block, static_cast<std::size_t>(n));
    }
    return out;
  }
  int fds_[2] = {-1, -1};
};

TEST_F(LoggerTest, WritesEnabledLevelsInOrder) {
  {
    Logger logger(Options());
    logger.Log(LogLevel::kDebug, "c", "hidden");
    logger.Log(LogLevel::kInfo, "c", "first", {{"k", "v"}});
    logger.Log(LogLevel::kError, "c", "second");
  }
  const std::string text = Read();
  EXPECT_THAT(text, Not(HasSubstr("hidden")));
  EXPECT_LT(text.find("first k=v\n"), text.find("ERROR c: second\n"));
}

TEST_F(LoggerTest, DefaultsToJsonWhereThereIsNoTerminal) {
  LogOptions options = Options();
  options.format.reset();
  { Logger(options).Log(LogLevel::kInfo, "c", "m"); }
  EXPECT_THAT(Read(), HasSubstr("\"msg\":\"m\""));
}

TEST_F(LoggerTest, ReportsWhatItHeldBackAtTheLatestAtTheEnd) {
  {
    Logger logger(Options());
    for (int i = 0; i < 62; ++i) logger.Log(LogLevel::kWarn, "c", "again " + std::to_string(i));
  }
  const std::string text = Read();
  EXPECT_THAT(text, HasSubstr("again 4\n"));
  EXPECT_THAT(text, Not(HasSubstr("again 6\n")));
  EXPECT_THAT(text, HasSubstr("again 5 … 57 more like this repeated=57\n"));
}

TEST_F(LoggerTest, StuckReaderStopsNobodyAndLossIsCounted) {
  LogOptions options = Options();
  options.burst = 1'000'000;
  options.queue_bytes = 256 * 1024;  // more than a pipe holds
  Logger logger(options);
  const std::string filler(200, 'x');
  for (int i = 0; i < 5000; ++i) logger.Log(LogLevel::kInfo, "c", filler);  // a megabyte
  EXPECT_FALSE(logger.Flush(std::chrono::milliseconds(1)));
  std::string text;
  while (!logger.Flush(std::chrono::milliseconds(1))) text += Read();
  logger.Log(LogLevel::kInfo, "c", "alive again");
  while (!logger.Flush(std::chrono::milliseconds(1))) text += Read();  // the pipe may be full still
  text += Read();
  EXPECT_THAT(text, HasSubstr("log lines lost: stderr took no more"));
  EXPECT_THAT(text, HasSubstr("alive again"));
}

TEST_F(LoggerTest, DestructorDoesNotHangOnAStuckReader) {
  LogOptions options = Options();
  options.burst = 1'000'000;
  Logger logger(options);
  for (int i = 0; i < 5000; ++i) logger.Log(LogLevel::kInfo, "c", std::string(200, 'x'));
}

TEST_F(LoggerTest, KeepsTheStatusLineBelowTheLog) {
  {
    Logger logger(Options());
    logger.SetStatusLine("50 %");
    ASSERT_TRUE(logger.Flush(seconds(10)));
    logger.Log(LogLevel::kInfo, "c", "m");
    ASSERT_TRUE(logger.Flush(seconds(10)));
  }
  EXPECT_THAT(Read(), testing::MatchesRegex("50 %\r\x1b\\[K[^\n]*c: m\n50 %\r\x1b\\[K"));
}

TEST_F(LoggerTest, ManyThreadsLoseNothing) {
  LogOptions options = Options();
  options.burst = 1'000'000;
  {
    Logger logger(options);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&logger] {
        for (int i = 0; i < 100; ++i) logger.Log(LogLevel::kInfo, "c", "m");
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const std::string text = Read();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 400);
}

}  // namespace
}  // namespace tsingest
