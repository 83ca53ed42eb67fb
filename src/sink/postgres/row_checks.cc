#include "sink/postgres/row_checks.h"

#include <algorithm>
#include <cstdint>

#include "tsingest/base/utf8.h"
#include "tsingest/model/reject.h"

namespace tsingest::postgres {
namespace {

constexpr std::uint32_t kBpcharOid = 1042;
constexpr std::uint32_t kVarcharOid = 1043;
constexpr std::uint32_t kNumericOid = 1700;
constexpr std::int32_t kHeaderSize = 4;  // VARHDRSZ, which type modifiers count in

// varchar(n) and char(n): blanks beyond n are cut off silently (SQL says so), anything else is an
// error.
bool FitsCharacters(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return true;
  std::size_t count = CountCharacters(text);
  while (count > limit && text.ends_with(' ')) {
    text.remove_suffix(1);
    --count;
  }
  return count <= limit;
}

// Digits before the decimal point that numeric(p,s) has room for; numeric.c, make_numeric_typmod().
int IntegerDigits(std::int32_t modifier) {
  const std::int32_t bits = modifier - kHeaderSize;
  const int precision = (bits >> 16) & 0xFFFF;
  const int scale = ((bits & 0x7FF) ^ 1024) - 1024;
  return precision - scale;
}

// numeric_send(): number of base-10000 digits, weight of the first, sign, scale, digits.
bool FitsNumeric(std::string_view value, int integer_digits) {
  constexpr std::size_t kHeaderBytes = 8;
  constexpr std::uint16_t kNan = 0xC000;
  constexpr std::uint16_t kSpecial = 0xC000;  // bits that NaN and the infinities have set
  const auto digits = LoadBigEndian<std::int16_t>(value.data());
  const auto weight = LoadBigEndian<std::int16_t>(value.data() + 2);
  const auto sign = LoadBigEndian<std::uint16_t>(value.data() + 4);
  if ((sign & kSpecial) == kSpecial) return sign == kNan;
  if (digits == 0 || value.size() < kHeaderBytes + 2) return true;
  int length = weight * 4;
  for (auto first = LoadBigEndian<std::int16_t>(value.data() + kHeaderBytes); first != 0;
       ++length) {
    first = static_cast<std::int16_t>(first / 10);
  }
  return length <= integer_digits || length <= 0;
}

}  // namespace

RowChecks::RowChecks(const Table& table, std::span<const FieldBinding> fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const FieldBinding& field = fields[i];
    const Column* column = table.Find(field.column);
    if (column == nullptr) continue;
    Check check{.field = i, .column = column->name, .type_name = column->type_name};
    // The server looks for NULLs behind BEFORE triggers, which may fill them.
    check.not_null = column->not_null && !field.not_null && !table.has_row_filter;
    if (column->type_modifier >= kHeaderSize) {
      const auto limit = static_cast<std::size_t>(column->type_modifier - kHeaderSize);
      const bool is_text = column->type_oid == kVarcharOid || column->type_oid == kBpcharOid;
      if (is_text && (field.max_characters == 0 || field.max_characters > limit)) {
        check.max_characters = limit;
      }
      if (column->type_oid == kNumericOid) {
        check.integer_digits = std::max(0, IntegerDigits(column->type_modifier));
      }
    }
    if (check.not_null || check.max_characters != 0 || check.integer_digits >= 0) {
      checks_.push_back(std::move(check));
    }
  }
}

bool RowChecks::Holds(const Check& check, const FieldImage& field, BadRow* bad) {
  if (field.is_null) {
    if (!check.not_null) return true;
    bad->sqlstate = "23502";
    bad->reason = "column " + check.column + " is NOT NULL, and the row has no value for it";
    return false;
  }
  if (check.max_characters != 0 && !FitsCharacters(field.value, check.max_characters)) {
    bad->sqlstate = "22001";
    bad->reason =
        check.column + ": " + ShowValue(field.value) + " is too long for " + check.type_name;
    return false;
  }
  if (check.integer_digits >= 0 && !FitsNumeric(field.value, check.integer_digits)) {
    bad->sqlstate = "22003";
    bad->reason = check.column + ": the number has more than " +
                  std::to_string(check.integer_digits) +
                  " digits before the decimal point, too "
                  "many for " +
                  check.type_name;
    return false;
  }
  return true;
}

bool RowChecks::RunRow(std::string_view row, BadRow* bad) const {
  FieldReader reader(row);
  std::size_t next = 0;
  for (const Check& check : checks_) {
    FieldImage field;
    for (; next <= check.field; ++next) field = reader.Next();
    if (!Holds(check, field, bad)) return false;
  }
  return true;
}

void RowChecks::Run(const Rows& rows, std::vector<BadRow>* bad) const {
  if (empty()) return;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    BadRow found;
    if (RunRow(rows.Row(i), &found)) continue;
    found.number = rows.Number(i);
    bad->push_back(std::move(found));
  }
}

}  // namespace tsingest::postgres
