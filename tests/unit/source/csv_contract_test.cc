// CsvSource under the suite that every source must pass.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contract/source_contract.h"
#include "support/temp_dir.h"
#include "tsingest/source/csv.h"
#include "unit/source/csv_reading.h"

namespace tsingest::testing {
namespace {

// Quotes with line breaks, CRLF, empty lines, an open quote, a line over the limit, no final line
// end: whatever makes positions hard.
constexpr std::string_view kFirst =
    "ts,device,note\r\n"
    "1,a,\"two\r\nlines, and a \"\"quote\"\"\"\r\n"
    "\r\n"
    "2,b,5\" pipe\r\n"
    "3,c,0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
    "\n"
    "4,d,\"never closed\n"
    "5,e,\xc3\xa9";
constexpr std::string_view kSecond = "x;y\n1;2\n3;4\n";

class CsvHarness : public SourceHarness {
 public:
  std::unique_ptr<Source> MakeSource() override {
    CsvSourceOptions options;
    options.files = {first_, second_};
    options.limits.record_bytes = 64;
    return std::make_unique<CsvSource>(std::move(options));
  }
  std::map<std::string, std::vector<std::string>> Expected() override {
    return {{"file:" + first_,
             {"1,a,\"two\r\nlines, and a \"\"quote\"\"\"", "2,b,5\" pipe",
              "3,c,012345678901234567890123456789012345678901234567890123456789",
              "4,d,\"never closed", "5,e,\xc3\xa9"}},
            {"file:" + second_, {"1;2", "3;4"}}};
  }

 protected:
  TempDir dir_;
  std::string first_ = dir_.Write("first.csv", kFirst);
  std::string second_ = dir_.Write("second.csv", kSecond);
};

// The same, to be decompressed: several gzip members, cut in a quoted field.
class CompressedCsvHarness : public CsvHarness {
 public:
  CompressedCsvHarness() {
    dir_.Write("first.csv", Gzip(kFirst.substr(0, 30)) + Gzip(kFirst.substr(30)));
    dir_.Write("second.csv", Zstd(kSecond.substr(0, 5)) + Zstd(kSecond.substr(5)));
  }
};

// The same, in UTF-16 with a byte order mark.
class TranscodedCsvHarness : public CsvHarness {
 public:
  TranscodedCsvHarness() {
    std::string utf16 = "\xFF\xFE";
    for (std::size_t i = 0; i < kFirst.size(); ++i) {
      const bool is_accent = kFirst[i] == '\xc3';
      utf16 += is_accent ? '\xe9' : kFirst[i];
      utf16 += '\0';
      if (is_accent) ++i;
    }
    dir_.Write("first.csv", utf16);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Csv, SourceContract, CsvHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(CompressedCsv, SourceContract, CompressedCsvHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(TranscodedCsv, SourceContract, TranscodedCsvHarness);

}  // namespace
}  // namespace tsingest::testing
