// What Check() accepts, COPY accepts, and SELECT gives it back bit by bit; what Check() refuses,
// the server refuses. Generated values of every type against a real PostgreSQL.
//
// The seed is printed; TSINGEST_SEED=N runs the same values again.
#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gtest/gtest.h"
#include "integration/generated_values.h"
#include "support/copy_reader.h"
#include "support/pg_client.h"
#include "support/postgres_server.h"
#include "tsingest/encode/copy_encoder.h"
#include "tsingest/encode/sql.h"

namespace tsingest {
namespace testing {

template <class T>
struct Cell {
  std::int32_t id = 0;
  std::optional<T> v;
};

}  // namespace testing

template <class T>
struct Model<testing::Cell<T>> {
  static constexpr std::string_view kTable = "got";
  static constexpr auto kFields =
      Fields(Field("id", &testing::Cell<T>::id), Field("v", &testing::Cell<T>::v));
};

namespace testing {
namespace {

constexpr int kValues = 1000;

struct ResultCloser {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultCloser>;

std::uint64_t Seed() {
  static const std::uint64_t seed = [] {
    const char* const given = std::getenv("TSINGEST_SEED");
    const std::uint64_t value =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::cout << "seed " << value << " (again with TSINGEST_SEED=" << value << ")\n";
    return value;
  }();
  return seed;
}

std::string ErrorOf(const PGresult* result) {
  const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return state == nullptr ? std::string() : state + std::string(" ") + PQresultErrorMessage(result);
}

// Sends a COPY stream; the server's error (SQLSTATE first), or "".
std::string CopyIn(PgClient& client, const std::string& statement, std::string_view stream) {
  const Result start(PQexec(client.raw(), statement.c_str()));
  if (PQresultStatus(start.get()) != PGRES_COPY_IN) throw std::runtime_error(ErrorOf(start.get()));
  PQputCopyData(client.raw(), stream.data(), static_cast<int>(stream.size()));
  PQputCopyEnd(client.raw(), nullptr);
  std::string error;
  for (Result result(PQgetResult(client.raw())); result != nullptr;
       result.reset(PQgetResult(client.raw()))) {
    if (error.empty()) error = ErrorOf(result.get());
  }
  return error;
}

std::string CopyOut(PgClient& client, const std::string& statement) {
  const Result start(PQexec(client.raw(), statement.c_str()));
  if (PQresultStatus(start.get()) != PGRES_COPY_OUT) throw std::runtime_error(ErrorOf(start.get()));
  std::string stream;
  char* chunk = nullptr;
  for (int size = 0; (size = PQgetCopyData(client.raw(), &chunk, 0)) > 0; PQfreemem(chunk)) {
    stream.append(chunk, static_cast<std::size_t>(size));
  }
  while (Result(PQgetResult(client.raw())) != nullptr) {
  }
  return stream;
}

// Runs a statement with text parameters (no NUL in them); the error, or "".
std::string Execute(PgClient& client, const char* sql,
                    const std::vector<std::optional<std::string>>& parameters) {
  std::vector<const char*> values;
  for (const auto& parameter : parameters)
    values.push_back(parameter ? parameter->c_str() : nullptr);
  const Result result(PQexecParams(client.raw(), sql, static_cast<int>(values.size()), nullptr,
                                   values.data(), nullptr, nullptr, 0));
  return ErrorOf(result.get());
}

template <class T>
struct ElementOf {
  using type = T;
};
template <class T>
struct ElementOf<Array<T>> {
  using type = ValueType<T>;
};
template <class T>
struct ElementOf<std::vector<T>> {
  using type = ValueType<T>;
};

template <class T>
class EncoderProperty : public ::testing::Test {
 protected:
  // jsonb is parsed by the server: it stores values, not the text.
  static constexpr bool kKeepsBytes = !std::same_as<typename ElementOf<T>::type, Json>;
  // What Check() refuses may have no binary form ("abc" as a numeric, a time that overflows), but
  // it has a text; only texts have none (NUL).
  static constexpr bool kIsText = std::same_as<typename ElementOf<T>::type, std::string_view> ||
                                  std::same_as<typename ElementOf<T>::type, std::string>;

  EncoderProperty() : client_(SharedPostgres().Uri()), generator_(Seed()) {
    type_ = std::string(PgType<T>::kName);
    client_.Exec(
        "SET TimeZone = 'UTC'; DROP TABLE IF EXISTS got, want; CREATE TABLE got(id int, v " +
        type_ + "); CREATE TABLE want(id int, v " + type_ + ")");
  }

  RejectCode Check(const T& value) {
    ParseContext context{.options = &options_, .arena = &arena_, .arrival = {}, .why = {}};
    return PgType<T>::Check(value, context);
  }

  static std::string Stream(const std::vector<Cell<T>>& rows) {
    ByteBuffer out;
    CopyEncoder<Cell<T>>::Header(out);
    for (const Cell<T>& row : rows) CopyEncoder<Cell<T>>::Row(row, out);
    CopyEncoder<Cell<T>>::Trailer(out);
    return std::string(out.view());
  }

  std::string CopyRows(const std::vector<Cell<T>>& rows) {
    return CopyIn(client_, CopyStatement(TableName{"", "got"}, kBindings<Cell<T>>), Stream(rows));
  }

  // Whether the server refuses a value that Check() refuses, with an error about data (class 22).
  std::string Refuse(const T& value) {
    std::string error;
    if (kIsText) {
      error = CopyRows({Cell<T>{.id = -1, .v = value}});
    } else {
      error = Execute(client_, ("SELECT $1::" + type_).c_str(), {Generated<T>::ToSql(value)});
    }
    if (error.empty()) return "accepted by the server";
    return error.substr(0, 2) == "22" ? "" : error;
  }

  ParseOptions options_;
  Arena arena_;
  PgClient client_;
  Generator generator_;
  std::string type_;
};

using Types = ::testing::Types<
    bool, std::int16_t, std::int32_t, std::int64_t, float, double, std::string_view, std::string,
    Timestamp, std::chrono::sys_seconds, std::chrono::sys_time<std::chrono::nanoseconds>, Date,
    Uuid, Json, Bytes, Numeric, Inet, Array<double>, Array<std::optional<bool>>,
    Array<std::optional<std::int16_t>>, Array<std::optional<std::int32_t>>,
    Array<std::optional<std::int64_t>>, Array<std::optional<float>>, Array<std::optional<double>>,
    Array<std::optional<std::string_view>>, Array<std::optional<Timestamp>>,
    Array<std::optional<Date>>, Array<std::optional<Uuid>>, Array<std::optional<Json>>,
    Array<std::optional<Bytes>>, Array<std::optional<Numeric>>, Array<std::optional<Inet>>,
    std::vector<std::string>, std::vector<std::optional<bool>>, std::vector<bool>>;
TYPED_TEST_SUITE(EncoderProperty, Types);

TYPED_TEST(EncoderProperty, ServerAgreesWithCheckAndKeepsEveryBit) {
  using T = TypeParam;
  std::vector<Cell<T>> accepted;
  std::map<std::string, int> codes;
  for (int i = 0; i < kValues; ++i) {
    Cell<T> row{.id = i, .v = {}};
    if (i % 20 != 0) row.v = Generated<T>::Value(this->generator_);
    const RejectCode code = row.v.has_value() ? this->Check(*row.v) : RejectCode::kOk;
    ++codes[std::string(RejectSlug(code))];
    if (code == RejectCode::kOk) {
      accepted.push_back(row);
    } else {
      ASSERT_EQ(this->Refuse(*row.v), "")
          << Generated<T>::ToSql(*row.v) << " " << RejectSlug(code) << ", seed " << Seed();
    }
  }
  ASSERT_GT(codes["ok"], kValues / 3);
  ASSERT_EQ(this->CopyRows(accepted), "") << "seed " << Seed();
  if (this->kKeepsBytes) {
    EXPECT_EQ(CopyOut(this->client_,
                      "COPY (SELECT id, v FROM got ORDER BY id) TO STDOUT (FORMAT binary)"),
              this->Stream(accepted))
        << "seed " << Seed();
  }

  this->client_.Exec("BEGIN");
  const std::string insert = "INSERT INTO want VALUES ($1::int, $2::" + this->type_ + ")";
  for (const Cell<T>& row : accepted) {
    std::optional<std::string> text;
    if (row.v.has_value()) text = Generated<T>::ToSql(*row.v);
    ASSERT_EQ(Execute(this->client_, insert.c_str(), {std::to_string(row.id), text}), "")
        << *text << ", seed " << Seed();
  }
  this->client_.Exec("COMMIT");
  EXPECT_EQ(this->client_.Query("SELECT id, got.v, want.v FROM got FULL JOIN want USING (id) WHERE "
                                "got.v::text IS DISTINCT FROM want.v::text ORDER BY id LIMIT 3"),
            TextRows())
      << "seed " << Seed();
}

TYPED_TEST(EncoderProperty, JsonIsWhatTheServerMakesOfTheValue) {
  using T = TypeParam;
  JsonLimits generous;
  generous.number_bytes = 1'000'000;
  generous.depth = JsonLimits::kMaxDepth;
  this->client_.Exec("BEGIN");
  for (int i = 0; i < 200; ++i) {
    const T value = Generated<T>::Value(this->generator_);
    if (this->Check(value) != RejectCode::kOk) continue;
    ByteBuffer json;
    PgType<T>::AppendJson(value, json);
    ASSERT_TRUE(CheckJson(json.view(), generous).ok()) << json.view();
    ASSERT_EQ(Execute(this->client_, "INSERT INTO got VALUES (1, NULL) RETURNING $1::text::jsonb",
                      {std::string(json.view())}),
              "")
        << json.view();
  }
  this->client_.Exec("ROLLBACK");
}

// ---- Text that we read is read as the server reads it. ----

class ParseProperty : public ::testing::Test {
 protected:
  ParseProperty() : client_(SharedPostgres().Uri()), generator_(Seed()) {
    client_.Exec("SET TimeZone = 'UTC'");
  }

  // Our reading of the text, written as the server sends it, in hexadecimal; "" when refused.
  template <class T>
  std::string Ours(const std::string& text) {
    ParseContext context{.options = &options_, .arena = &arena_, .arrival = {}, .why = {}};
    T value{};
    if (PgType<T>::Parse({TokenKind::kText, text}, context, &value) != RejectCode::kOk) return {};
    std::string bytes(PgType<T>::Size(value), '\0');
    PgType<T>::Write(bytes.data(), value);
    static constexpr char kHex[] = "0123456789abcdef";
    std::string hex = "=";
    for (const char c : bytes) {
      hex += kHex[static_cast<unsigned char>(c) >> 4];
      hex += kHex[static_cast<unsigned char>(c) & 15];
    }
    return hex;
  }

  // The server's; "" when it refuses the text.
  std::string Theirs(const std::string& text, const std::string& send, const std::string& type) {
    const std::string sql = "SELECT '=' || encode(" + send + "($1::" + type + "), 'hex')";
    const char* const parameter = text.c_str();
    const Result result(
        PQexecParams(client_.raw(), sql.c_str(), 1, nullptr, &parameter, nullptr, nullptr, 0));
    return PQresultStatus(result.get()) == PGRES_TUPLES_OK ? PQgetvalue(result.get(), 0, 0) : "";
  }

  ParseOptions options_;
  Arena arena_;
  PgClient client_;
  Generator generator_;
};

TEST_F(ParseProperty, NumericsAreReadAsTheServerReadsThem) {
  for (int i = 0; i < 2000; ++i) {
    const std::string text(Generated<Numeric>::Value(generator_).text);
    EXPECT_EQ(Ours<Numeric>(text), Theirs(text, "numeric_send", "numeric"))
        << text << ", seed " << Seed();
  }
}

TEST_F(ParseProperty, FloatsAreReadAsTheServerReadsThem) {
  for (int i = 0; i < 2000; ++i) {
    const std::string text(Generated<Numeric>::Value(generator_).text);
    const std::string theirs = Theirs(text, "float8send", "float8");
    const std::string ours = Ours<double>(text);
    // What underflows is a zero here and an error there.
    if (theirs.empty() && (ours == "=0000000000000000" || ours == "=8000000000000000")) continue;
    EXPECT_EQ(ours, theirs) << text << ", seed " << Seed();
  }
}

TEST_F(ParseProperty, TimestampsAreReadAsTheServerReadsThem) {
  int both = 0;
  for (int i = 0; i < 4000; ++i) {
    const auto two = [&](std::size_t most) {
      char digits[16];
      std::snprintf(digits, sizeof(digits), "%02d", static_cast<int>(generator_.Below(most)));
      return std::string(digits);
    };
    const std::string_view dash = generator_.Pick({"-", "-", "-", "", "/"});
    std::string text =
        two(100) + two(100) + std::string(dash) + two(14) + std::string(dash) + two(33);
    if (!generator_.OneIn(6)) {
      const std::string_view colon = generator_.Pick({":", ":", ""});
      text += generator_.Pick({"T", " ", "t"}) + two(26) + std::string(colon) + two(62);
      if (!generator_.OneIn(6)) text += std::string(colon) + two(60);
      // Six digits: the server rounds longer fractions as binary floats.
      if (text.size() > 16 && generator_.OneIn(2))
        text += "." + Generated<Numeric>::Digits(generator_, 6);
      if (generator_.OneIn(2))
        text +=
            generator_.Pick({"Z", "z", "+00", "-0330", "+05:30", "+01:02:03", " UTC", "+15:59"});
    }
    const std::string ours = Ours<Timestamp>(text);
    if (ours.empty()) continue;
    // Year 0 is 1 BC here, as in ISO 8601, and no year there.
    if (text.substr(0, 4) == "0000") continue;
    ++both;
    EXPECT_EQ(ours, Theirs(text, "timestamptz_send", "timestamptz")) << text << ", seed " << Seed();
  }
  EXPECT_GT(both, 500);
}

TEST_F(ParseProperty, UuidsAddressesAndArraysAreReadAsTheServerReadsThem) {
  for (int i = 0; i < 1000; ++i) {
    std::string uuid = Generated<Uuid>::ToSql(Generated<Uuid>::Value(generator_));
    for (std::size_t n = generator_.Below(4); n != 0; --n)
      uuid.insert(generator_.Below(uuid.size() + 1), generator_.Pick({"-", "-", "{", "x"}));
    EXPECT_EQ(Ours<Uuid>(uuid), Theirs(uuid, "uuid_send", "uuid")) << uuid << ", seed " << Seed();

    const std::string inet = Generated<Inet>::ToSql(Generated<Inet>::Value(generator_));
    EXPECT_EQ(Ours<Inet>(inet), Theirs(inet, "inet_send", "inet")) << inet << ", seed " << Seed();

    std::string array = "{";
    for (std::size_t n = generator_.Below(5); n != 0; --n) {
      array += generator_.Pick({"a", "\"b c\"", "NULL", "null", " x ", "\\\\", "\"\\\"\"", "", "é",
                                "\"NULL\"", "a b", "a\\ "});
      if (n != 1 || generator_.OneIn(10)) array += ",";
    }
    if (!generator_.OneIn(20)) array += generator_.Pick({"}", "} ", "}x", "}"});
    EXPECT_EQ(Ours<Array<std::optional<std::string_view>>>(array),
              Theirs(array, "array_send", "text[]"))
        << array << ", seed " << Seed();
  }
}

TEST_F(ParseProperty, NumericsOfTheReaderInTheTestsAreRight) {
  // The independent reader that the fuzz target relies on.
  for (int i = 0; i < 500; ++i) {
    const std::string text(Generated<Numeric>::Value(generator_).text);
    const std::string ours = Ours<Numeric>(text);
    if (ours.empty()) continue;
    ParseContext context{.options = &options_, .arena = &arena_, .arrival = {}, .why = {}};
    Numeric value;
    ASSERT_EQ(PgType<Numeric>::Parse({TokenKind::kText, text}, context, &value), RejectCode::kOk);
    std::string bytes(PgType<Numeric>::Size(value), '\0');
    PgType<Numeric>::Write(bytes.data(), value);
    PGresult* const raw = [&] {
      const char* const parameter = text.c_str();
      return PQexecParams(client_.raw(), "SELECT $1::numeric::text", 1, nullptr, &parameter,
                          nullptr, nullptr, 0);
    }();
    const Result result(raw);
    ASSERT_EQ(PQresultStatus(result.get()), PGRES_TUPLES_OK) << text;
    EXPECT_EQ(NumericToText(bytes), PQgetvalue(result.get(), 0, 0)) << text;
  }
}

}  // namespace
}  // namespace testing
}  // namespace tsingest
