// CsvSource over FIFOs and standard input: what comes is given out at once.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/source_reader.h"
#include "support/temp_dir.h"
#include "tsingest/source/csv.h"
#include "unit/source/csv_reading.h"

namespace tsingest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SourceReader;

constexpr MonotonicTime kFarAway = MonotonicTime::max();

// A FIFO with a source at its end. The test's own end is open for both, so that neither blocks.
class CsvPipeTest : public ::testing::Test {
 protected:
  CsvPipeTest() {
    if (::mkfifo(path_.c_str(), 0600) != 0) std::abort();
    writer_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  }
  ~CsvPipeTest() override { EndWriting(); }

  void Start(const SourceReader::Stored& stored = {}) {
    CsvSourceOptions options;
    options.files = {path_};
    options.on_header = [this](StreamId, const CsvHeader& header) {
      header_ = header.names;
      return absl::OkStatus();
    };
    source_ = std::make_unique<CsvSource>(std::move(options));
    reader_ = std::make_unique<SourceReader>(*source_, Duration::zero(), stored);
    const absl::Status status = source_->Open(*reader_);
    ASSERT_TRUE(status.ok()) << status;
  }

  void Write(std::string_view text) {
    ASSERT_EQ(::write(writer_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void EndWriting() {
    if (writer_ >= 0) ::close(writer_);
    writer_ = -1;
  }

  // What a Poll() that does not wait gives.
  std::vector<std::string> Poll(PollState expected = PollState::kActive) {
    std::vector<std::string> payloads;
    const std::size_t before = reader_->polled;
    const absl::StatusOr<PollState> state = reader_->Poll();
    EXPECT_TRUE(state.ok()) << state.status();
    if (state.ok()) {
      EXPECT_EQ(*state, expected);
    }
    if (reader_->polled == before) return payloads;
    const auto& received = reader_->received.at(0);
    for (std::size_t i = before; i < received.size(); ++i) payloads.push_back(received[i].payload);
    return payloads;
  }

  testing::TempDir dir_;
  std::string path_ = dir_.Path("pipe");
  int writer_ = -1;
  std::vector<std::string> header_;
  std::unique_ptr<CsvSource> source_;
  std::unique_ptr<SourceReader> reader_;
};

TEST_F(CsvPipeTest, GivesRecordsAsTheyCome) {
  Start();
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_THAT(reader_->names, IsEmpty());  // nothing is known of it yet
  Write("ts,va");
  EXPECT_THAT(Poll(), IsEmpty());
  Write("lue\n1,2\n3");
  EXPECT_THAT(Poll(), ElementsAre("1,2"));
  EXPECT_THAT(header_, ElementsAre("ts", "value"));
  EXPECT_THAT(Poll(), IsEmpty());
  Write(",\"4\n");
  EXPECT_THAT(Poll(), IsEmpty());
  Write("5\"\n6,7\n8,9");
  EXPECT_THAT(Poll(), ElementsAre("3,\"4\n5\"", "6,7"));
  EndWriting();
  EXPECT_THAT(Poll(PollState::kEnd), ElementsAre("8,9"));
  EXPECT_EQ(reader_->received.at(0).back().position.next, 28);
  EXPECT_EQ(source_->TotalSize(), 0);
  EXPECT_EQ(source_->Progress().total_bytes, 0);
}

TEST_F(CsvPipeTest, DecompressesWhatHasCome) {
  const std::string first = testing::Gzip("ts,value\n1,2\n3,4\n");
  const std::string second = testing::Gzip("5,6\n");
  Start();
  Write(first.substr(0, 5));
  EXPECT_THAT(Poll(), IsEmpty());
  Write(first.substr(5));
  EXPECT_THAT(Poll(), ElementsAre("1,2", "3,4"));
  Write(second);
  EXPECT_THAT(Poll(), ElementsAre("5,6"));
}

TEST_F(CsvPipeTest, AnEmptyPipeEnds) {
  Start();
  Write("\n");
  EXPECT_THAT(Poll(), IsEmpty());
  EndWriting();
  EXPECT_THAT(Poll(PollState::kEnd), IsEmpty());
}

TEST_F(CsvPipeTest, APipeThatNobodyWritesToYetIsNotAtItsEnd) {
  EndWriting();
  Start();
  EXPECT_THAT(Poll(), IsEmpty());
  writer_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  Write("a\n1\n");
  EXPECT_THAT(Poll(), ElementsAre("1"));
  EndWriting();
  EXPECT_THAT(Poll(PollState::kEnd), IsEmpty());
}

TEST_F(CsvPipeTest, WakeEndsAPollThatWaits) {
  Start();
  source_->Wake();  // before the wait: the next one is meant
  absl::StatusOr<PollState> state = source_->Poll(kFarAway, [](const Message&) { return true; });
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(*state, PollState::kActive);
  source_->Pause();
  source_->Wake();
  state = source_->Poll(kFarAway, [](const Message&) { return true; });
  ASSERT_TRUE(state.ok());
}

TEST_F(CsvPipeTest, WaitsForTheFirstMessageOnly) {
  Start();
  Write("a\n1\n2\n");
  std::vector<std::string> payloads;
  // Would never return if it waited for a third record.
  const absl::StatusOr<PollState> state = source_->Poll(kFarAway, [&](const Message& message) {
    payloads.emplace_back(message.payload);
    return true;
  });
  ASSERT_TRUE(state.ok());
  EXPECT_THAT(payloads, ElementsAre("1", "2"));
}

TEST_F(CsvPipeTest, AHeaderThatIsRefusedIsAnErrorOfPoll) {
  CsvSourceOptions options;
  options.files = {path_};
  options.on_header = [](StreamId, const CsvHeader&) {
    return absl::InvalidArgumentError("no column for time");
  };
  CsvSource source(std::move(options));
  SourceReader reader(source, Duration::zero());
  ASSERT_TRUE(source.Open(reader).ok());
  Write("a\n1\n");
  const absl::StatusOr<PollState> state = reader.Poll();
  EXPECT_EQ(state.status().message(), path_ + ": no column for time");
  EXPECT_EQ(source.Health(), state.status());
}

TEST_F(CsvPipeTest, TheSameTextAgainGoesOnWhereItEnded) {
  Start();
  Write("a\n1\n2\n3\n");
  ASSERT_THAT(Poll(), ElementsAre("1", "2", "3"));
  const SourceReader::Stored stored = {
      {"file:" + path_, {reader_->received.at(0)[1].position.next, source_->StreamDetail(0)}}};
  Start(stored);
  Write("a\n1\n2\n");
  EXPECT_THAT(Poll(), IsEmpty());  // not as much as is to be recognised
  Write("3\n4\n");
  EXPECT_THAT(Poll(), ElementsAre("3", "4"));
}

TEST_F(CsvPipeTest, AnotherTextIsRefused) {
  Start();
  Write("a\n1\n2\n3\n");
  ASSERT_THAT(Poll(), ElementsAre("1", "2", "3"));
  const SourceReader::Stored stored = {
      {"file:" + path_, {reader_->received.at(0)[1].position.next, source_->StreamDetail(0)}}};
  Start(stored);
  Write("a\n7\n8\n9\n");
  const absl::StatusOr<PollState> state = reader_->Poll();
  EXPECT_EQ(state.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(state.status().message()), HasSubstr("it was replaced"));
}

TEST_F(CsvPipeTest, APipeCannotBeSoughtOnceItIsRead) {
  Start();
  Write("a\n1\n");
  ASSERT_THAT(Poll(), ElementsAre("1"));
  EXPECT_EQ(source_->Seek(0, std::nullopt).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(CsvPipeTest, StandardInputIsADash) {
  const int saved = ::dup(STDIN_FILENO);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string_view text = "a\n1\n";
  ASSERT_EQ(::write(ends[1], text.data(), text.size()), 4);
  ::close(ends[1]);
  ::dup2(ends[0], STDIN_FILENO);
  ::close(ends[0]);
  const testing::CsvRun run = testing::RunCsv("-");
  EXPECT_EQ(::lseek(STDIN_FILENO, 0, SEEK_CUR), -1);
  EXPECT_NE(::fcntl(STDIN_FILENO, F_GETFD), -1);  // left open
  ::dup2(saved, STDIN_FILENO);
  ::close(saved);
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_THAT(run.Payloads(), ElementsAre("1"));
  EXPECT_TRUE(run.ends.contains("file:-"));
}

TEST_F(CsvPipeTest, FilesAndPipesTakeTurnsInTheOrderGiven) {
  CsvSourceOptions options;
  options.files = {dir_.Write("1.csv", "a\n1\n"), path_, dir_.Write("2.csv", "a\n3\n")};
  CsvSource source(std::move(options));
  SourceReader reader(source, Duration::zero());
  ASSERT_TRUE(source.Open(reader).ok());
  ASSERT_TRUE(reader.Poll().ok());
  EXPECT_EQ(reader.names.size(), 2u);  // the files
  EXPECT_EQ(reader.polled, 1u);
  Write("a\n2\n");
  ASSERT_TRUE(reader.Poll().ok());
  EXPECT_EQ(reader.received.at(1)[0].payload, "2");
  EndWriting();
  EXPECT_EQ(*reader.Poll(), PollState::kEnd);
  EXPECT_EQ(reader.received.at(2)[0].payload, "3");
}

}  // namespace
}  // namespace tsingest
