// Dead letters as JSON objects: what a file of them holds, read back.
#ifndef TSINGEST_SINK_LETTER_JSON_H_
#define TSINGEST_SINK_LETTER_JSON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/arena.h"
#include "tsingest/base/base64.h"
#include "tsingest/base/buffer.h"
#include "tsingest/decode/json.h"
#include "tsingest/model/json_text.h"
#include "tsingest/model/model.h"
#include "tsingest/pipeline/letter_box.h"
#include "tsingest/sink/file_dead_letter.h"

namespace tsingest {

// As AppendDeadLetterJson(), with the members `id`, `payload` and `attempts` before the others:
// what is to be mended stands before the reason, which often quotes it.
inline void AppendStoredLetterJson(const StoredLetter& letter, ByteBuffer& out) {
  out.Append("{\"id\":" + std::to_string(letter.id));
  internal::AppendLetterText("payload", letter.payload, /*empty_is_null=*/false, out);
  out.Append(",\"attempts\":" + std::to_string(letter.attempts) + ",");
  ByteBuffer rest;
  AppendDeadLetterJson({.at = letter.at,
                        .source = letter.source,
                        .stream = letter.stream,
                        .position = letter.position.value_or(0),
                        .line = letter.line,
                        .topic = letter.topic,
                        .reason = letter.reason,
                        .code = letter.code,
                        .key = letter.key,
                        .row = letter.row,
                        .reading = letter.reading,
                        .arrival = letter.arrival},
                       rest, /*has_payload=*/false);
  out.Append(rest.view().substr(1));
}

namespace internal {

// A line of such a file; each text stands under its name or under name_base64.
struct LetterLine {
  std::optional<std::int64_t> id, position, line, row, attempts;
  std::optional<Timestamp> at, arrival;
  std::optional<std::string_view> source, stream, topic, reason, code, key;
  std::optional<Json> payload, reading;
  std::optional<std::string_view> source_bytes, stream_bytes, topic_bytes, reason_bytes, key_bytes,
      payload_bytes;
};

}  // namespace internal

template <>
struct Model<internal::LetterLine> {
  using L = internal::LetterLine;
  static constexpr std::string_view kTable = "dead_letter";
  static constexpr auto kFields = Fields(
      Field("id", &L::id), Field("position", &L::position), Field("line", &L::line),
      Field("row", &L::row), Field("attempts", &L::attempts), Field("at", &L::at),
      Field("source", &L::source), Field("stream", &L::stream), Field("topic", &L::topic),
      Field("reason", &L::reason), Field("code", &L::code), Field("key", &L::key),
      Field("payload", &L::payload), Field("reading", &L::reading), Field("arrival", &L::arrival),
      Field("source_base64", &L::source_bytes), Field("stream_base64", &L::stream_bytes),
      Field("topic_base64", &L::topic_bytes), Field("reason_base64", &L::reason_bytes),
      Field("key_base64", &L::key_bytes), Field("payload_base64", &L::payload_bytes));
};

// Reads letters as AppendStoredLetterJson() and AppendDeadLetterJson() write them. A payload that
// is an object or array, and no string, stands for its own text: so people write it. Not
// thread-safe.
class LetterJsonReader {
 public:
  // kInvalidArgument: the text is no JSON object, or no letter; the message says why.
  absl::StatusOr<StoredLetter> Read(std::string_view text) {
    rows_.clear();
    arena_.Reset();
    const std::string_view kept = arena_.CopyPadded(text);
    const Reject reject = decoder_.Decode({.payload = kept}, arena_, rows_);
    if (reject) return absl::InvalidArgumentError(reject.reason);
    if (rows_.size() != 1) return absl::InvalidArgumentError("is not one JSON object");
    return LetterOf(rows_.front());
  }

 private:
  absl::StatusOr<StoredLetter> LetterOf(const internal::LetterLine& line) {
    StoredLetter letter{.id = line.id.value_or(0),
                        .at = line.at.value_or(Timestamp{}),
                        .position = line.position,
                        .line = line.line.value_or(0),
                        .code = std::string(line.code.value_or("")),
                        .row = line.row.value_or(0),
                        .attempts = line.attempts.value_or(1),
                        .reading = std::string(line.reading ? line.reading->text : ""),
                        .arrival = line.arrival};
    absl::Status status = Text("source", line.source, line.source_bytes, &letter.source);
    status.Update(Text("stream", line.stream, line.stream_bytes, &letter.stream));
    status.Update(Text("topic", line.topic, line.topic_bytes, &letter.topic));
    status.Update(Text("reason", line.reason, line.reason_bytes, &letter.reason));
    status.Update(Text("key", line.key, line.key_bytes, &letter.key));
    std::optional<std::string_view> payload;
    if (line.payload.has_value()) {
      Token token;
      if (ReadJsonValue(line.payload->text, context_, &token) != RejectCode::kOk) {
        status.Update(absl::InvalidArgumentError("payload: " + context_.why));
      }
      payload = token.text;
    }
    status.Update(Text("payload", payload, line.payload_bytes, &letter.payload));
    if (!payload && !line.payload_bytes) {
      status.Update(absl::InvalidArgumentError("payload: is missing"));
    }
    if (!status.ok()) return status;
    return letter;
  }

  static absl::Status Text(std::string_view name, const std::optional<std::string_view>& text,
                           const std::optional<std::string_view>& base64, std::string* out) {
    if (!base64.has_value()) {
      *out = text.value_or("");
      return absl::OkStatus();
    }
    std::optional<std::string> bytes = DecodeBase64(*base64);
    if (!bytes) return absl::InvalidArgumentError(std::string(name) + "_base64: is no base64");
    *out = *std::move(bytes);
    return absl::OkStatus();
  }

  static JsonOptions Options() {
    JsonOptions options;
    options.framing = JsonFraming::kSingle;
    options.limits.total_bytes = JsonOptions::kMaxMessageBytes;
    options.limits.string_bytes = JsonOptions::kMaxMessageBytes;
    return options;
  }

  Arena arena_;
  ParseContext context_{.arena = &arena_, .why = {}};
  JsonDecoder<internal::LetterLine> decoder_{Options()};
  std::vector<internal::LetterLine> rows_;
};

}  // namespace tsingest

#endif  // TSINGEST_SINK_LETTER_JSON_H_
