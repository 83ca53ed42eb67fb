#include "source/kafka/partition.h"

#include <array>
#include <charconv>

#include "fmt/format.h"

namespace tsingest::kafka {

Witness Witness::Of(const rd_kafka_message_t& message) {
  return {.offset = message.offset,
          .timestamp_ms = rd_kafka_message_timestamp(&message, nullptr),
          .bytes = static_cast<std::int64_t>(message.len + message.key_len)};
}

std::optional<Witness> Witness::Parse(std::string_view text) {
  std::array<std::int64_t, 3> numbers{};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i != 0 && (at == end || *at++ != ':')) return std::nullopt;
    const auto [next, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc()) return std::nullopt;
    at = next;
  }
  if (at != end) return std::nullopt;
  return Witness{numbers[0], numbers[1], numbers[2]};
}

std::string Witness::ToString() const {
  return offset < 0 ? std::string() : fmt::format("{}:{}:{}", offset, timestamp_ms, bytes);
}

}  // namespace tsingest::kafka
