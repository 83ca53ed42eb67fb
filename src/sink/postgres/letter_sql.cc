#include "sink/postgres/letter_sql.h"

#include <cstdint>
#include <optional>
#include <string_view>

#include "sink/postgres/letters.h"

namespace tsingest::postgres {
namespace {

// Bytes of payload after which Read() takes no further letter.
constexpr char kReadBytes[] = "16777216";

constexpr char kWhere[] =
    " WHERE ($1::bigint[] IS NULL OR id = ANY($1)) AND ($2::text IS NULL OR source = $2)"
    " AND ($3::text IS NULL OR stream = $3) AND ($4::text IS NULL OR code = $4)"
    " AND ($5::text IS NULL OR position($5 IN reason) > 0)"
    " AND ($6::bigint IS NULL OR at >= timestamptz 'epoch' + $6 * interval '1 microsecond')"
    " AND ($7::bigint IS NULL OR at < timestamptz 'epoch' + $7 * interval '1 microsecond')";

void AddOptionalText(std::string_view text, Params* params) {
  text.empty() ? params->AddNull(kTextOid) : params->AddText(text);
}

void AddOptionalTime(const std::optional<Timestamp>& time, Params* params) {
  time.has_value() ? params->AddInt8(time->time_since_epoch().count()) : params->AddNull(kInt8Oid);
}

int HexValue(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

// bytea as text, in the form that every server since 9.0 gives: \x and two digits per byte.
std::string BytesOf(std::string_view text) {
  if (text.starts_with("\\x")) text.remove_prefix(2);
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<char>(HexValue(text[i]) << 4 | HexValue(text[i + 1])));
  }
  return out;
}

}  // namespace

void AddFilter(const LetterFilter& filter, Params* params) {
  if (filter.ids.empty()) {
    params->AddNull(kInt8ArrayOid);
  } else {
    params->BeginArray(kInt8ArrayOid, kInt8Oid);
    for (const std::int64_t id : filter.ids) params->AddElement(id);
    params->EndArray();
  }
  AddOptionalText(filter.source, params);
  AddOptionalText(filter.stream, params);
  AddOptionalText(filter.code, params);
  AddOptionalText(filter.reason, params);
  AddOptionalTime(filter.since, params);
  AddOptionalTime(filter.until, params);
}

std::string ReadLettersSql(const TableName& table, const LetterColumns& columns) {
  const auto or_else = [](bool there, const char* column, const char* otherwise) {
    return std::string(there ? column : otherwise);
  };
  const std::string page =
      "SELECT *, sum(octet_length(payload)::bigint) OVER (ORDER BY id) "
      "- octet_length(payload) AS bytes_before FROM (SELECT * FROM " +
      table.Quoted() + kWhere + " AND id > $8 ORDER BY id LIMIT $9) AS l";
  return "SELECT id, (extract(epoch FROM at) * 1000000)::bigint, source, stream, position, topic, "
         "reason, code, encode(payload, 'hex'), " +
         or_else(columns.line, "line", "NULL") + ", " +
         or_else(columns.key, "encode(key, 'hex')", "NULL") + ", " +
         or_else(columns.row, "message_row", "NULL") + ", " +
         or_else(columns.attempts, "attempts", "1") + ", " +
         or_else(columns.original, "encode(original, 'hex')", "NULL") + ", " +
         or_else(columns.reading, "reading::text", "NULL") + ", " +
         or_else(columns.arrival, "(extract(epoch FROM arrival) * 1000000)::bigint", "NULL") +
         " FROM (" + page + ") AS p WHERE bytes_before < " + kReadBytes + " ORDER BY id";
}

StoredLetter LetterOf(const Result& result, int row) {
  const auto text = [&](int column) { return std::string(result.Text(row, column)); };
  StoredLetter letter{.id = result.Int(row, 0),
                      .at = Timestamp(std::chrono::microseconds(result.Int(row, 1))),
                      .source = text(2),
                      .stream = text(3),
                      .topic = text(5),
                      .reason = text(6),
                      .code = text(7),
                      .payload = BytesOf(result.Text(row, 8)),
                      .key = BytesOf(result.Text(row, 10))};
  if (!result.IsNull(row, 4)) letter.position = result.Int(row, 4);
  letter.line = result.Int(row, 9);
  letter.row = result.Int(row, 11);
  letter.attempts = result.Int(row, 12);
  if (!result.IsNull(row, 13)) letter.original = BytesOf(result.Text(row, 13));
  letter.reading = text(14);
  if (!result.IsNull(row, 15)) {
    letter.arrival = Timestamp(std::chrono::microseconds(result.Int(row, 15)));
  }
  return letter;
}

std::string ReadingsSql(const TableName& table, const LetterColumns& columns) {
  return std::string("SELECT ") + (columns.reading ? "coalesce(reading::text, '')" : "''") +
         ", source, count(*), min(id) FROM " + table.Quoted() + kWhere +
         " AND id <= $8 GROUP BY 1, 2 ORDER BY 4";
}

std::string ReadingsOfStreamsSql(const TableName& table, const LetterColumns& columns) {
  return std::string("SELECT ") + (columns.reading ? "coalesce(reading::text, '')" : "''") +
         ", count(*) FROM " + table.Quoted() + " WHERE source = $1 AND stream = ANY($2) GROUP BY 1";
}

std::string CountLettersSql(const TableName& table, LetterGroup by) {
  const std::string column = by == LetterGroup::kReason ? "reason"
                             : by == LetterGroup::kCode ? "code"
                                                        : "source";
  return "SELECT " + column + ", count(*) FROM " + table.Quoted() + kWhere +
         " GROUP BY 1 ORDER BY 2 DESC, 1";
}

std::string PurgeLettersSql(const TableName& table) {
  return "DELETE FROM " + table.Quoted() + kWhere;
}

std::string AwaitWritersSql(const TableName& table) {
  // SHARE conflicts with every writer and is given up again at once.
  return "BEGIN; LOCK TABLE " + table.Quoted() + " IN SHARE MODE; COMMIT";
}

void AddLetters(std::span<const StoredLetter> letters, Params* params) {
  const auto numbers = [&](auto get) {
    params->BeginArray(kInt8ArrayOid, kInt8Oid);
    for (const StoredLetter& letter : letters) {
      const std::optional<std::int64_t> value = get(letter);
      value.has_value() ? params->AddElement(*value) : params->AddNullElement();
    }
    params->EndArray();
  };
  const auto texts = [&](std::string StoredLetter::*member, bool empty_is_null) {
    params->BeginArray(kTextArrayOid, kTextOid);
    for (const StoredLetter& letter : letters) {
      const std::string text = CleanText(letter.*member);
      text.empty() && empty_is_null ? params->AddNullElement() : params->AddElement(text);
    }
    params->EndArray();
  };
  const auto bytes = [&](std::string StoredLetter::*member, bool empty_is_null) {
    params->BeginArray(kByteaArrayOid, kByteaOid);
    for (const StoredLetter& letter : letters) {
      const std::string& value = letter.*member;
      value.empty() && empty_is_null ? params->AddNullElement() : params->AddElement(value);
    }
    params->EndArray();
  };
  const auto unless_0 = [](std::int64_t n) { return n == 0 ? std::nullopt : std::optional(n); };
  using Number = std::optional<std::int64_t>;
  numbers([](const StoredLetter& l) -> Number { return l.at.time_since_epoch().count(); });
  texts(&StoredLetter::source, false);
  texts(&StoredLetter::stream, true);
  numbers([](const StoredLetter& l) { return l.position; });
  numbers([&](const StoredLetter& l) { return unless_0(l.line); });
  texts(&StoredLetter::topic, true);
  texts(&StoredLetter::reason, false);
  texts(&StoredLetter::code, false);
  bytes(&StoredLetter::payload, false);
  bytes(&StoredLetter::key, true);
  numbers([&](const StoredLetter& l) { return unless_0(l.row); });
  numbers([](const StoredLetter& l) -> Number { return l.attempts; });
  texts(&StoredLetter::reading, true);
  numbers([](const StoredLetter& l) -> Number {
    if (!l.arrival.has_value()) return std::nullopt;
    return l.arrival->time_since_epoch().count();
  });
}

std::string ImportLettersSql(const TableName& table) {
  return "INSERT INTO " + table.Quoted() +
         " (at, source, stream, position, line, topic, reason, code, payload, key, message_row,"
         " attempts, reading, arrival) SELECT timestamptz 'epoch' + u.at * interval '1 "
         "microsecond', u.source,"
         " u.stream, u.place, u.line, u.topic, u.reason, u.code, u.payload, u.key, u.nth, "
         "u.attempts, u.reading::jsonb,"
         " timestamptz 'epoch' + u.arrival * interval '1 microsecond' "
         "FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) AS u(at, source,"
         " stream, place, line, topic, reason, code, payload, key, nth, attempts, reading,"
         " arrival) RETURNING id";
}

}  // namespace tsingest::postgres
