// LetterReading: how the message of a dead letter was read, kept with it so that a replay reads it
// the same way. As text: letter_reading_text.h.
#ifndef TSINGEST_DECODE_LETTER_READING_H_
#define TSINGEST_DECODE_LETTER_READING_H_

#include <cstdint>
#include <memory>
#include <string>

#include "tsingest/decode/csv_dialect.h"
#include "tsingest/decode/csv_options.h"
#include "tsingest/decode/json_options.h"
#include "tsingest/model/time_options.h"

namespace tsingest {

// Everything that decides what a message's bytes become.
struct LetterReading {
  enum class Format : std::uint8_t { kJson, kCsv };

  Format format = Format::kJson;
  std::string model = {};  // Model<M>::kTable
  std::string table = {};  // that the rows were for, as it was named; empty: none (not PostgreSQL)
  JsonOptions json = {};   // with kJson
  CsvOptions csv = {};     // with kCsv, …
  CsvHeader header = {};   // … names of the columns and dialect
  // The name that time.zone was made from (AbslTimeZone::Load()); empty: UTC.
  std::string time_zone = {};
  // After ParseLetterReading(): what time.zone points to.
  std::shared_ptr<const TimeZoneRule> zone = {};

  TimeOptions& time() { return format == Format::kCsv ? csv.parse.time : json.parse.time; }
  const TimeOptions& time() const {
    return format == Format::kCsv ? csv.parse.time : json.parse.time;
  }
};

}  // namespace tsingest

#endif  // TSINGEST_DECODE_LETTER_READING_H_
