// The scanner, the splitter and the source's reader against CSV read naively: the same records,
// fields and places, however the text is cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../tests/support/naive_csv.h"
#include "source/csv/byte_stream.h"
#include "source/csv/record_reader.h"
#include "tsingest/decode/csv_scan.h"
#include "tsingest/decode/csv_split.h"

namespace {

using tsingest::CsvSyntax;
using tsingest::testing::NaivePlace;
using tsingest::testing::NaiveRecord;

void Check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "csv_fuzz: %s\n", what);
  std::abort();
}

// Piece sizes from the input's first bytes, again and again.
class Cuts {
 public:
  explicit Cuts(std::string_view sizes) : sizes_(sizes) {}
  std::size_t Next() {
    return sizes_.empty() ? 1 << 16 : static_cast<unsigned char>(sizes_[next_++ % sizes_.size()]);
  }

 private:
  std::string_view sizes_;
  std::size_t next_ = 0;
};

template <class Block>
void CheckScanner(std::string_view text, std::string_view sizes, const CsvSyntax& syntax) {
  tsingest::BasicCsvRecordScanner<Block> scanner(syntax);
  std::vector<std::pair<std::size_t, std::size_t>> found;
  Cuts cuts(sizes);
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view piece = text.substr(at, 1 + cuts.Next());
    std::vector<tsingest::CsvRecordEnd> ends;
    scanner.Scan(piece, ends);
    for (const auto& end : ends) found.emplace_back(at + end.end, end.lines);
    at += piece.size();
  }
  std::vector<std::pair<std::size_t, std::size_t>> expected;
  bool is_open = false;
  for (const NaiveRecord& record :
       tsingest::testing::ReadCsvNaively(text, ',', '"', '\n', syntax.escape)) {
    is_open = record.open;
    if (!record.open && text[record.end - 1] == '\n') {
      expected.emplace_back(record.end, record.lines);
    }
  }
  Check(found == expected, "record ends differ");
  Check(scanner.in_quotes() == is_open, "quotes open at the end differ");
}

template <class Block>
void CheckSplitter(std::string_view text, const CsvSyntax& syntax) {
  tsingest::Arena arena;
  tsingest::BasicCsvSplitter<Block> splitter(syntax, 1 << 20);
  std::vector<tsingest::CsvCell> cells;
  std::size_t begin = 0;
  for (const NaiveRecord& naive :
       tsingest::testing::ReadCsvNaively(text, ',', '"', '\n', syntax.escape)) {
    std::string_view record = text.substr(begin, naive.end - begin);
    begin = naive.end;
    if (!naive.open && record.ends_with('\n')) record.remove_suffix(1);
    const tsingest::CsvSplit split = splitter.Split(arena.CopyPadded(record), cells);
    if (naive.open || naive.strange) {
      Check(split.fault != tsingest::CsvFault::kNone, "a broken record is accepted");
      continue;
    }
    Check(split.fault == tsingest::CsvFault::kNone, "a good record is refused");
    Check(cells.size() == naive.fields.size(), "field counts differ");
    bool plain = true;
    for (const char c : record) plain &= static_cast<signed char>(c) > 0;
    Check(split.plain_text == plain, "plain text is not told");
    for (std::size_t i = 0; i < cells.size(); ++i) {
      Check(cells[i].Text(syntax, arena) == naive.fields[i].text, "a field differs");
      Check(cells[i].quoted == naive.fields[i].quoted, "a field's quotes differ");
    }
  }
}

class Pieces final : public tsingest::csv::ByteStream {
 public:
  Pieces(std::string_view text, std::string_view sizes) : text_(text), cuts_(sizes) {}
  absl::StatusOr<tsingest::csv::ReadResult> Read(char* out, std::size_t capacity,
                                                 tsingest::MonotonicTime) override {
    if (text_.empty()) return tsingest::csv::ReadResult{0, true};
    const std::size_t size = std::min({cuts_.Next(), capacity, text_.size()});
    std::memcpy(out, text_.data(), size);
    text_.remove_prefix(size);
    if (size == 0 && ++idle_ > 100) cuts_ = Cuts({});  // sizes of 0 only
    return tsingest::csv::ReadResult{size, false};
  }

 private:
  std::string_view text_;
  Cuts cuts_;
  int idle_ = 0;
};

void CheckReader(std::string_view text, std::string_view sizes, std::size_t limit, char comment,
                 const CsvSyntax& syntax) {
  using tsingest::csv::Outcome;
  Pieces pieces(text, sizes);
  tsingest::csv::RecordReader reader(pieces, limit);
  reader.Start(syntax, comment);
  std::vector<NaivePlace> found;
  for (;;) {
    tsingest::csv::Record record;
    const auto outcome = reader.Next(&record, {});
    Check(outcome.ok(), "an error out of nowhere");
    if (*outcome == Outcome::kEnd) break;
    if (*outcome == Outcome::kIdle) continue;
    found.push_back({static_cast<std::size_t>(record.offset), static_cast<std::size_t>(record.next),
                     static_cast<std::size_t>(record.line), std::string(record.text),
                     record.omitted_bytes});
  }
  Check(found == tsingest::testing::FindRecordsNaively(text, limit, comment, syntax.escape),
        "records differ");
}

}  // namespace

// Input: the limit on a record, the count of sizes (and in two further bits whether there are
// escapes and comments), the sizes of pieces, the text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.size() < 2) return 0;
  const std::size_t limit = static_cast<std::size_t>(static_cast<unsigned char>(input[0])) + 1;
  const std::string_view sizes = input.substr(2, static_cast<unsigned char>(input[1]) % 8);
  const CsvSyntax syntax = {.escape = (input[1] & 8) != 0 ? '\\' : '\0'};
  const char comment = (input[1] & 16) != 0 ? '#' : '\0';
  const std::string_view text = input.substr(2 + sizes.size());
  CheckScanner<tsingest::internal::Block>(text, sizes, syntax);
  CheckScanner<tsingest::internal::WordBlock>(text, sizes, syntax);
  CheckSplitter<tsingest::internal::Block>(text, syntax);
  CheckSplitter<tsingest::internal::WordBlock>(text, syntax);
  CheckReader(text, sizes, limit, comment, syntax);
  return 0;
}
