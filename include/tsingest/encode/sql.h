// The SQL that a sink needs: names and literals, quoted, and the COPY statement.
#ifndef TSINGEST_ENCODE_SQL_H_
#define TSINGEST_ENCODE_SQL_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/utf8.h"
#include "tsingest/model/decimal_text.h"
#include "tsingest/model/model.h"
#include "tsingest/model/reject.h"

namespace tsingest {

// Longest identifier of PostgreSQL in bytes (NAMEDATALEN - 1). It cuts longer ones off silently, so
// they are refused here.
inline constexpr std::size_t kMaxIdentifierBytes = 63;

// The name as a quoted identifier: `my "table"` -> `"my ""table"""`.
inline std::string QuoteIdentifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
  return out;
}

// The text as a string literal, whatever standard_conforming_strings says: `it's` -> `'it''s'`,
// `a\b` -> ` E'a\\b'`.
inline std::string QuoteLiteral(std::string_view text) {
  const bool has_backslash = text.find('\\') != std::string_view::npos;
  std::string out = has_backslash ? " E'" : "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  out += '\'';
  return out;
}

// A table's name, unquoted. An empty schema: found along the search_path.
struct TableName {
  std::string schema;
  std::string name;

  // As SQL: "schema"."name" or "name".
  std::string Quoted() const {
    return (schema.empty() ? "" : QuoteIdentifier(schema) + ".") + QuoteIdentifier(name);
  }
  // For messages: schema.name, without quotes.
  std::string Display() const { return schema.empty() ? name : schema + "." + name; }

  friend bool operator==(const TableName&, const TableName&) = default;
};

namespace internal {

inline absl::Status BadTableName(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError("table name " + ShowValue(text) + ": " + std::string(why));
}

// Bytes of the identifier that `text` begins with, quotes included; 0: none.
constexpr std::size_t IdentifierLength(std::string_view text) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
  };
  std::size_t size = 0;
  if (text.starts_with('"')) {
    for (size = 1; size < text.size(); ++size) {
      if (text[size] != '"') continue;
      if (!text.substr(size + 1).starts_with('"')) return size + 1;
      ++size;
    }
    return 0;
  }
  while (size < text.size() &&
         (is_letter(text[size]) || (size != 0 && (IsDigit(text[size]) || text[size] == '$')))) {
    ++size;
  }
  return size;
}

// The name that an identifier stands for: quotes taken off, or letters A to Z in lower case.
inline std::string IdentifierName(std::string_view identifier) {
  std::string out;
  if (!identifier.starts_with('"')) {
    for (const char c : identifier) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
  }
  for (std::size_t i = 1; i + 1 < identifier.size(); ++i) {
    out += identifier[i];
    if (identifier[i] == '"') ++i;
  }
  return out;
}

}  // namespace internal

// Reads "[SCHEMA.]NAME" as SQL does: names fold to lower case unless they stand in double quotes,
// where everything but NUL may stand and a quote is doubled: sensors.Readings is sensors.readings,
// "My Table" keeps its blank. kInvalidArgument says what is wrong and how to write it.
inline absl::StatusOr<TableName> ParseTableName(std::string_view text) {
  std::string parts[2];
  std::size_t count = 0;
  std::string_view rest = text;
  while (count < 2) {
    const std::size_t size = internal::IdentifierLength(rest);
    if (size == 0) break;
    parts[count++] = internal::IdentifierName(rest.substr(0, size));
    rest.remove_prefix(size);
    if (count == 2 || !rest.starts_with('.')) break;
    rest.remove_prefix(1);
    if (rest.empty()) return internal::BadTableName(text, "the name behind the dot is missing");
  }
  if (count == 0 || !rest.empty()) {
    return internal::BadTableName(
        text,
        "expected [SCHEMA.]NAME; a name of other characters than letters, digits, _ and $ "
        "stands in double quotes");
  }
  for (const std::string& part : std::span(parts, count)) {
    if (part.empty()) return internal::BadTableName(text, "a name is empty");
    if (part.size() > kMaxIdentifierBytes) {
      return internal::BadTableName(text, "a name is longer than PostgreSQL's 63 bytes");
    }
    if (part.find('\0') != std::string::npos || !IsValidUtf8(part)) {
      return internal::BadTableName(text, "a name is not UTF-8 text");
    }
  }
  if (count == 1) return TableName{"", std::move(parts[0])};
  return TableName{std::move(parts[0]), std::move(parts[1])};
}

// The columns of a field list, quoted: "time", "device".
inline std::string QuotedColumns(std::span<const FieldBinding> fields) {
  std::string out;
  for (const FieldBinding& field : fields) {
    if (!out.empty()) out += ", ";
    out += QuoteIdentifier(field.column);
  }
  return out;
}

// The statement that takes what CopyEncoder makes of these fields.
inline std::string CopyStatement(const TableName& table, std::span<const FieldBinding> fields) {
  return "COPY " + table.Quoted() + " (" + QuotedColumns(fields) + ") FROM STDIN (FORMAT binary)";
}

}  // namespace tsingest

#endif  // TSINGEST_ENCODE_SQL_H_
