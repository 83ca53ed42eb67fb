#include "tsingest/source/letters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tsingest/model/builtin/sensor_data.h"

namespace tsingest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Letters in memory, two a page.
class ListedLetters final : public LetterBox {
 public:
  explicit ListedLetters(std::vector<StoredLetter> letters) : letters_(std::move(letters)) {}
  absl::StatusOr<std::vector<StoredLetter>> Read(const LetterFilter&, std::int64_t after,
                                                 std::size_t) override {
    std::vector<StoredLetter> page;
    for (const StoredLetter& letter : letters_) {
      if (letter.id > after && page.size() < 2) page.push_back(letter);
    }
    return page;
  }
  absl::StatusOr<LetterCounts> Count(const LetterFilter&, LetterGroup) override {
    return absl::UnimplementedError("not asked for");
  }
  absl::StatusOr<std::int64_t> Purge(const LetterFilter&) override {
    return absl::UnimplementedError("not asked for");
  }

 private:
  std::vector<StoredLetter> letters_;
};

class NoListener final : public SourceListener {
 public:
  absl::Status OnAssigned(std::span<const StreamId>) override { return absl::OkStatus(); }
  void OnRevoked(std::span<const StreamId>, bool) override {}
};

std::string Row(int temp) {
  return R"({"ts":1600000000,"device_id":"d","temp":)" + std::to_string(temp) + "}";
}

// What a replay of the letters gives: temp of each row, and reasons of the rejects.
struct Replayed {
  std::vector<double> temps = {};
  std::vector<std::string> rejects = {};
  std::vector<std::int64_t> offsets = {};
  std::vector<Timestamp> arrivals = {};
};

Replayed Replay(std::vector<StoredLetter> letters, LetterSourceOptions options = {},
                LetterDecoderOptions decoding = {}) {
  ListedLetters box(std::move(letters));
  LetterSource source(box, std::move(options));
  LetterDecoder<SensorReading> decoder(source, std::move(decoding));
  EXPECT_TRUE(decoder.Prepare().ok());
  NoListener listener;
  EXPECT_TRUE(source.Open(listener).ok());
  Replayed out;
  Arena arena;
  std::vector<SensorReading> rows;
  bool refuse_once = true;
  for (PollState state = PollState::kActive; state == PollState::kActive;) {
    state = *source.Poll({}, [&](const Message& message) {
      if (std::exchange(refuse_once, false)) return false;  // it comes again
      out.offsets.push_back(message.position.offset);
      out.arrivals.push_back(message.arrival);
      const Reject reject = decoder.Decode(
          {.payload = arena.CopyPadded(message.payload), .arrival = message.arrival}, arena, rows);
      if (reject) out.rejects.push_back(reject.reason);
      return true;
    });
  }
  for (const SensorReading& row : rows) out.temps.push_back(row.temp.value_or(-1));
  return out;
}

StoredLetter Letter(std::int64_t id, std::string payload, std::string code = "time",
                    std::int64_t row = 0) {
  return {.id = id,
          .reason = "why",
          .code = std::move(code),
          .payload = std::move(payload),
          .row = row};
}

TEST(LetterSource, GivesOnlyTheRangesThatItIsTold) {
  std::vector<StoredLetter> letters;
  for (int id = 1; id <= 9; ++id) letters.push_back(Letter(id, Row(id)));
  EXPECT_THAT(Replay(letters, {.only = LetterIdRanges{{2, 3}, {6, 6}, {8, 8}}}).offsets,
              ElementsAre(2, 3, 6, 8));
  EXPECT_THAT(Replay(letters, {.last_id = 6, .only = LetterIdRanges{{5, 20}}}).offsets,
              ElementsAre(5, 6));
  EXPECT_THAT(Replay(letters, {.only = LetterIdRanges{}}).offsets, IsEmpty());
}

TEST(LetterSource, GivesEachLetterOnceUpToTheLastOne) {
  const Replayed replayed = Replay(
      {Letter(3, Row(3)), Letter(5, Row(5)), Letter(6, Row(6)), Letter(9, Row(9))}, {.last_id = 6});
  EXPECT_THAT(replayed.offsets, ElementsAre(3, 5, 6));
  EXPECT_THAT(replayed.temps, ElementsAre(3, 5, 6));
}

TEST(LetterSource, GivesARepairInPlaceOfThePayload) {
  EXPECT_THAT(Replay({Letter(1, "nonsense"), Letter(2, Row(2))}, {.repairs = {{1, Row(7)}}}).temps,
              ElementsAre(7, 2));
}

TEST(LetterDecoder, TakesTheOneRowThatWasRefused) {
  const std::string three = "[" + Row(1) + "," + Row(2) + "," + Row(3) + "]";
  EXPECT_THAT(Replay({Letter(1, three, "23514", 2)}).temps, ElementsAre(2));
  EXPECT_THAT(Replay({Letter(1, three, "missing", 3)}).temps, ElementsAre(3))
      << "tried again since";
  EXPECT_THAT(Replay({Letter(1, three, "missing")}).temps, ElementsAre(1, 2, 3));
}

TEST(LetterDecoder, TakesARepairOfOneRowForThatRow) {
  EXPECT_THAT(Replay({Letter(1, "[]", "23514", 2)}, {.repairs = {{1, Row(8)}}}).temps,
              ElementsAre(8));
}

TEST(LetterDecoder, DoesNotGuessWhichRowWasRefused) {
  const std::string two = "[" + Row(1) + "," + Row(2) + "]";
  const Replayed replayed = Replay({Letter(1, two, "23514"), Letter(2, two, "23514", 3)});
  EXPECT_THAT(replayed.temps, IsEmpty());
  EXPECT_THAT(replayed.rejects, ElementsAre(HasSubstr("which of them was refused is not recorded"),
                                            HasSubstr("row 3 was refused")));
}

TEST(LetterDecoder, DoesNotTakeTheBeginningOfACutMessageForTheWhole) {
  StoredLetter cut = Letter(1, Row(1) + "\n", "limit");
  cut.reason = "message of 99 bytes is larger than the source's limit; only its first 50 were kept";
  EXPECT_THAT(Replay({cut}).temps, IsEmpty());
  EXPECT_THAT(Replay({cut}, {.repairs = {{1, Row(4)}}}).temps, ElementsAre(4));
}

constexpr char kSemicolons[] =
    R"({"format":"csv","model":"sensor_data","columns":["ts","d","t"],"delimiter":";",)"
    R"("decimal_comma":true,"map":["device_id=d","temp=t"]})";
constexpr char kTabs[] =
    R"({"format":"csv","model":"sensor_data","columns":["temp","device_id","ts"],"delimiter":"\t"})";

StoredLetter Read(StoredLetter letter, std::string reading) {
  letter.reading = std::move(reading);
  return letter;
}

TEST(LetterSource, TheMessagesArrivalGoesBeforeTheLetters) {
  StoredLetter with = Letter(1, Row(1));
  with.at = Timestamp(std::chrono::seconds(100));
  StoredLetter without = with;
  without.id = 2;
  with.arrival = Timestamp(std::chrono::seconds(50));
  EXPECT_THAT(Replay({with, without}).arrivals, ElementsAre(Timestamp(std::chrono::seconds(50)),
                                                            Timestamp(std::chrono::seconds(100))));
}

TEST(LetterDecoder, ReadsEachLetterAsItSays) {
  const Replayed replayed = Replay(
      {Read(Letter(1, "1600000000;d;1,5"), kSemicolons),
       Read(Letter(2, "2.5\td\t1600000000"), kTabs),
       Read(Letter(3, "1600000000;d;3,5"), kSemicolons),
       Read(Letter(4, Row(4)), R"({"format":"json","model":"sensor_data"})"), Letter(5, Row(5))});
  EXPECT_THAT(replayed.temps, ElementsAre(1.5, 2.5, 3.5, 4, 5));
  EXPECT_THAT(replayed.rejects, IsEmpty());
}

TEST(LetterDecoder, ARecordThatLooksLikeJsonIsARecordUnlessItIsARepair) {
  const StoredLetter record = Read(Letter(1, "{1600000000};d;1"), kSemicolons);
  EXPECT_THAT(Replay({record}).rejects, ElementsAre(HasSubstr("{1600000000}")));
  EXPECT_THAT(Replay({record}, {.repairs = {{1, Row(7)}}}).temps, ElementsAre(7));
  StoredLetter repaired_before = Read(Letter(1, Row(8)), kSemicolons);
  repaired_before.original = "1600000000;d;x";
  EXPECT_THAT(Replay({repaired_before}).temps, ElementsAre(8));
}

TEST(LetterDecoder, AReadingOfAnotherModelOrVersionIsNotGuessedAt) {
  EXPECT_THAT(Replay({Read(Letter(1, Row(1)), R"({"format":"json","model":"metrics"})")}).rejects,
              ElementsAre(HasSubstr("model metrics")));
  EXPECT_THAT(
      Replay({Read(Letter(1, Row(1)), R"({"format":"json","model":"sensor_data","a":1})")}).rejects,
      ElementsAre(HasSubstr("not known to this version")));
}

TEST(LetterDecoder, ALocalTimeThatCameTwiceIsNotToldByTheOrderOfLetters) {
  const std::string order =
      R"({"format":"csv","model":"sensor_data","columns":["ts","device_id","temp"],)"
      R"("time_zone":"Europe/Berlin"})";
  const std::string later = order.substr(0, order.size() - 1) + R"(,"ambiguous_time":"later"})";
  const std::string before = "2024-10-27 01:50:00,d,1";
  const std::string twice = "2024-10-27 02:10:00,d,2";
  EXPECT_THAT(Replay({Read(Letter(1, before), order), Read(Letter(2, twice), order)}).temps,
              ElementsAre(1));
  EXPECT_THAT(Replay({Read(Letter(1, before), later), Read(Letter(2, twice), later)}).temps,
              ElementsAre(1, 2));
}

TEST(LetterDecoder, ReadingsAreIgnoredWhenAskedFor) {
  EXPECT_THAT(
      Replay({Read(Letter(1, "1600000000,d,9"), kSemicolons)}, {},
             {.header = CsvHeader{.names = {"ts", "device_id", "temp"}}, .ignores_readings = true})
          .temps,
      ElementsAre(9));
}

TEST(LetterDecoder, AWindowThatIsGivenReplacesTheLettersOwn) {
  const std::string reading =
      R"({"format":"json","model":"sensor_data","not_before":"2024-01-01T00:00:00Z"})";
  const StoredLetter letter = Read(Letter(1, Row(1)), reading);
  EXPECT_THAT(Replay({letter}).temps, IsEmpty());
  LetterDecoderOptions earlier;
  earlier.window.not_before = Timestamp{};
  EXPECT_THAT(Replay({letter}, {}, earlier).temps, ElementsAre(1));
  LetterDecoderOptions other_end;
  other_end.window.max_ahead = std::chrono::hours(1);
  EXPECT_THAT(Replay({letter}, {}, other_end).temps, IsEmpty());
}

}  // namespace
}  // namespace tsingest
