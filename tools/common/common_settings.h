// The settings that all tools share (their table "All tools").
//
//   CommonSettings common;
//   DeclareCommonSettings(settings, common, {.tool = "csv-replay", .models = BuiltinModelNames()});
#ifndef TSINGEST_TOOLS_COMMON_COMMON_SETTINGS_H_
#define TSINGEST_TOOLS_COMMON_COMMON_SETTINGS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/model/time_options.h"
#include "tsingest/service/settings.h"

namespace tsingest {

// What differs between the tools.
struct CommonDefaults {
  std::string tool;  // "kafka2ts": names the source in dead letters, /status, the log
  std::vector<std::string> models;  // what --model can be
  std::string model = {};           // its default; empty: --model must be given
  // What --describe prints of a model; empty: there is no --describe.
  std::function<std::string(std::string_view model)> describe = {};
  bool is_service = false;                       // runs until stopped: has --http
  std::vector<std::string> target_schemes = {};  // besides PostgreSQL and stdout: "kafka", "mqtt"
  bool dead_letter_kafka = false;                // --dead-letter kafka:TOPIC is possible
  // Works on what is stored: --to and --model may be missing, and dead letters are in the table
  // unless --dead-letter says otherwise.
  bool is_inspector = false;
  // The database that is meant when only a part of it (a password, say) is given.
  std::string db_host = {};
  std::string db_name = {};
  std::string db_user = {};
};

enum class TargetKind : std::uint8_t { kPostgres, kStdout, kOther };

// --to, taken apart.
struct Target {
  TargetKind kind = TargetKind::kPostgres;
  std::string conninfo;  // kPostgres: URI or key=value string, with the password. Never log it.
  std::string uri;       // kOther: as given
  std::string scheme;    // kOther: "kafka"
  std::string shown;     // without secrets
};

enum class DeadLetterKind : std::uint8_t { kTable, kFile, kKafka, kNone };

// --dead-letter, taken apart.
struct DeadLetterTarget {
  DeadLetterKind kind = DeadLetterKind::kNone;
  std::string name;  // table, path or topic
};

// Values after Settings::Load(). Members are as the flags say; those in the second part are worked
// out from them.
struct CommonSettings {
  std::string to;
  std::string model;
  std::string table;
  bool create = false;
  std::string chunk_interval;  // a duration, or empty: the model's
  std::string compress_after;  // a duration, "none", or empty: the model's
  std::string retention;       // likewise
  std::string layout = "rows";
  std::string direct_compress = "auto";
  std::string on_conflict = "skip";
  std::string write_method = "copy";
  std::optional<std::int64_t> batch_rows;  // nullopt: as the sink likes best
  std::int64_t batch_bytes = 8 * 1024 * 1024;
  Duration linger = std::chrono::milliseconds(100);
  std::int64_t buffer_bytes = 64 * 1024 * 1024;
  std::int64_t buffer_rows = 0;  // S2's buffer_size: only reported; 0: estimated
  int writers = 0;               // after Load(): at least 1
  std::string dead_letter;
  std::optional<std::int64_t> max_rejects;
  std::string not_before;  // a timestamp, or a duration before the arrival
  std::string not_after;   // likewise, after it
  bool dry_run = false;
  Duration drain_timeout = std::chrono::seconds(20);
  std::string summary = "text";
  std::string log_level = "info";
  std::string log_format;               // empty: text on a terminal, else json
  std::string http = "127.0.0.1:8080";  // "off": none
  std::optional<std::int64_t> http_port;
  Duration http_read_timeout = std::chrono::seconds(10);
  Duration http_write_timeout = std::chrono::seconds(10);
  std::string service_name;  // after Load(): never empty
  std::string environment;   // S2's service.environment: said in the log's first line
  std::string db_host;
  std::optional<std::int64_t> db_port;
  std::string db_name;
  std::string db_user;
  std::string db_password;
  int pool_size = 0;  // S2's limit of connections; 0: none

  // Worked out by the check that DeclareCommonSettings() adds.
  CommonDefaults defaults;
  Target target;
  DeadLetterTarget dead_letter_target;
  TimeOptions window;     // only the window is set
  std::string http_host;  // empty: no HTTP
  int http_port_number = 0;
};

// Declares the settings and the check that works out the second part. Both must outlive `settings`.
void DeclareCommonSettings(Settings& settings, CommonSettings& values, CommonDefaults defaults);

// Parts of the above, for tests and for tools with targets of their own.
// "postgresql://…", "host=… dbname=…", "stdout:", or one of `schemes`. kInvalidArgument: what is
// allowed.
absl::StatusOr<Target> ParseTarget(std::string_view to, const std::vector<std::string>& schemes);
// "table[:NAME]", "file:PATH", "kafka:TOPIC", "none". kInvalidArgument: what is allowed, Kafka only
// with `names_kafka`.
absl::StatusOr<DeadLetterTarget> ParseDeadLetterTarget(std::string_view text,
                                                       bool names_kafka = true);
// "key='value'" for a libpq conninfo string, quoted; nothing for an empty value.
std::string ConninfoPart(std::string_view key, std::string_view value);
// The conninfo with the password, unless it has one already.
std::string WithPassword(const std::string& conninfo, std::string_view password);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_COMMON_COMMON_SETTINGS_H_
