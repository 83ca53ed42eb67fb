// A field type of your own: 04_own_field_type postgresql://…
//
// PostgreSQL's `point` from JSON [longitude, latitude]: one specialisation of PgType, and it can be
// a field of any model, read, checked, stored and created like the built-in ones.
#include <cmath>
#include <iostream>

#include "tsingest/decode/json.h"
#include "tsingest/model/json_text.h"
#include "tsingest/pipeline/inserter.h"
#include "tsingest/sink/postgres.h"

struct Place {
  double longitude = 0;
  double latitude = 0;
};

template <>
struct tsingest::PgType<Place> {
  static constexpr std::string_view kName = "point";
  static constexpr std::uint32_t kOid = 600;
  static constexpr std::uint32_t kArrayOid = 1017;
  static constexpr std::size_t kFixedSize = 16;

  // [13.4, 52.5]
  static RejectCode Parse(const Token& token, ParseContext& context, Place* out) {
    Array<double> numbers;
    const bool is_pair =
        token.kind == TokenKind::kArray &&
        PgType<Array<double>>::Parse(token, context, &numbers) == RejectCode::kOk &&
        numbers.values.size() == 2;
    if (!is_pair) return context.Fail(RejectCode::kType, "is not [longitude, latitude]");
    *out = {numbers.values[0], numbers.values[1]};
    return Check(*out, context);
  }
  static RejectCode Check(const Place& place, ParseContext& context) {
    if (std::abs(place.longitude) <= 180 && std::abs(place.latitude) <= 90) return RejectCode::kOk;
    return context.Fail(RejectCode::kRange, "is not a place on earth");
  }
  static std::size_t Size(const Place&) { return kFixedSize; }
  static char* Write(char* out, const Place& place) {  // point_send: two float8
    return StoreBigEndian(StoreBigEndian(out, place.longitude), place.latitude);
  }
  static void AppendJson(const Place& place, ByteBuffer& out) {
    out.AppendByte('[');
    PgType<double>::AppendJson(place.longitude, out);
    out.AppendByte(',');
    PgType<double>::AppendJson(place.latitude, out);
    out.AppendByte(']');
  }
};

struct Fix {
  std::string_view vehicle;
  Place place;
};

template <>
struct tsingest::Model<Fix> {
  static constexpr std::string_view kTable = "fixes";
  static constexpr auto kFields =
      Fields(Field("vehicle", &Fix::vehicle, NotEmpty{}), Field("place", &Fix::place, From{"pos"}));
};

int main(int argc, char** argv) {
  tsingest::JsonDecoder<Fix> decoder;
  tsingest::Arena arena;
  std::vector<Fix> rows;
  for (const std::string_view text : {R"({"vehicle":"tram-4","pos":[13.4,52.5]})",
                                      R"({"vehicle":"tram-5","pos":[13.4,152.5]})"}) {
    const tsingest::Reject reject = decoder.Decode(
        {.payload = arena.CopyPadded(text), .topic = {}, .arrival = {}}, arena, rows);
    if (reject) std::cout << "rejected: " << reject.reason << "\n";
  }
  tsingest::PostgresOptions options;
  options.conninfo = argc > 1 ? argv[1] : "";
  options.create.enabled = true;
  tsingest::PostgresSink<Fix> sink(options);
  tsingest::Inserter<Fix> fixes(sink);
  absl::Status status = fixes.Open();
  for (const Fix& fix : rows) status.Update(fixes.Add(fix));
  status.Update(fixes.Flush());
  std::cout << fixes.totals().written << " row written; " << status << "\n";
  return status.ok() && fixes.totals().written == 1 ? 0 : 1;
}
