// CsvDecoder<M>: CSV records into rows of M.
#ifndef TSINGEST_DECODE_CSV_H_
#define TSINGEST_DECODE_CSV_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tsingest/base/arena.h"
#include "tsingest/decode/csv_dialect.h"
#include "tsingest/decode/csv_options.h"
#include "tsingest/decode/decoder.h"
#include "tsingest/decode/internal/csv_reader.h"
#include "tsingest/model/model.h"

namespace tsingest {

// Reads one CSV record per message (CsvSyntax tells how it is written), once SetHeader() has named
// its columns:
//
//  - A field takes the columns that have one of its names, best name first; the first cell of them
//    that is not NULL counts. Names must be equal; where a field has no such column, one that
//    differs in case, in blanks around it or in '-' and ' ' for '_' will do, and notes() says so.
//    CsvOptions::map and ::set go before names.
//  - NULL is a cell that is empty, or one of CsvOptions::nulls. In a text field "" (with quotes) is
//    the empty text and quoted spellings are text; elsewhere quotes and blanks around make no
//    difference.
//  - Rest{} gets the columns that feed no field, as one object: unquoted numbers, true and false as
//    such, NULLs left out, everything else as strings.
//  - A record must have as many fields as the header. Nameless columns at the end of the header (a
//    delimiter at the end of each line) may be missing, and more fields than the header may follow
//    when they are empty; anything else is a kColumns reject.
//  - A record of nothing but empty cells gives no row; neither does one that a filter excludes.
//  - A local time that came twice (ParseOptions::time.zone) is told by the order of its device's
//  rows
//    since SetHeader(): less than it was before, it is the second; where order does not tell, it is
//    a kTime reject. The device is what Layout::segment_by and Key fields have, without times.
//  - Unpivot: a row per named column, all other fields equal; an empty cell gives a row whose value
//    is NULL. One bad cell rejects all of the record's rows.
//
// The payload is not changed, rows view it. Rejects name field (and column, where its name is
// another), value and rule. One per thread; allocates nothing per row in the steady state.
template <Described M>
class CsvDecoder {
 public:
  // `options` pass Validate(). options.parse.time.zone is borrowed.
  explicit CsvDecoder(CsvOptions options = {})
      : reader_(kBindings<M>, Unpivot(), SegmentBy(), std::move(options)) {}

  // Tells the columns of the records that follow; again whenever another file begins.
  // kInvalidArgument: a field that must have a value has no column, or an option names a field or
  // column that is not there; the message lists what is and how to map it. Then Decode() rejects
  // every record until a header was accepted.
  absl::Status SetHeader(const CsvHeader& header) {
    M scratch{};
    return reader_.SetHeader(header, &scratch);
  }

  // What of the header may surprise: renamed columns, names that matched loosely.
  std::span<const std::string> notes() const { return reader_.columns().notes; }
  // One line: which column feeds which field.
  std::string DescribeColumns() const { return reader_.Report().Describe(); }
  // Columns that fill no field and are asked for by no filter.
  std::vector<std::string> UnusedColumns() const { return reader_.Report().Unused(); }
  // Fields that nothing of the file fills, each with what it gets: "value (NULL)".
  std::vector<std::string> UnfilledFields() const { return reader_.Report().Unfilled(); }

  // Records so far that held nothing but empty cells, and that a filter excluded.
  std::uint64_t empty_records() const { return reader_.empty_records(); }
  std::uint64_t filtered_records() const { return reader_.filtered_records(); }

  // See Decoder. Values of `rows` may view input.payload, input.topic and `arena`.
  Reject Decode(const DecodeInput& input, Arena& arena, std::vector<M>& rows) {
    if (!reader_.Start(input, arena)) return reader_.TakeReject();
    const std::size_t before = rows.size();
    const bool is_filled =
        FillRow(rows.emplace_back(), std::make_index_sequence<kFieldCount<M>>{}) &&
        (!reader_.has_local_times() || SettleLocalTimes(rows.back())) &&
        (reader_.measure_count() == 0 || FillMeasures(before, rows));
    if (is_filled) [[likely]]
      return {};
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(before), rows.end());
    return reader_.TakeReject();
  }

  // Tells the decoder of a record that an earlier run has decoded, in its place before those that
  // follow: what order tells (AmbiguousTime::kOrder) is then as if there had been one run. `arena`
  // and `rows` are scratch space.
  void Relearn(const DecodeInput& input, Arena& arena, std::vector<M>& rows) {
    reader_.Relearn([&] { Decode(input, arena, rows); });
  }

 private:
  static constexpr std::string_view SegmentBy() {
    if constexpr (requires { Model<M>::kLayout.segment_by; }) return Model<M>::kLayout.segment_by;
    return {};
  }

  bool SettleLocalTimes(const M& row) {
    return reader_.SettleLocalTimes(
        [&row](const void* value) { return internal::FieldOf(row, value); });
  }

  static constexpr const UnpivotFields* Unpivot() {
    if constexpr (requires { Model<M>::kUnpivot; }) {
      static_assert(std::copyable<M>, "rows of a model with kUnpivot are copied");
      return &Model<M>::kUnpivot;
    } else {
      return nullptr;
    }
  }

  template <std::size_t... I>
  bool FillRow(M& row, std::index_sequence<I...>) {
    return (reader_.FillField(kBindings<M>[I], I, &row) && ...);
  }

  // rows[first] has everything but the measured column: it becomes the first one's row, and what
  // the others are copied from.
  bool FillMeasures(std::size_t first, std::vector<M>& rows) {
    if constexpr (requires { Model<M>::kUnpivot; }) {
      for (std::size_t m = 0; m < reader_.measure_count(); ++m) {
        if (m != 0) rows.push_back(M(rows[first]));
        if (!reader_.FillMeasured(m, &rows[first + m])) return false;
      }
    }
    return true;
  }

  internal::CsvReader reader_;
};

}  // namespace tsingest

#endif  // TSINGEST_DECODE_CSV_H_
