#include "support/kafka_sequence.h"

#include <cstdlib>

namespace tsingest::testing {
namespace {

constexpr char kColumns[] =
    "timestamp, device_id, connector_mode, component_type, pin_position, value, unit, topic";
constexpr long kFirstMs = 1'700'000'000'000;

// A row as it must be, from the message's two numbers.
constexpr char kExpected[] = R"sql(
  SELECT to_timestamp(1700000000) + s * interval '1 ms' AS timestamp, 'p' || p AS device_id,
         'live' AS connector_mode, 'Temperature ' || s % 5 AS component_type,
         (s % 8)::text AS pin_position, s + 0.25 AS value, 'C' AS unit,
         'plant/' || p || '/' || s % 97 AS topic
  FROM generate_series(0, %PRODUCERS% - 1) AS p, generate_series(0::bigint, %COUNT% - 1) AS s)sql";

std::string Replaced(std::string text, const std::string& what, const std::string& with) {
  const std::size_t at = text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), with);
}

}  // namespace

std::string SequenceMessage(int producer, long sequence) {
  const std::string p = std::to_string(producer);
  const std::string s = std::to_string(sequence);
  return R"({"timestamp":)" + std::to_string(kFirstMs + sequence) + R"(,"mac_address":"p)" + p +
         R"(","mode":"live","data_point_label":"Temperature )" + std::to_string(sequence % 5) +
         R"(","pin":")" + std::to_string(sequence % 8) + R"(","value":)" + s +
         R"(.25,"unit":"C","original_topic":"plant/)" + p + "/" + std::to_string(sequence % 97) +
         R"("})";
}

void CreateKeylessTable(const PostgresServer& server, const std::string& database) {
  server.Exec(
      "CREATE TABLE iot_measurements (timestamp timestamptz NOT NULL, device_id varchar(50) NOT "
      "NULL, connector_mode varchar(50) NOT NULL, component_type varchar(50) NOT NULL, "
      "pin_position varchar(10), value double precision, unit varchar(20), topic varchar(255))",
      database);
}

std::string SequenceFaults(const PostgresServer& server, int producers, long count,
                           const std::string& database) {
  const std::string expected =
      Replaced(Replaced(kExpected, "%PRODUCERS%", std::to_string(producers)), "%COUNT%",
               std::to_string(count));
  const std::string columns = kColumns;  // by name: a column may have been dropped and added again
  std::string faults;
  const auto check = [&](const std::string& what, const std::string& sql) {
    const std::string found = server.Value(sql, database);
    if (found != "0") faults += found + " " + what + "\n";
  };
  // Multisets: a row that is there twice is one too many in the first difference.
  check("rows too many, or with other values", "SELECT count(*) FROM (SELECT " + columns +
                                                   " FROM iot_measurements EXCEPT ALL " + expected +
                                                   ") d");
  check("rows missing", "SELECT count(*) FROM (" + expected + " EXCEPT ALL SELECT " + columns +
                            " FROM iot_measurements) d");
  check("times that a (producer, sequence) is there once more",
        "SELECT count(*) - count(DISTINCT (device_id, value)) FROM iot_measurements");
  check("dead letters", "SELECT count(*) FROM tsingest.dead_letter");
  return faults;
}

long StoredPositions(const PostgresServer& server, const std::string& ledger,
                     const std::string& database) {
  return std::atol(server
                       .Value("SELECT coalesce(sum(position), 0) FROM tsingest.positions WHERE "
                              "ledger = '" +
                                  ledger + "'",
                              database)
                       .c_str());
}

}  // namespace tsingest::testing
