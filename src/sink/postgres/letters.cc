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

std::string_view Letters::NameOf(StreamId stream, const Origin& origin) {
  const auto found = names_.find(stream);
  if (found != names_.end()) return found->second;
  return names_.emplace(stream, origin.stream_name(stream)).first->second;
}

void Letters::AddReject(const BatchMeta& meta, const RejectedMessage& reject,
                        const Origin& origin) {
  const MessageRecord& message = meta.messages[reject.message];
  letters_.push_back({.at = origin.at,
                      .source = origin.source,
                      .stream = NameOf(message.position.stream, origin),
                      .position = message.position.offset,
                      .line = message.line,
                      .topic = Keep(CleanText(message.topic)),
                      .reason = Keep(CleanText(reject.reason)),
                      .code = reject.sqlstate.empty() ? RejectSlug(reject.code)
                                                      : std::string_view(reject.sqlstate),
                      .payload = message.payload,
                      .key = message.key});
}

void Letters::AddBadRow(const EncodedRows& rows, const BatchMeta& meta, const BadRow& bad,
                        const Origin& origin) {
  static const MessageRecord kNoMessage;
  const std::uint32_t number = rows.message.empty() ? 0 : rows.message[bad.number];
  const MessageRecord& message = number < meta.messages.size() ? meta.messages[number] : kNoMessage;
  std::string_view payload = message.payload;
  if (payload.empty()) {
    ByteBuffer json;
    rows.as_json(bad.number, json);
    payload = Keep(std::string(json.view()));
  }
  letters_.push_back({.at = origin.at,
                      .source = origin.source,
                      .stream = NameOf(message.position.stream, origin),
                      .position = message.position.offset,
                      .line = message.line,
                      .topic = Keep(CleanText(message.topic)),
                      .reason = Keep(PlaceOf(message) + CleanText(bad.reason)),
                      .code = bad.sqlstate,
                      .payload = payload,
                      .key = message.key,
                      .row = number < rows_of_message_.size() && rows_of_message_[number] > 1
                                 ? row_in_message_[bad.number]
                                 : 0});
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
  names_.clear();
  for (const RejectedMessage& reject : meta.rejects) AddReject(meta, reject, origin);
  if (!bad.empty()) CountRows(rows, meta);
  for (const BadRow& row : bad) AddBadRow(rows, meta, row, origin);
  std::ranges::stable_sort(letters_, [](const DeadLetter& a, const DeadLetter& b) {
    return std::pair(a.stream, a.position) < std::pair(b.stream, b.position);
  });
}

std::size_t Letters::Fill(std::size_t first, bool with_row, Params* params) const {
  std::size_t last = first;
  for (std::size_t bytes = 0; last < letters_.size() && bytes < kMaxStatementBytes; ++last) {
    bytes += letters_[last].payload.size() + letters_[last].reason.size() + 128;
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
  params->Clear();
  numbers(kTimestamptzArrayOid, kTimestamptzOid, [](const DeadLetter& letter) -> Number {
    return letter.at.time_since_epoch().count() - kPostgresEpoch;
  });
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
  if (with_row) {
    numbers(kInt8ArrayOid, kInt8Oid, [](const DeadLetter& letter) -> Number {
      return letter.row == 0 ? std::nullopt : Number(letter.row);
    });
  }
  return last;
}

std::string InsertLettersSql(const TableName& table, bool with_row) {
  return "INSERT INTO " + table.Quoted() +
         " (at, source, stream, position, line, topic, reason, code, payload, key" +
         (with_row ? ", message_row) " : ") ") +
         "SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10" +
         (with_row ? ", $11)" : ")");
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
         "  original bytea\n"
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
         " ADD COLUMN IF NOT EXISTS original bytea";
}

}  // namespace tsingest::postgres
