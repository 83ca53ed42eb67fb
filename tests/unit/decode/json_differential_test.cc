// Our scanner and decoder beside RapidJSON: generated documents, whole and damaged.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "support/rapidjson.h"
#include "tsingest/base/arena.h"
#include "tsingest/decode/json.h"
#include "tsingest/model/json_text.h"
#include "tsingest/model/model.h"

namespace tsingest::testing {

struct Mixed {
  std::optional<std::string_view> text;
  std::optional<double> number;
  std::optional<Json> any;
  Json rest;
};

}  // namespace tsingest::testing

template <>
struct tsingest::Model<tsingest::testing::Mixed> {
  using Row = tsingest::testing::Mixed;
  static constexpr std::string_view kTable = "mixed";
  static constexpr auto kFields =
      Fields(Field("text", &Row::text, From{"t", "o.t"}, OnlyNonNumbers{}),
             Field("number", &Row::number, From{"n", "o.n", "o.p.n"}, OnlyNumbers{}),
             Field("any", &Row::any, From{"j"}), Field("rest", &Row::rest, Rest{}));
};

namespace tsingest::testing {
namespace {

constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                            rapidjson::kParseNumbersAsStringsFlag;

// Random JSON: every kind of value, escape and number form, names that mean something and others.
class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  std::size_t Below(std::size_t bound) { return random_() % bound; }

  std::string Object(int depth) {
    std::string out = "{";
    const std::size_t members = Below(7);
    for (std::size_t i = 0; i < members; ++i) {
      if (i != 0) out += ",";
      out += Space() + Name() + Space() + ":" + Space() + Value(depth - 1) + Space();
    }
    return out + "}";
  }

  std::string Value(int depth) {
    switch (Below(depth > 0 ? 9 : 6)) {
      case 0:
        return "true";
      case 1:
        return Below(2) == 0 ? "false" : "null";
      case 2:
      case 3:
        return Number();
      case 4:
      case 5:
        return String();
      case 6:
        return Array(depth);
      default:
        return Object(depth);
    }
  }

 private:
  std::string Pick(std::initializer_list<std::string_view> list) {
    return std::string(list.begin()[Below(list.size())]);
  }
  std::string Space() {
    return Below(4) != 0 ? "" : Pick({" ", "\n", "\t", "\r\n  ", "          "});
  }
  std::string Name() {
    return "\"" +
           Pick({"t", "n", "j", "o", "p", "o.t", "o.n", "text", "number", "any", "rest", "x",
                 "\\u0074", "\\u006f", "a rather long name that no field is called by", ""}) +
           "\"";
  }
  std::string String() {
    std::string out = "\"";
    const std::size_t pieces = Below(5);
    for (std::size_t i = 0; i < pieces; ++i) {
      out += Pick({"plain", "\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\ud83d\\ude00", "\xC3\xA9",
                   "\xF0\x9F\x98\x80", "exactly-15-bytes", "a text that is longer than any block",
                   ""});
    }
    return out + "\"";
  }
  // Without leading zeros, and never zero: RapidJSON 1.1 reads 0e79 as 1.6e60.
  std::string Digits(std::size_t most) {
    std::string out(1 + Below(most), '0');
    for (char& c : out) c = static_cast<char>('0' + Below(10));
    if (out[0] == '0') out[0] = '7';
    return out;
  }
  std::string Number() {
    std::string out = Below(3) == 0 ? "-" : "";
    if (Below(12) == 0) return out + "0";
    out += Below(6) == 0 ? "0." : Digits(Below(9) == 0 ? 40 : 9);
    if (out.back() == '.') return out + "000" + Digits(12);
    if (Below(2) == 0) out += "." + Digits(Below(9) == 0 ? 40 : 12);
    if (Below(4) == 0) out += Pick({"e", "E", "e+", "E-"}) + Digits(2);
    return out;
  }
  std::string Array(int depth) {
    std::string out = "[";
    const std::size_t elements = Below(4);
    for (std::size_t i = 0; i < elements; ++i) {
      out += (i == 0 ? "" : ",") + Space() + Value(depth - 1) + Space();
    }
    return out + "]";
  }

  std::mt19937 random_;
};

// What RapidJSON says; nullopt where it is known to see things differently.
std::optional<bool> OracleAccepts(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;  // its end of text
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  // Its stream skips each byte of a byte order mark by itself.
  if (!text.empty() && std::string_view("\xEF\xBB\xBF").find(text[0]) != std::string_view::npos) {
    return std::nullopt;
  }
  rapidjson::Reader reader;
  rapidjson::BaseReaderHandler<> nothing;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, nothing);
  if (result.Code() == rapidjson::kParseErrorStringUnicodeSurrogateInvalid) return std::nullopt;
  if (result.Code() == rapidjson::kParseErrorNumberTooBig) return std::nullopt;  // for a double
  return !result.IsError();
}

std::string Damage(std::string text, Generator& random) {
  static constexpr std::string_view kBytes =
      "{}[]\",:\\ue.-+019 \n\t\x1f\x7f\x80\xC3\xE2\xF0\xFF/ntf";
  const std::size_t times = 1 + random.Below(3);
  for (std::size_t i = 0; i < times && !text.empty(); ++i) {
    const std::size_t at = random.Below(text.size());
    const char byte = kBytes[random.Below(kBytes.size())];
    switch (random.Below(4)) {
      case 0:
        text[at] = byte;
        break;
      case 1:
        text.insert(at, 1, byte);
        break;
      case 2:
        text.erase(at, 1 + random.Below(4));
        break;
      default:
        text.resize(at);
        break;
    }
  }
  return text;
}

TEST(JsonBesideRapidJson, AcceptsAndRejectsTheSameTexts) {
  Generator random(1);
  int accepted = 0;
  int rejected = 0;
  for (int i = 0; i < 12'000; ++i) {
    std::string text = random.Value(5);
    if (i % 4 != 0) text = Damage(std::move(text), random);
    const std::optional<bool> oracle = OracleAccepts(text);
    if (!oracle.has_value()) continue;
    const JsonCheck check = CheckJson(text);
    ASSERT_EQ(check.ok(), *oracle) << text << "\n" << check.rule << " at byte " << check.offset;
    ++(check.ok() ? accepted : rejected);
  }
  EXPECT_GT(accepted, 3'000);
  EXPECT_GT(rejected, 3'000);
}

std::span<const rapidjson::Value::Member> Members(const rapidjson::Value& object) {
  return {object.MemberBegin().operator->(), object.MemberCount()};
}

// What the decoder must find in a document, by the rules of JsonDecoder and in the plainest way.
struct Expected {
  struct Best {
    const rapidjson::Value* value = nullptr;
    int rank = 99;
    void Offer(const rapidjson::Value& offered, int offered_rank) {
      if (offered_rank <= rank) *this = {&offered, offered_rank};
    }
  };
  Best text;
  Best number;
  Best any;
  std::vector<std::pair<std::string, const rapidjson::Value*>> rest;

  explicit Expected(const rapidjson::Value& object) {
    for (const auto& member : Members(object)) {
      const std::string name(member.name.GetString(), member.name.GetStringLength());
      const rapidjson::Value& value = member.value;
      if (name == "t")
        text.Offer(value, 0);
      else if (name == "o.t")
        text.Offer(value, 1);
      else if (name == "text")
        text.Offer(value, 2);
      else if (name == "n")
        number.Offer(value, 0);
      else if (name == "o.n")
        number.Offer(value, 1);
      else if (name == "number")
        number.Offer(value, 3);
      else if (name == "j")
        any.Offer(value, 0);
      else if (name == "any")
        any.Offer(value, 1);
      else if (name != "o" || !value.IsObject() || !TakeInside(value))
        rest.emplace_back(name, &value);
    }
  }

  bool TakeInside(const rapidjson::Value& object) {
    bool took = false;
    for (const auto& member : Members(object)) {
      const std::string_view name(member.name.GetString(), member.name.GetStringLength());
      if (name == "t") text.Offer(member.value, 1), took = true;
      if (name == "n") number.Offer(member.value, 1), took = true;
      if (name == "p" && member.value.IsObject()) {
        for (const auto& inner : Members(member.value)) {
          const std::string_view inner_name(inner.name.GetString(), inner.name.GetStringLength());
          if (inner_name == "n") number.Offer(inner.value, 2), took = true;
        }
      }
    }
    return took;
  }
};

// Equal with members in the same order: RapidJSON's own comparison is wrong about equal names.
bool Same(const rapidjson::Value& a, const rapidjson::Value& b) {
  if (a.GetType() != b.GetType()) return false;
  if (a.IsArray()) {
    if (a.Size() != b.Size()) return false;
    for (rapidjson::SizeType i = 0; i < a.Size(); ++i) {
      if (!Same(a[i], b[i])) return false;
    }
    return true;
  }
  if (!a.IsObject()) return a == b;
  return std::ranges::equal(Members(a), Members(b), [](const auto& x, const auto& y) {
    return x.name == y.name && Same(x.value, y.value);
  });
}

bool SameJson(std::string_view text, const rapidjson::Value& value) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseFullPrecisionFlag>(text.data(), text.size());
  return !document.HasParseError() && Same(document, value);
}

void Compare(const Mixed& row, const Expected& expected, const std::string& message) {
  const rapidjson::Value* text = expected.text.value;
  const bool has_text = text != nullptr && !text->IsNull() && !text->IsNumber();
  ASSERT_EQ(row.text.has_value(), has_text) << message;
  if (has_text && text->IsString()) {
    EXPECT_EQ(*row.text, std::string_view(text->GetString(), text->GetStringLength())) << message;
  } else if (has_text) {
    EXPECT_TRUE(SameJson(*row.text, *text)) << message << "\n" << *row.text;
  }
  const rapidjson::Value* number = expected.number.value;
  const bool has_number = number != nullptr && number->IsNumber();
  ASSERT_EQ(row.number.has_value(), has_number) << message;
  if (has_number) {
    EXPECT_EQ(*row.number, number->GetDouble()) << message;
  }
  const rapidjson::Value* any = expected.any.value;
  ASSERT_EQ(row.any.has_value(), any != nullptr && !any->IsNull()) << message;
  if (row.any.has_value()) {
    EXPECT_TRUE(SameJson(row.any->text, *any)) << message;
  }
  rapidjson::Document rest;
  rest.Parse<rapidjson::kParseFullPrecisionFlag>(row.rest.text.data(), row.rest.text.size());
  ASSERT_TRUE(rest.IsObject()) << message << "\n" << row.rest.text;
  ASSERT_EQ(rest.MemberCount(), expected.rest.size()) << message << "\n" << row.rest.text;
  std::size_t i = 0;
  for (const auto& member : Members(rest)) {
    EXPECT_EQ(member.name.GetString(), expected.rest[i].first) << message;
    EXPECT_TRUE(Same(member.value, *expected.rest[i].second)) << message;
    ++i;
  }
}

TEST(JsonBesideRapidJson, FindsTheSameValues) {
  Generator random(2);
  JsonDecoder<Mixed> decoder;
  Arena arena;
  std::vector<Mixed> rows;
  int compared = 0;
  for (int i = 0; i < 6'000; ++i) {
    const std::string message = random.Object(4);
    rapidjson::Document document;
    document.Parse<rapidjson::kParseFullPrecisionFlag>(message.c_str());
    if (document.HasParseError()) {
      // The one thing our generator makes that a double cannot hold.
      ASSERT_EQ(document.GetParseError(), rapidjson::kParseErrorNumberTooBig) << message;
      continue;
    }
    arena.Reset();
    rows.clear();
    const Reject reject = decoder.Decode(
        {.payload = arena.CopyPadded(message), .topic = {}, .arrival = {}}, arena, rows);
    ASSERT_FALSE(reject) << message << "\n" << reject.reason;
    ASSERT_EQ(rows.size(), 1u);
    Compare(rows[0], Expected(document), message);
    ++compared;
  }
  EXPECT_GT(compared, 5'000);
}

// A message that is not JSON as a whole is never decoded, whatever its parts look like.
TEST(JsonBesideRapidJson, DecodesNothingThatIsNotJson) {
  Generator random(3);
  JsonOptions options;
  options.framing = JsonFraming::kSingle;
  JsonDecoder<Mixed> decoder(options);
  Arena arena;
  std::vector<Mixed> rows;
  int rejected = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string message = Damage(random.Object(4), random);
    arena.Reset();
    rows.clear();
    const Reject reject = decoder.Decode(
        {.payload = arena.CopyPadded(message), .topic = {}, .arrival = {}}, arena, rows);
    if (reject.code == RejectCode::kSyntax || reject.code == RejectCode::kOk) {
      const bool is_json = CheckJson(message).ok();
      ASSERT_EQ(reject.code == RejectCode::kOk, is_json) << message << "\n" << reject.reason;
    }
    EXPECT_TRUE(!reject || rows.empty()) << message;
    rejected += reject ? 1 : 0;
  }
  EXPECT_GT(rejected, 3'000);
}

}  // namespace
}  // namespace tsingest::testing
