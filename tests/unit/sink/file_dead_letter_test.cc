#include "tsingest/sink/file_dead_letter.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "support/temp_dir.h"
#include "tsingest/model/json_text.h"

namespace tsingest::testing {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<std::string> Lines(const std::string& path) {
  std::istringstream in(ReadFile(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

DeadLetter Letter(std::string_view payload, std::int64_t position = 7) {
  return {.at = Timestamp(std::chrono::microseconds(1'704'067'200'123'456)),
          .source = "csv-replay",
          .stream = "file:a.csv",
          .position = position,
          .line = 17,
          .topic = "plant/7",
          .reason = "line 17: value: \"abc\" is not a number",
          .code = "type",
          .payload = payload,
          .key = "k"};
}

absl::Status Store(DeadLetterStore& store, const DeadLetter& letter) {
  return store.Store({&letter, 1});
}

class FileDeadLetterTest : public ::testing::Test {
 protected:
  TempDir dir_;
  std::string path_ = dir_.Path("dead.jsonl");
};

TEST_F(FileDeadLetterTest, WritesEveryMemberInOrder) {
  FileDeadLetterStore store(path_);
  ASSERT_TRUE(store.Open().ok());
  ASSERT_TRUE(Store(store, Letter("1,abc\n")).ok());
  EXPECT_EQ(ReadFile(path_),
            "{\"at\":\"2024-01-01T00:00:00.123456Z\",\"source\":\"csv-replay\","
            "\"stream\":\"file:a.csv\",\"position\":7,\"line\":17,\"topic\":\"plant/7\","
            "\"reason\":\"line 17: value: \\\"abc\\\" is not a number\",\"code\":\"type\","
            "\"payload\":\"1,abc\\n\",\"key\":\"k\"}\n");
}

TEST_F(FileDeadLetterTest, EmptyTextsAreNullAndBytesAreBase64) {
  FileDeadLetterStore store(path_);
  ASSERT_TRUE(store.Open().ok());
  ASSERT_TRUE(Store(store, {.position = 1, .payload = std::string_view("\xff\x00z", 3)}).ok());
  ASSERT_TRUE(Store(store, {.key = "\xc3"}).ok());
  const std::vector<std::string> lines = Lines(path_);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NE(lines[0].find("\"source\":null,\"stream\":null,\"position\":1,\"line\":null,"
                          "\"topic\":null,\"reason\":null,\"code\":null,"
                          "\"payload_base64\":\"/wB6\",\"key\":null}"),
            std::string::npos)
      << lines[0];
  EXPECT_NE(lines[1].find("\"payload\":\"\",\"key_base64\":\"ww==\"}"), std::string::npos);
}

TEST_F(FileDeadLetterTest, EveryPayloadGivesOneValidLine) {
  FileDeadLetterStore store(path_);
  ASSERT_TRUE(store.Open().ok());
  std::string payload;
  for (int byte = 0; byte < 256; ++byte) {
    payload.push_back(static_cast<char>(byte));
    ASSERT_TRUE(Store(store, Letter(payload)).ok());
    ASSERT_TRUE(Store(store, Letter(std::string(1, static_cast<char>(byte)))).ok());
  }
  const std::vector<std::string> lines = Lines(path_);
  EXPECT_EQ(lines.size(), 512u);
  for (const std::string& line : lines) EXPECT_TRUE(CheckJson(line).ok()) << line;
}

TEST_F(FileDeadLetterTest, AppendsToWhatIsThere) {
  for (int run = 0; run < 3; ++run) {
    FileDeadLetterStore store(path_);
    ASSERT_TRUE(store.Open().ok());
    ASSERT_TRUE(Store(store, Letter("x", run)).ok());
    ASSERT_TRUE(store.Close().ok());
  }
  EXPECT_EQ(Lines(path_).size(), 3u);
}

TEST_F(FileDeadLetterTest, CutsOffALastLineThatACrashLeftUnfinished) {
  std::string line;
  {
    FileDeadLetterStore store(path_);
    ASSERT_TRUE(store.Open().ok());
    ASSERT_TRUE(Store(store, Letter(std::string(9000, 'x'))).ok());
    line = ReadFile(path_);
  }
  for (std::size_t torn = 0; torn < line.size(); torn += torn < 20 ? 1 : 613) {
    dir_.Write("dead.jsonl", line + line.substr(0, torn));
    FileDeadLetterStore store(path_);
    ASSERT_TRUE(store.Open().ok());
    EXPECT_EQ(ReadFile(path_), line) << torn;
    ASSERT_TRUE(Store(store, Letter("y")).ok());
    EXPECT_EQ(Lines(path_).size(), 2u);
  }
}

TEST_F(FileDeadLetterTest, LeavesAFileAloneThatIsNotItsOwn) {
  const std::string path = dir_.Write("data.csv", "a,b\n1,2");
  FileDeadLetterStore store(path);
  const absl::Status status = store.Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("is it another file?"), absl::string_view::npos);
  EXPECT_EQ(ReadFile(path), "a,b\n1,2");
}

TEST_F(FileDeadLetterTest, LeavesAFileOfWholeLinesAloneThatAreNoDeadLetters) {
  for (const std::string text :
       {"a,b\n1,2\n", "\n", "{\"at\":\"2024-01-01T00:00:00Z\",\"value\":1}\n",
        "{\"at\":\"2024-01-01T00:00:00Z\"}\n", "1,2\n{\"at"}) {
    const std::string path = dir_.Write("data.csv", text);
    FileDeadLetterStore store(path);
    const absl::Status status = store.Open();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << text;
    EXPECT_NE(status.message().find("is it another file?"), absl::string_view::npos) << status;
    EXPECT_EQ(ReadFile(path), text);
  }
}

TEST_F(FileDeadLetterTest, LooksAtTheLastLineBeforeEveryLetter) {
  FileDeadLetterStore store(path_);
  ASSERT_TRUE(store.Open().ok());
  dir_.Write("dead.jsonl", "1,2\n");
  EXPECT_EQ(Store(store, Letter("x")).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReadFile(path_), "1,2\n");
}

TEST_F(FileDeadLetterTest, TakesLettersWithoutTextSource) {
  FileDeadLetterStore store(path_);
  ASSERT_TRUE(store.Open().ok());
  for (const std::string_view source : {"", "\xff", "kafka2ts"}) {
    ASSERT_TRUE(Store(store, {.source = source, .payload = "x"}).ok()) << source;
  }
  EXPECT_EQ(Lines(path_).size(), 3u);
}

TEST_F(FileDeadLetterTest, WithoutLettersThereIsNoFile) {
  FileDeadLetterStore store(path_);
  ASSERT_TRUE(store.Open().ok());
  EXPECT_NE(::access(path_.c_str(), F_OK), 0);
  ASSERT_TRUE(store.Store({}).ok());
  ASSERT_TRUE(store.Close().ok());
  EXPECT_NE(::access(path_.c_str(), F_OK), 0);
  dir_.Write("dead.jsonl", "");
  ASSERT_TRUE(store.Open().ok());
  EXPECT_EQ(::access(path_.c_str(), F_OK), 0) << "one that was there is not ours to remove";
}

TEST_F(FileDeadLetterTest, SeveralWritersShareAFileWithoutMixingLines) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      FileDeadLetterStore store(path_);  // as another process would have
      ASSERT_TRUE(store.Open().ok());
      for (int i = 0; i < 25; ++i) {
        ASSERT_TRUE(Store(store, Letter(std::string(static_cast<std::size_t>(t * 500), 'x'))).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> lines = Lines(path_);
  EXPECT_EQ(lines.size(), 100u);
  for (const std::string& line : lines) EXPECT_TRUE(CheckJson(line).ok());
}

TEST_F(FileDeadLetterTest, FollowsLogRotation) {
  FileDeadLetterStore store(path_);
  ASSERT_TRUE(store.Open().ok());
  ASSERT_TRUE(Store(store, Letter("1")).ok());
  ASSERT_EQ(std::rename(path_.c_str(), dir_.Path("dead.1").c_str()), 0);
  ASSERT_TRUE(Store(store, Letter("2")).ok());
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  ASSERT_TRUE(Store(store, Letter("3")).ok());
  EXPECT_EQ(Lines(dir_.Path("dead.1")).size(), 1u);
  ASSERT_EQ(Lines(path_).size(), 1u);
  EXPECT_NE(Lines(path_)[0].find("\"payload\":\"3\""), std::string::npos);
}

TEST_F(FileDeadLetterTest, IsNotReadableForEverybody) {
  FileDeadLetterStore store(path_);
  ASSERT_TRUE(store.Open().ok());
  ASSERT_TRUE(Store(store, Letter("1")).ok());
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07, 0u);
}

TEST_F(FileDeadLetterTest, StoreNeedsOpen) {
  FileDeadLetterStore store(path_);
  EXPECT_EQ(Store(store, Letter("1")).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(store.Open().ok());
  ASSERT_TRUE(store.Close().ok());
  EXPECT_EQ(Store(store, Letter("1")).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(FileDeadLetterTest, AFullDiskIsCalledSo) {
  FileDeadLetterStore store("/dev/full");
  ASSERT_TRUE(store.Open().ok());
  const absl::Status status = Store(store, Letter("1"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("No space left on device"), std::string::npos) << status;
}

TEST_F(FileDeadLetterTest, AMissingDirectoryIsNamed) {
  FileDeadLetterStore store("/nowhere/dead.jsonl");
  EXPECT_EQ(store.Open().message(),
            "cannot open dead letter file /nowhere/dead.jsonl: No such file or directory (does its "
            "directory exist?)");
}

TEST(CountingDeadLetterStore, CountsAndShowsEachLetter) {
  std::vector<std::string> seen;
  CountingDeadLetterStore store(
      [&](const DeadLetter& letter) { seen.emplace_back(letter.payload); });
  const std::vector<DeadLetter> letters{Letter("1"), Letter("2")};
  ASSERT_TRUE(store.Store(letters).ok());
  EXPECT_EQ(store.count(), 2u);
  EXPECT_EQ(seen, (std::vector<std::string>{"1", "2"}));
  CountingDeadLetterStore silent;
  EXPECT_TRUE(silent.Store(letters).ok());
}

}  // namespace
}  // namespace tsingest::testing
