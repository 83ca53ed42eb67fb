// Uses an installed tsingest as any other project would: a model of its own, checked and, with the
// component postgres, a sink for it.
#include <cstdio>
#include <optional>
#include <string_view>

#include "tsingest/model/model.h"
#ifdef WITH_POSTGRES
#include "tsingest/sink/postgres.h"
#endif

struct Reading {
  tsingest::Timestamp time;
  std::string_view device;
  std::optional<double> temp;
};

template <>
struct tsingest::Model<Reading> {
  static constexpr std::string_view kTable = "readings";
  static constexpr auto kFields = tsingest::Fields(
      tsingest::Field("time", &Reading::time), tsingest::Field("device", &Reading::device),
      tsingest::Field("temp", &Reading::temp, tsingest::InRange{-90.0, 60.0}));
};

int main() {
  static_assert(tsingest::kFieldCount<Reading> == 3);
  tsingest::ParseOptions options;
  tsingest::Arena arena;
  tsingest::ParseContext context{.options = &options, .arena = &arena, .why = {}};
  Reading reading{.time = {}, .device = "plc-7", .temp = 21.5};
  if (tsingest::Validate(reading, context)) return 1;
  reading.temp = 6000.0;
  const tsingest::Reject reject = tsingest::Validate(reading, context);
  std::printf("%s\n", reject.reason.c_str());
  if (!reject) return 1;
#ifdef WITH_POSTGRES
  // Nobody listens there: what counts is that it links, runs and says so.
  tsingest::PostgresSink<Reading> sink({.conninfo = "host=/nonexistent dbname=none"});
  const absl::Status status = sink.Open();
  std::printf("%s\n", status.ToString().c_str());
  if (status.ok()) return 1;
#endif
  return 0;
}
