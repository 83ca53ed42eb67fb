// LetterSource: dead letters as messages, to be replayed. LetterDecoder<M>: their rows.
#ifndef TSINGEST_SOURCE_LETTERS_H_
#define TSINGEST_SOURCE_LETTERS_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/arena.h"
#include "tsingest/base/clock.h"
#include "tsingest/decode/csv.h"
#include "tsingest/decode/decoder.h"
#include "tsingest/decode/json.h"
#include "tsingest/decode/letter_reading_text.h"
#include "tsingest/model/reject.h"
#include "tsingest/model/time_options.h"
#include "tsingest/pipeline/letter_box.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/source.h"

namespace tsingest {

// Payloads to try in place of the letters' own, by id.
using LetterRepairs = std::map<std::int64_t, std::string>;

struct LetterSourceOptions {
  LetterFilter filter = {};
  // Letters behind this id are not read: a replay's own additions, and those of others meanwhile.
  std::int64_t last_id = std::numeric_limits<std::int64_t>::max();
  LetterRepairs repairs = {};
  std::optional<LetterIdRanges> only = {};  // besides the filter
  std::string name = "dead letters";        // of the one stream
};

// Gives the letters of a box as messages, once each, in the order of their ids; Position::offset is
// the id, the time of arrival the message's own, or else that of the letter. Acknowledging is left
// to the sink (PostgresDeadLetters::replay). Errors of the box are errors of Poll().
class LetterSource final : public Source {
 public:
  // Borrows the box, which is open.
  LetterSource(LetterBox& box, LetterSourceOptions options)
      : box_(box), options_(std::move(options)) {
    if (options_.only.has_value() && !options_.only->empty()) {
      read_ = options_.only->front().first - 1;
    }
  }

  // The letter whose message is being given. Valid inside the callback of Poll().
  const StoredLetter& current() const { return page_[at_]; }
  bool current_is_repaired() const { return options_.repairs.contains(current().id); }

  absl::Status Open(SourceListener& listener) override {
    const StreamId stream = 0;
    return listener.OnAssigned({&stream, 1});
  }

  absl::StatusOr<PollState> Poll(MonotonicTime /*deadline*/,
                                 absl::FunctionRef<bool(const Message&)> on_message) override {
    if (paused_) return PollState::kActive;
    if (at_ == page_.size()) {
      auto page = box_.Read(options_.filter, read_, kPage);
      if (!page.ok()) return page.status();
      page_ = *std::move(page);
      at_ = 0;
      if (page_.empty()) return PollState::kEnd;
      read_ = page_.back().id;
    }
    for (; at_ < page_.size(); ++at_) {
      if (current().id > options_.last_id) return PollState::kEnd;
      if (!IsAmongOnly(current().id)) {
        if (range_ == options_.only->size()) return PollState::kEnd;
        continue;
      }
      if (!on_message(MessageOf(current()))) break;
    }
    return PollState::kActive;
  }

  void Pause() override { paused_ = true; }
  void Resume() override { paused_ = false; }
  absl::Status Commit(StreamId, std::int64_t) override { return absl::OkStatus(); }
  absl::StatusOr<std::int64_t> Seek(StreamId, const std::optional<StoredPosition>&) override {
    return 0;
  }
  std::string_view StreamName(StreamId) const override { return options_.name; }
  std::string StreamDetail(StreamId) const override { return {}; }
  absl::Status Health() const override { return absl::OkStatus(); }
  bool Replayable() const override { return true; }
  absl::Status Close() override { return absl::OkStatus(); }

 private:
  static constexpr std::size_t kPage = 500;

  // Ids come in order.
  bool IsAmongOnly(std::int64_t id) {
    if (!options_.only.has_value()) return true;
    const LetterIdRanges& only = *options_.only;
    while (range_ < only.size() && only[range_].last < id) ++range_;
    return range_ < only.size() && only[range_].first <= id;
  }

  Message MessageOf(const StoredLetter& letter) const {
    const auto repair = options_.repairs.find(letter.id);
    return {.payload = repair == options_.repairs.end() ? std::string_view(letter.payload)
                                                        : std::string_view(repair->second),
            .key = letter.key,
            .topic = letter.topic,
            .arrival = letter.arrival.value_or(letter.at),
            .position = {.stream = 0, .offset = letter.id, .next = letter.id + 1},
            .line = letter.line};
  }

  LetterBox& box_;
  const LetterSourceOptions options_;
  std::vector<StoredLetter> page_;
  std::size_t at_ = 0;     // of page_: the next to be given
  std::int64_t read_ = 0;  // the last id in page_
  std::size_t range_ = 0;  // of options_.only: no id to come is in one before it
  bool paused_ = false;
};

struct LetterDecoderOptions {
  // How letters are read that do not say how they were: as JSON, or as a CSV record where they do
  // not begin as JSON does and there is a header. `csv.parse.time.zone` is borrowed.
  JsonOptions json = {};
  CsvOptions csv = {};
  std::optional<CsvHeader> header = {};
  // In place of what the letters say: only the window is looked at, each end where it is set.
  TimeOptions window = {};
  // Every letter is read as the first three say.
  bool ignores_readings = false;
};

// Reads a replayed letter as its message was read when it came (StoredLetter::reading). A repair
// that begins as JSON does is JSON, whatever the letter was. Of a message with several rows only
// the one that the letter is about is taken: the others are stored already. One per thread.
template <Described M>
class LetterDecoder {
 public:
  // Borrows the source, whose messages it decodes.
  explicit LetterDecoder(const LetterSource& source, LetterDecoderOptions options = {})
      : source_(source),
        options_(std::move(options)),
        json_(options_.json),
        unsaid_(options_.json, options_.csv) {}

  // kInvalidArgument: the header of the options does not fit the model. See
  // CsvDecoder::SetHeader().
  absl::Status Prepare() {
    return options_.header.has_value() ? unsaid_.SetHeader(*options_.header) : absl::OkStatus();
  }

  // See Decoder.
  Reject Decode(const DecodeInput& input, Arena& arena, std::vector<M>& rows) {
    const StoredLetter& letter = source_.current();
    const bool repaired = source_.current_is_repaired();
    if (!repaired && IsCutOff(letter)) return {RejectCode::kLimit, letter.reason};
    const std::size_t before = rows.size();
    Reject reject = Read(letter, repaired, input, arena, rows);
    if (reject || rows.size() - before < 2) return reject;
    return Choose(letter, repaired, before, rows);
  }

 private:
  static constexpr std::size_t kMostReadings = 64;

  // One way of reading.
  class Way {
   public:
    Way(const JsonOptions& json, CsvOptions csv) : json_(json), csv_(std::move(csv)) {}

    absl::Status SetHeader(const CsvHeader& header) {
      absl::Status status = csv_.SetHeader(header);
      is_csv_ = status.ok();
      return status;
    }
    // Keeps what the options of the decoders borrow.
    void Keep(std::shared_ptr<const TimeZoneRule> zone) { zone_ = std::move(zone); }
    bool is_csv() const { return is_csv_; }

    Reject Decode(const DecodeInput& input, Arena& arena, std::vector<M>& rows) {
      return is_csv_ ? csv_.Decode(input, arena, rows) : json_.Decode(input, arena, rows);
    }

   private:
    std::shared_ptr<const TimeZoneRule> zone_;
    JsonDecoder<M> json_;
    CsvDecoder<M> csv_;
    bool is_csv_ = false;
  };

  Reject Read(const StoredLetter& letter, bool repaired, const DecodeInput& input, Arena& arena,
              std::vector<M>& rows) {
    const bool says_how = !letter.reading.empty() && !options_.ignores_readings;
    absl::StatusOr<Way*> way = &unsaid_;
    if (says_how) way = WayOf(letter.reading);
    if (!way.ok()) return {RejectCode::kRule, std::string(way.status().message())};
    const bool may_be_json = !says_how || repaired || letter.original.has_value();
    if ((*way)->is_csv() && may_be_json && LooksLikeJson(input.payload)) {
      return json_.Decode(input, arena, rows);
    }
    return (*way)->Decode(input, arena, rows);
  }

  absl::StatusOr<Way*> WayOf(const std::string& text) {
    if (const auto known = ways_.find(text); known != ways_.end()) return known->second.get();
    absl::StatusOr<LetterReading> reading = ParseLetterReading(text);
    if (!reading.ok()) return reading.status();
    if (reading->model != Model<M>::kTable) {
      return absl::InvalidArgumentError("reading: the letter is of model " + reading->model +
                                        ", not of " + std::string(Model<M>::kTable));
    }
    // The rows that stood around it are not here to tell which coming is meant.
    AmbiguousTime& ambiguous = reading->time().ambiguous;
    if (ambiguous == AmbiguousTime::kOrder) ambiguous = AmbiguousTime::kReject;
    ChangeWindow(&reading->time());
    auto way = std::make_unique<Way>(reading->json, reading->csv);
    way->Keep(reading->zone);
    if (reading->format == LetterReading::Format::kCsv) {
      if (absl::Status status = way->SetHeader(reading->header); !status.ok()) return status;
    }
    if (ways_.size() == kMostReadings) ways_.clear();
    return ways_.emplace(text, std::move(way)).first->second.get();
  }

  void ChangeWindow(TimeOptions* time) const {
    const TimeOptions& other = options_.window;
    if (other.not_before.has_value() || other.max_age.has_value()) {
      time->not_before = other.not_before;
      time->max_age = other.max_age;
    }
    if (other.not_after.has_value() || other.max_ahead.has_value()) {
      time->not_after = other.not_after;
      time->max_ahead = other.max_ahead;
    }
  }

  // A message over the source's limit was stored without its end; as JSON lines its beginning might
  // be taken for the whole.
  static bool IsCutOff(const StoredLetter& letter) {
    return letter.code == RejectSlug(RejectCode::kLimit) &&
           letter.reason.find("larger than the source's limit") != std::string::npos;
  }

  static bool LooksLikeJson(std::string_view payload) {
    const std::size_t first = payload.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && (payload[first] == '{' || payload[first] == '[');
  }

  // Its code is an SQLSTATE, none of our own words.
  static bool IsFromServer(const StoredLetter& letter) {
    for (auto code = RejectCode::kSyntax; code < RejectCode::kServer;
         code = static_cast<RejectCode>(static_cast<int>(code) + 1)) {
      if (letter.code == RejectSlug(code)) return false;
    }
    return true;
  }

  static Reject Choose(const StoredLetter& letter, bool repaired, std::size_t before,
                       std::vector<M>& rows) {
    const std::size_t count = rows.size() - before;
    const auto forget = [&] {
      rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(before), rows.end());
    };
    if (letter.row == 0 && !IsFromServer(letter)) return {};
    const auto wanted = static_cast<std::size_t>(letter.row);
    if (wanted == 0 || wanted > count) {
      forget();
      return {RejectCode::kRule,
              "the message has " + std::to_string(count) + " rows, and " +
                  (wanted == 0 ? std::string("which of them was refused is not recorded")
                               : "row " + std::to_string(wanted) + " was refused") +
                  "; the others may be stored. Repair the letter to the one row that is missing" +
                  (repaired ? " (this repair has several)" : "")};
    }
    M row = std::move(rows[before + wanted - 1]);
    forget();
    rows.push_back(std::move(row));
    return {};
  }

  const LetterSource& source_;
  const LetterDecoderOptions options_;
  JsonDecoder<M> json_;  // of repairs
  Way unsaid_;
  std::map<std::string, std::unique_ptr<Way>> ways_;  // by StoredLetter::reading
};

}  // namespace tsingest

#endif  // TSINGEST_SOURCE_LETTERS_H_
