// Your own struct into a table: 01_own_struct postgresql://…
#include <chrono>
#include <iostream>

#include "tsingest/pipeline/inserter.h"
#include "tsingest/sink/postgres.h"

struct Reading {
  tsingest::Timestamp time;
  std::string_view device;
  std::optional<double> celsius;
};

template <>
struct tsingest::Model<Reading> {
  static constexpr std::string_view kTable = "readings";
  static constexpr auto kFields =
      Fields(Field("time", &Reading::time, From{"ts"}),
             Field("device", &Reading::device, MaxLength{50}, NotEmpty{}),
             Field("celsius", &Reading::celsius, From{"data.temp"}, InRange{-90.0, 150.0}));
};

int main(int argc, char** argv) {
  tsingest::PostgresOptions options;
  options.conninfo = argc > 1 ? argv[1] : "";
  options.create.enabled = true;
  tsingest::PostgresSink<Reading> sink(options);
  tsingest::Inserter<Reading> readings(sink);
  absl::Status status = readings.Open();
  for (int i = 0; status.ok() && i < 10'000; ++i) {
    const auto now = tsingest::SystemClock().WallNow();
    status = readings.Add({.time = now, .device = "plc-7", .celsius = 20 + i % 10});
  }
  if (status.ok()) status = readings.Flush();  // OK: every row added so far is durable
  std::cout << readings.totals().written << " rows written; " << status << "\n";
  return status.ok() ? 0 : 1;
}
