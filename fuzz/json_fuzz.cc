// JSON: our check beside RapidJSON's, and what must hold of every message that is decoded.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../tests/support/rapidjson.h"
#include "tsingest/base/arena.h"
#include "tsingest/base/buffer.h"
#include "tsingest/base/utf8.h"
#include "tsingest/decode/json.h"
#include "tsingest/model/json_text.h"
#include "tsingest/model/model.h"

namespace {

struct Row {
  std::optional<std::string_view> text;
  std::optional<double> number;
  std::optional<std::int32_t> count;
  std::optional<tsingest::Json> any;
  std::optional<tsingest::Array<std::optional<std::string_view>>> list;
  tsingest::Json rest;
};

}  // namespace

template <>
struct tsingest::Model<Row> {
  static constexpr std::string_view kTable = "row";
  static constexpr std::string_view kScalarName = "text";
  static constexpr auto kFields =
      Fields(Field("text", &Row::text, From{"t", "o.t"}, OnlyNonNumbers{}),
             Field("number", &Row::number, From{"n", "o.n", "o.p.n"}, OnlyNumbers{}),
             Field("count", &Row::count, From{"c"}, BoolAsNumber{}), Field("any", &Row::any),
             Field("list", &Row::list), Field("rest", &Row::rest, Rest{}));
};

namespace {

using tsingest::Arena;
using tsingest::CheckJson;
using tsingest::JsonCheck;
using tsingest::Reject;
using tsingest::RejectCode;

void Require(bool holds) {
  if (!holds) std::abort();
}

// What RapidJSON says; nullopt where it is known to see things differently.
std::optional<bool> OracleAccepts(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;  // its end of text
  // Its stream skips each byte of a byte order mark by itself.
  if (!text.empty() && std::string_view("\xEF\xBB\xBF").find(text[0]) != std::string_view::npos) {
    return std::nullopt;
  }
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |
                              rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  rapidjson::Reader reader;
  rapidjson::BaseReaderHandler<> nothing;
  const rapidjson::ParseErrorCode code = reader.Parse<kFlags>(stream, nothing).Code();
  if (code == rapidjson::kParseErrorStringUnicodeSurrogateInvalid ||
      code == rapidjson::kParseErrorNumberTooBig) {
    return std::nullopt;
  }
  return code == rapidjson::kParseErrorNone;
}

void CheckText(const std::optional<std::string_view>& text) {
  if (!text.has_value()) return;
  Require(tsingest::IsValidUtf8(*text) && text->find('\0') == std::string_view::npos);
}

// A row as JSON, to compare rows with.
std::string Show(const Row& row) {
  tsingest::ByteBuffer out;
  tsingest::ForEachField<Row>([&](const auto& field) {
    using Def = std::remove_cvref_t<decltype(field)>;
    const auto append = [&](const auto& value) {
      tsingest::PgType<typename Def::Value>::AppendJson(value, out);
    };
    if constexpr (tsingest::kIsOptional<typename Def::Type>) {
      if ((row.*field.member).has_value()) append(*(row.*field.member));
    } else {
      append(row.*field.member);
    }
    out.AppendByte(';');
  });
  return std::string(out.view());
}

struct Decoded {
  std::vector<std::string> rows;
  std::string reason;
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

Decoded Decode(tsingest::JsonDecoder<Row>& decoder, std::string_view text) {
  Arena arena;
  std::vector<Row> rows(1);
  const std::string_view payload = arena.CopyPadded(text);
  const Reject reject =
      decoder.Decode({.payload = payload, .topic = {}, .arrival = {}}, arena, rows);
  Require(payload == text);
  Require(!reject || (rows.size() == 1 && !reject.reason.empty()));
  rows.erase(rows.begin());
  Decoded decoded{{}, reject.reason};
  tsingest::ParseOptions options;
  tsingest::ParseContext context{.options = &options, .arena = &arena, .arrival = {}, .why = {}};
  for (const Row& row : rows) {
    CheckText(row.text);
    Require(!tsingest::Validate(row, context));
    decoded.rows.push_back(Show(row));
  }
  return decoded;
}

void CheckElements(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (text[begin] != '[') return;
  Arena arena;
  tsingest::ParseContext context;
  context.arena = &arena;
  tsingest::JsonArrayElements elements(text.substr(begin), context);
  std::size_t count = 0;
  for (tsingest::Token token; elements.Next(&token);) ++count;
  if (elements.code() == RejectCode::kOk) {
    Require(count == tsingest::JsonArrayElements::Count(text.substr(begin)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const JsonCheck check = CheckJson(text);
  Require(check.offset <= size);
  const std::optional<bool> oracle = OracleAccepts(text);
  if (oracle.has_value() && check.code != RejectCode::kLimit) Require(check.ok() == *oracle);
  if (check.ok()) CheckElements(text);

  // One value, as CheckJson() sees it.
  static tsingest::JsonDecoder<Row> single([] {
    tsingest::JsonOptions options;
    options.framing = tsingest::JsonFraming::kSingle;
    return options;
  }());
  const Decoded first = Decode(single, text);
  if (!check.ok() && !text.starts_with("\xEF\xBB\xBF")) Require(!first.reason.empty());
  // What a decoder has seen before makes no difference.
  static tsingest::JsonDecoder<Row> lines;
  const Decoded whole = Decode(lines, text);
  Decode(lines, text.substr(0, size / 2));
  Require(Decode(lines, text) == whole);
  if (size % 16 == 0) {
    tsingest::JsonDecoder<Row> fresh;
    Require(Decode(fresh, text) == whole);
  }
  return 0;
}
