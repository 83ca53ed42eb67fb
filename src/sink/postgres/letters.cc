#include "sink/postgres/letters.h"

#include <algorithm>
#include <utility>

#include "tsingest/base/utf8.h"
#include "tsingest/model/reject.h"

namespace tsingest::postgres {
namespace {

constexpr std::size_t kMaxStatementBytes = 16 * 1024 * 1024;
// PostgreSQL counts microseconds from 2000-01-01 (timestamp.h: POSTGRES_EPOCH_JDATE).
constexpr std::int64_t kPostgresEpoch = 946'684'800'000'000;

using TextMember = std::string_view DeadLetter::*;

void AddTexts(std::span<const DeadLetter> letters, TextMember member, bool empty_is_null,
              Params* params) {
  params->BeginArray(kTextArrayOid, kTextOid);
  for (const DeadLetter& letter : letters) {
    if (empty_is_null && (letter.*member).empty()) {
      params->AddNullElement();
    } else {
      params->AddElement(letter.*member);
    }
  }
  params->EndArray();
}

void AddBytes(std::span<const DeadLetter> letters, TextMember member, bool empty_is_null,
              Params* params) {
  params->BeginArray(kByteaArrayOid, kByteaOid);
  for (const DeadLetter& letter : letters) {
    if (empty_is_null && (letter.*member).empty()) {
      params->AddNullElement();
    } else {
      params->AddElement(letter.*member);
    }
  }
  params->EndArray();
}

// `line 17: `, or nothing.
std::string PlaceOf(const MessageRecord& message) {
  return message.line == 0 ? "" : "line " + std::to_string(message.line) + ": ";
}

}  // namespace

std::string CleanText(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    const std::size_t length = text.front() == '\0' ? 0 : Utf8SequenceLength(text);
    if (length == 0) {
      const auto byte = static_cast<unsigned char>(text.front());
      out.append("\\x").push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string_view Letters::Keep(std::string text) { return texts_.emplace_back(std::move(text)); }

const Letters::Stream& Letters::StreamOf(StreamId stream, const Origin& origin) {
  const auto found = streams_.find(stream);
  if (found != streams_.end()) return found->second;
  Stream made{.name = origin.stream_name(stream),
              .reading = origin.reading ? origin.reading(stream) : std::string()};
  return streams_.emplace(stream, std::move(made)).first->second;
}

void Letters::AddReject(const BatchMeta& meta, const RejectedMessage& reject,
                        const Origin& origin) {
  const MessageRecord& message = meta.messages[reject.message];
  const Stream& stream = StreamOf(message.position.stream, origin);
  letters_.push_back({.at = origin.at,
                      .source = origin.source,
                      .stream = stream.name,
                      .position = message.position.offset,
                      .line = message.line,
                      .topic = Keep(CleanText(message.topic)),
                      .reason = Keep(CleanText(reject.reason)),
                      .code = reject.sqlstate.empty() ? RejectSlug(reject.code)
                                                      : std::string_view(reject.sqlstate),
                      .payload = message.payload,
                      .key = message.key,
                      .reading = stream.reading,
                      .arrival = LetterArrival(message.arrival)});
}

void Letters::AddBadRow(const EncodedRows& rows, const BatchMeta& meta, const BadRow& bad,
                        const Origin& origin) {
  static const MessageRecord kNoMessage;
  const std::uint32_t number = rows.message.empty() ? 0 : rows.message[bad.number];
  const MessageRecord& message = number < meta.messages.size() ? meta.messages[number] : kNoMessage;
  const Stream& stream = StreamOf(message.position.stream, origin);
  std::string_view payload = message.payload;
  const bool is_row = payload.empty();
  if (is_row) {
    ByteBuffer json;
    rows.as_json(bad.number, json);
    payload = Keep(std::string(json.view()));
  }
  letters_.push_back({.at = origin.at,
                      .source = origin.source,
                      .stream = stream.name,
                      .position = message.position.offset,
                      .line = message.line,
                      .topic = Keep(CleanText(message.topic)),
                      .reason = Keep(PlaceOf(message) + CleanText(bad.reason)),
                      .code = bad.sqlstate,
                      .payload = payload,
                      .key = message.key,
                      .row = number < rows_of_message_.size() && rows_of_message_[number] > 1
                                 ? row_in_message_[bad.number]
                                 : 0,
                      .reading = is_row ? std::string_view() : stream.reading,
                      .arrival = LetterArrival(message.arrival)});
}

void Letters::CountRows(const EncodedRows& rows, const BatchMeta& meta) {
  rows_of_message_.assign(meta.messages.size(), 0);
  row_in_message_.clear();
  for (const std::uint32_t message : rows.message) {
    row_in_message_.push_back(message < rows_of_message_.size() ? ++rows_of_message_[message] : 0);
  }
}

void Letters::Build(const EncodedRows& rows, const BatchMeta& meta, std::span<const BadRow> bad,
                    const Origin& origin) {
  letters_.clear();
  texts_.clear();
  streams_.clear();
  for (const RejectedMessage& reject : meta.rejects) AddReject(meta, reject, origin);
  if (!bad.empty()) CountRows(rows, meta);
  for (const BadRow& row : bad) AddBadRow(rows, meta, row, origin);
  std::ranges::stable_sort(letters_, [](const DeadLetter& a, const DeadLetter& b) {
    return std::pair(a.stream, a.position) < std::pair(b.stream, b.position);
  });
}

std::size_t Letters::Fill(std::size_t first, const NewLetterColumns& columns,
                          Params* params) const {
  std::size_t last = first;
  for (std::size_t bytes = 0; last < letters_.size() && bytes < kMaxStatementBytes; ++last) {
    const DeadLetter& letter = letters_[last];
    bytes += letter.payload.size() + letter.reason.size() + letter.reading.size() + 128;
  }
  const auto part = std::span(letters_).subspan(first, last - first);
  const auto numbers = [&](std::uint32_t array, std::uint32_t element, auto get) {
    params->BeginArray(array, element);
    for (const DeadLetter& letter : part) {
      const std::optional<std::int64_t> value = get(letter);
      value.has_value() ? params->AddElement(*value) : params->AddNullElement();
    }
    params->EndArray();
  };
  using Number = std::optional<std::int64_t>;
  const auto instant = [](Timestamp at) { return at.time_since_epoch().count() - kPostgresEpoch; };
  params->Clear();
  numbers(kTimestamptzArrayOid, kTimestamptzOid,
          [&](const DeadLetter& letter) -> Number { return instant(letter.at); });
  AddTexts(part, &DeadLetter::source, false, params);
  AddTexts(part, &DeadLetter::stream, true, params);
  numbers(kInt8ArrayOid, kInt8Oid,
          [](const DeadLetter& letter) -> Number { return letter.position; });
  numbers(kInt8ArrayOid, kInt8Oid, [](const DeadLetter& letter) -> Number {
    return letter.line == 0 ? std::nullopt : Number(letter.line);
  });
  AddTexts(part, &DeadLetter::topic, true, params);
  AddTexts(part, &DeadLetter::reason, false, params);
  AddTexts(part, &DeadLetter::code, false, params);
  AddBytes(part, &DeadLetter::payload, false, params);
  AddBytes(part, &DeadLetter::key, true, params);
  if (columns.row) {
    numbers(kInt8ArrayOid, kInt8Oid, [](const DeadLetter& letter) -> Number {
      return letter.row == 0 ? std::nullopt : Number(letter.row);
    });
  }
  if (columns.reading) AddTexts(part, &DeadLetter::reading, true, params);
  if (columns.arrival) {
    numbers(kTimestamptzArrayOid, kTimestamptzOid, [&](const DeadLetter& letter) -> Number {
      return letter.arrival.has_value() ? Number(instant(*letter.arrival)) : std::nullopt;
    });
  }
  return last;
}

std::string InsertLettersSql(const TableName& table, const NewLetterColumns& columns) {
  std::string names = "at, source, stream, position, line, topic, reason, code, payload, key";
  std::string values = "at, source, stream, place, line, topic, reason, code, payload, key";
  std::string arrays = "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10";
  std::string aliases = values;
  int parameter = 10;
  const auto add = [&](bool there, const std::string& column, const char* cast = "") {
    if (!there) return;
    names += ", " + column;
    aliases += ", " + column;
    values += ", " + column + cast;
    arrays += ", $" + std::to_string(++parameter);
  };
  add(columns.row, "message_row");
  add(columns.reading, "reading", "::jsonb");
  add(columns.arrival, "arrival");
  return "INSERT INTO " + table.Quoted() + " (" + names + ") SELECT " + values + " FROM unnest(" +
         arrays + ") AS u(" + aliases + ")";
}

std::string CreateLettersSql(const TableName& table) {
  const std::string index =
      QuoteIdentifier(table.name.substr(0, kMaxIdentifierBytes - 7) + "_at_idx");
  return "CREATE TABLE IF NOT EXISTS " + table.Quoted() +
         " (\n"
         "  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
         "  at timestamptz NOT NULL,\n"
         "  source text NOT NULL,\n"
         "  stream text,\n"
         "  position bigint,\n"
         "  line bigint,\n"
         "  topic text,\n"
         "  reason text NOT NULL,\n"
         "  code text NOT NULL,\n"
         "  payload bytea NOT NULL,\n"
         "  key bytea,\n"
         "  message_row integer,\n"
         "  attempts integer NOT NULL DEFAULT 1,\n"
         "  original bytea,\n"
         "  reading jsonb,\n"
         "  arrival timestamptz\n"
         ");\n"
         "CREATE INDEX IF NOT EXISTS " +
         index + " ON " + table.Quoted() + " (at)";
}

std::string ExtendLettersSql(const TableName& table) {
  return "ALTER TABLE " + table.Quoted() +
         " ADD COLUMN IF NOT EXISTS id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,"
         " ADD COLUMN IF NOT EXISTS line bigint,"
         " ADD COLUMN IF NOT EXISTS key bytea,"
         " ADD COLUMN IF NOT EXISTS message_row integer,"
         " ADD COLUMN IF NOT EXISTS attempts integer NOT NULL DEFAULT 1,"
         " ADD COLUMN IF NOT EXISTS original bytea,"
         " ADD COLUMN IF NOT EXISTS reading jsonb,"
         " ADD COLUMN IF NOT EXISTS arrival timestamptz";
}

}  // namespace tsingest::postgres
