// A small row type, and a decoder that reads it from words: what pipeline tests are written with.
#ifndef TSINGEST_TESTS_SUPPORT_TEST_ROW_H_
#define TSINGEST_TESTS_SUPPORT_TEST_ROW_H_

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "tsingest/base/arena.h"
#include "tsingest/base/clock.h"
#include "tsingest/decode/decoder.h"
#include "tsingest/model/model.h"

namespace tsingest::testing {

struct TestRow {
  Timestamp time{};
  std::int64_t id = 0;
  std::string_view device = {};
  std::optional<double> value = {};
};

}  // namespace tsingest::testing

template <>
struct tsingest::Model<tsingest::testing::TestRow> {
  using Row = tsingest::testing::TestRow;
  static constexpr std::string_view kTable = "test_row";
  static constexpr auto kFields =
      tsingest::Fields(tsingest::Field("time", &Row::time, tsingest::DefaultToArrival{}),
                       tsingest::Field("id", &Row::id),
                       tsingest::Field("device", &Row::device, tsingest::MaxLength{50}),
                       tsingest::Field("value", &Row::value));
};

namespace tsingest::testing {

// Payload: ids separated by spaces, one row each, device = topic; none: no row. A word that is no
// number makes the message a reject, after rows of it were appended and taken away again.
class WordDecoder {
 public:
  Reject Decode(const DecodeInput& input, Arena&, std::vector<TestRow>& rows) {
    const std::size_t before = rows.size();
    std::string_view rest = input.payload;
    while (!rest.empty()) {
      const std::string_view word = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
      if (word.empty()) continue;
      TestRow row{.time = input.arrival, .device = input.topic};
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), row.id);
      if (error != std::errc() || end != word.data() + word.size()) {
        rows.resize(before);
        return {RejectCode::kType, "id: " + ShowValue(word) + " is not a number"};
      }
      rows.push_back(row);
    }
    return {};
  }
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_TEST_ROW_H_
