#include "tools/dlq/letter_text.h"

#include <algorithm>

#include "fmt/format.h"
#include "tsingest/base/utf8.h"
#include "tsingest/service/time_text.h"

namespace tsingest {
namespace {

bool IsReadable(std::string_view text) {
  const auto is_control = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
  };
  return IsValidUtf8(text) && std::ranges::none_of(text, is_control);
}

// Bytes that would move the cursor or break the line, as \xNN.
std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string HexDump(std::string_view bytes) {
  constexpr std::size_t kRow = 16;
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += kRow) {
    std::string hex;
    std::string text;
    for (const char c : bytes.substr(at, kRow)) {
      const auto byte = static_cast<unsigned char>(c);
      hex += fmt::format("{:02x} ", byte);
      text.push_back(byte >= 0x20 && byte < 0x7f ? c : '.');
    }
    out += fmt::format("{:08x}  {:<48} |{}|\n", at, hex, text);
  }
  return out;
}

std::string Place(const StoredLetter& letter) {
  std::string place = Printable(letter.stream);
  if (letter.position.has_value()) place += fmt::format("@{}", *letter.position);
  if (letter.line > 0) place += fmt::format(" line {}", letter.line);
  if (letter.row > 0) place += fmt::format(" row {}", letter.row);
  return place;
}

}  // namespace

std::string LetterLineText(const StoredLetter& letter) {
  return fmt::format("{:>8}  {:.19}Z  {:<8}  {}  {}{}  {}\n", letter.id, Rfc3339(letter.at),
                     Printable(letter.code), Printable(letter.source), Place(letter),
                     letter.attempts > 1 ? fmt::format("  {} attempts", letter.attempts) : "",
                     Printable(letter.reason));
}

std::string PayloadText(std::string_view payload) {
  if (payload.empty()) return "(empty)\n";
  if (!IsReadable(payload)) return HexDump(payload);
  return std::string(payload) + (payload.ends_with('\n') ? "" : "\n");
}

std::string LetterText(const StoredLetter& letter) {
  std::string out;
  const auto line = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) out += fmt::format("{:<9} {}\n", name, value);
  };
  line("id", fmt::format("{}", letter.id));
  line("at", Rfc3339(letter.at));
  line("reason", Printable(letter.reason));
  line("code", Printable(letter.code));
  line("source", Printable(letter.source));
  line("place", Place(letter));
  line("topic", Printable(letter.topic));
  line("key", Printable(letter.key));
  line("attempts", fmt::format("{}", letter.attempts));
  if (letter.arrival.has_value()) line("arrival", Rfc3339(*letter.arrival));
  line("reading", letter.reading.empty() ? "not recorded" : Printable(letter.reading));
  out += fmt::format("payload, {} bytes:\n{}", letter.payload.size(), PayloadText(letter.payload));
  if (letter.original.has_value()) {
    out += fmt::format("before it was repaired, {} bytes:\n{}", letter.original->size(),
                       PayloadText(*letter.original));
  }
  return out;
}

}  // namespace tsingest
