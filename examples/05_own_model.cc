// CSV files into a table of your own model, exactly once: 05_own_model postgresql://… [FILE.csv…]
// Run it again after a crash and it goes on where it stopped. docs/models.md explains it.
#include <cstdint>
#include <iostream>
#include <optional>
#include <string_view>

#include "tsingest/decode/csv.h"
#include "tsingest/pipeline/pipeline.h"
#include "tsingest/sink/postgres.h"
#include "tsingest/source/csv.h"

struct Weather {
  tsingest::Timestamp time;
  std::string_view station;
  std::optional<double> celsius;
  std::optional<std::int16_t> humidity;
  std::string_view quality;
};

template <>
struct tsingest::Model<Weather> {
  static constexpr std::string_view kTable = "weather";
  static constexpr auto kFields =
      Fields(Field("time", &Weather::time, From{"observed_at"}, Key{}),
             Field("station", &Weather::station, MaxLength{20}, NotEmpty{}, Key{}),
             Field("celsius", &Weather::celsius, From{"temp"}, InRange{-90.0, 60.0}),
             Field("humidity", &Weather::humidity, InRange{0, 100}),
             Field("quality", &Weather::quality, Default{"raw"}, OneOf{"raw", "checked"}));
};

int main(int argc, char** argv) {
  tsingest::CsvDecoder<Weather> decoder;
  tsingest::CsvSourceOptions files;
  for (int i = 2; i < argc; ++i) files.files.emplace_back(argv[i]);
  if (files.files.empty()) files.files = {"weather.csv"};
  files.model = "weather";
  files.on_header = [&](tsingest::StreamId, const tsingest::CsvHeader& header) {
    return decoder.SetHeader(header);
  };
  tsingest::CsvSource source(files);

  tsingest::PostgresOptions options;
  options.conninfo = argc > 1 ? argv[1] : "";
  options.create.enabled = true;    // the table, and the schema tsingest
  options.ledger = "weather-2024";  // the import's name: positions are stored under it
  options.review_ledger = [&](const tsingest::LedgerView& view) { return source.Review(view); };
  tsingest::PostgresSink<Weather> sink(options);

  tsingest::Pipeline<Weather, tsingest::CsvDecoder<Weather>> pipeline(source, sink, decoder);
  const tsingest::RunResult result = pipeline.Run();
  const tsingest::Balance& rows = result.counters.balance;
  std::cout << rows.written << " rows written, " << rows.dead_lettered
            << " in tsingest.dead_letter; " << result.status << "\n";
  return result.status.ok() ? 0 : 1;
}
