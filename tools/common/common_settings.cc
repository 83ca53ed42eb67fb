#include "tools/common/common_settings.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "fmt/format.h"
#include "tsingest/base/units.h"
#include "tsingest/model/parse_time.h"
#include "tsingest/model/reject.h"

namespace tsingest {
namespace {

constexpr std::string_view kTarget = "Where rows go";
constexpr std::string_view kTable = "The table";
constexpr std::string_view kBatches = "Batches and memory";
constexpr std::string_view kRejects = "Bad input";
constexpr std::string_view kOutput = "What is reported";

std::string Text(std::string_view view) { return std::string(view); }

absl::Status CheckDuration(std::string_view text) {
  absl::StatusOr<Duration> length = ParseDuration(text);
  if (length.ok() && length->count() > 0) return absl::OkStatus();
  return absl::InvalidArgumentError("is not a duration; write a number with h or d (7d)");
}

absl::Status CheckDurationOrNone(std::string_view text) {
  return text == "none" ? absl::OkStatus() : CheckDuration(text);
}

void DeclareTarget(Settings& settings, CommonSettings& v) {
  std::string also;
  for (const std::string& scheme : v.defaults.target_schemes) also += ", " + scheme + "://…";
  settings.Add(&v.to,
               {.name = "to",
                .value = "URI",
                .group = Text(kTarget),
                .help = "postgresql://…, a libpq string (host=… dbname=…), or stdout: for one JSON "
                        "object a line" +
                        also,
                .secret = Secret::kInside});
  settings.Add(&v.model, {.name = "model",
                          .value = "NAME",
                          .group = Text(kTarget),
                          .help = "what a row is",
                          .choices = v.defaults.models});
  settings.Add(&v.table, {.name = "table",
                          .value = "[SCHEMA.]NAME",
                          .group = Text(kTarget),
                          .help = "write to this table",
                          .default_text = "the model's"});
  settings.Add(&v.on_conflict,
               {.name = "on-conflict",
                .value = "HOW",
                .group = Text(kTarget),
                .help = "a row whose key is in the table already is left out (skip), replaces it "
                        "(update), or goes to the dead letters (error)",
                .choices = {"skip", "update", "error"}});
  settings.Add(
      &v.write_method,
      {.name = "write-method",
       .value = "HOW",
       .group = Text(kTarget),
       .help = "binary COPY, or INSERT for proxies and views that take no COPY",
       .yaml = {{"ingestion.use_copy_protocol",
                 std::map<std::string, std::string>{{"true", "copy"}, {"false", "insert"}}}},
       .choices = {"copy", "insert"}});
  settings.Add(&v.dry_run,
               {.name = "dry-run",
                .group = Text(kTarget),
                .help = "read and decode for real, print the typed rows, write and acknowledge "
                        "nothing; with PostgreSQL the rows are tried and rolled back"});
}

void DeclareDatabaseParts(Settings& settings, CommonSettings& v) {
  const std::string group = "The database in parts, instead of --to";
  settings.Add(&v.db_host, {.name = "db-host",
                            .group = group,
                            .help = "host",
                            .env = {"TIMESCALE_HOST", "INGESTION_DB_HOST"},
                            .yaml = {"database.host"},
                            .has_flag = false});
  settings.Add(&v.db_port, {.name = "db-port",
                            .group = group,
                            .help = "port",
                            .env = {"TIMESCALE_PORT", "INGESTION_DB_PORT"},
                            .yaml = {"database.port"},
                            .min = "1",
                            .max = "65535",
                            .has_flag = false});
  settings.Add(&v.db_name, {.name = "db-name",
                            .group = group,
                            .help = "database",
                            .env = {"TIMESCALE_DB", "INGESTION_DB_NAME"},
                            .yaml = {"database.database", "database.name"},
                            .has_flag = false});
  settings.Add(&v.db_user, {.name = "db-user",
                            .group = group,
                            .help = "user",
                            .env = {"TIMESCALE_USER", "INGESTION_DB_USER"},
                            .yaml = {"database.user"},
                            .has_flag = false});
  settings.Add(&v.db_password,
               {.name = "db-password",
                .group = group,
                .help = "password; also used when --to has none",
                .env = {"TIMESCALE_PASSWORD", "INGESTION_DB_PASSWORD", "PGPASSWORD"},
                .yaml = {"database.password"},
                .secret = Secret::kWhole,
                .has_flag = false});
  settings.Add(&v.pool_size, {.name = "db-pool-size",
                              .group = group,
                              .help = "use no more connections than this (0: as many as --writers)",
                              .yaml = {"database.pool_size"},
                              .min = "0",
                              .max = "1000",
                              .has_flag = false});
}

void DeclareTable(Settings& settings, CommonSettings& v) {
  settings.Add(&v.create,
               {.name = "create",
                .group = Text(kTable),
                .help = "create what is missing: table and indexes, with TimescaleDB also "
                        "hypertable and policies, and the schema tsingest"});
  settings.Add(&v.layout, {.name = "layout",
                           .value = "HOW",
                           .group = Text(kTable),
                           .help = "what --create makes: the model's keys and indexes, or a "
                                   "hypertable without unique key for direct compress",
                           .choices = {"rows", "compressed"}});
  settings.Add(&v.direct_compress, {.name = "direct-compress",
                                    .value = "WHEN",
                                    .group = Text(kTable),
                                    .help = "write compressed batches (TimescaleDB 2.21 or newer)",
                                    .choices = {"auto", "on", "off"}});
  settings.Add(&v.chunk_interval, {.name = "chunk-interval",
                                   .value = "D",
                                   .group = Text(kTable),
                                   .help = "time span of one chunk, with --create",
                                   .default_text = "the model's",
                                   .check = CheckDuration});
  settings.Add(&v.compress_after, {.name = "compress-after",
                                   .value = "D|none",
                                   .group = Text(kTable),
                                   .help = "compress chunks older than this, with --create",
                                   .default_text = "the model's",
                                   .check = CheckDurationOrNone});
  settings.Add(&v.retention, {.name = "retention",
                              .value = "D|none",
                              .group = Text(kTable),
                              .help = "drop chunks older than this, with --create",
                              .default_text = "the model's",
                              .check = CheckDurationOrNone});
}

void DeclareBatches(Settings& settings, CommonSettings& v) {
  settings.Add(&v.batch_rows, {.name = "batch-size",
                               .value = "N",
                               .group = Text(kBatches),
                               .help = "write when so many rows are there",
                               .yaml = {"ingestion.batch_size"},
                               .min = "1",
                               .max = "10000000",
                               .default_text = "5000; 20000 where rows are compressed on the way "
                                               "in"});
  settings.Add(&v.batch_bytes, {.name = "batch-bytes",
                                .value = "B",
                                .group = Text(kBatches),
                                .help = "… or so many bytes",
                                .min = "4KiB",
                                .max = "1GiB",
                                .is_size = true});
  settings.Add(&v.linger, {.name = "linger",
                           .value = "D",
                           .group = Text(kBatches),
                           .help = "… or when the first row is so old",
                           .yaml = {"ingestion.flush_interval"},
                           .max = "1h"});
  settings.Add(&v.buffer_bytes, {.name = "buffer-bytes",
                                 .value = "B",
                                 .group = Text(kBatches),
                                 .help = "bound of everything held between source and sink",
                                 .min = "1MiB",
                                 .is_size = true});
  settings.Add(&v.buffer_rows,
               {.name = "buffer-rows",
                .value = "N",
                .group = Text(kBatches),
                .help = "the buffer's size as /status reports it, in rows (0: estimated); what "
                        "is held is bounded by --buffer-bytes",
                .yaml = {"ingestion.buffer_size"},
                .min = "0",
                .has_flag = false});
  settings.Add(&v.writers, {.name = "writers",
                            .value = "N",
                            .group = Text(kBatches),
                            .help = "parallel connections",
                            .yaml = {"ingestion.writer_count"},
                            .min = "1",
                            .max = "256",
                            .default_text = "4, or the number of cores if that is less"});
}

void DeclareStop(Settings& settings, CommonSettings& v) {
  settings.Add(&v.drain_timeout,
               {.name = "drain-timeout",
                .value = "D",
                .group = Text(kBatches),
                .help = "after SIGINT or SIGTERM, give up what could not be written in this time; "
                        "nothing acknowledged is lost",
                .min = "0s",
                .max = "1h"});
}

void DeclareRejects(Settings& settings, CommonSettings& v) {
  const std::string kafka = v.defaults.dead_letter_kafka ? ", kafka:TOPIC" : "";
  settings.Add(&v.dead_letter,
               {.name = "dead-letter",
                .value = "WHERE",
                .group = Text(kRejects),
                .help = "table[:NAME], file:PATH" + kafka + ", or none (count and log only)",
                .default_text = "table:tsingest.dead_letter for PostgreSQL, else file:" +
                                v.defaults.tool + ".dead-letters.jsonl"});
  settings.Add(&v.max_rejects,
               {.name = "max-rejects",
                .value = "N",
                .group = Text(kRejects),
                .help = "stop with exit code 1 when more rows than this are rejected",
                .min = "0",
                .default_text = "no limit"});
  settings.Add(&v.not_before, {.name = "not-before",
                               .value = "TIME|D",
                               .group = Text(kRejects),
                               .help = "reject rows of an earlier time, or older than D on arrival",
                               .default_text = "no limit"});
  settings.Add(&v.not_after,
               {.name = "not-after",
                .value = "TIME|D",
                .group = Text(kRejects),
                .help = "reject rows of a later time, or more than D ahead of their arrival",
                .default_text = "no limit"});
}

void DeclareOutput(Settings& settings, CommonSettings& v) {
  settings.Add(&v.summary, {.name = "summary",
                            .value = "HOW",
                            .group = Text(kOutput),
                            .help = "last thing printed on stdout",
                            .choices = {"json", "text", "none"}});
  settings.Add(&v.log_level, {.name = "log-level",
                              .value = "LEVEL",
                              .group = Text(kOutput),
                              .help = "least level that is logged to stderr",
                              .env = {"INGESTION_LOGGING_LEVEL"},
                              .yaml = {"logging.level"},
                              .choices = {"debug", "info", "warn", "error"}});
  settings.Add(
      &v.log_format,
      {.name = "log-format",
       .value = "HOW",
       .group = Text(kOutput),
       .help = "form of the log",
       .env = {{"INGESTION_LOGGING_FORMAT",
                std::map<std::string, std::string>{{"console", "text"}}}},
       .yaml = {{"logging.format", std::map<std::string, std::string>{{"console", "text"}}}},
       .choices = {"text", "json"},
       .default_text = "text on a terminal, else json"});
}

void DeclareService(Settings& settings, CommonSettings& v) {
  const std::string group = "HTTP endpoints";
  settings.Add(&v.http, {.name = "http",
                         .value = "HOST:PORT",
                         .group = group,
                         .help = "serve /health, /status, /metrics and a live page here, or off"});
  settings.Add(&v.http_port, {.name = "http-port",
                              .group = group,
                              .help = "port instead of --http's",
                              .env = {"INGESTION_HTTP_PORT"},
                              .yaml = {"http.port"},
                              .min = "0",
                              .max = "65535",
                              .has_flag = false});
  settings.Add(&v.http_read_timeout, {.name = "http-read-timeout",
                                      .group = group,
                                      .help = "longest time for a request",
                                      .yaml = {"http.read_timeout"},
                                      .min = "100ms",
                                      .max = "10m",
                                      .has_flag = false});
  settings.Add(&v.http_write_timeout, {.name = "http-write-timeout",
                                       .group = group,
                                       .help = "longest time for an answer",
                                       .yaml = {"http.write_timeout"},
                                       .min = "100ms",
                                       .max = "10m",
                                       .has_flag = false});
  settings.Add(&v.service_name, {.name = "service-name",
                                 .group = group,
                                 .help = "name in /status and dead letters",
                                 .yaml = {"service.name"},
                                 .default_text = v.defaults.tool,
                                 .has_flag = false});
  settings.Add(&v.environment, {.name = "environment",
                                .group = group,
                                .help = "said in the log's first line",
                                .yaml = {"service.environment"},
                                .has_flag = false});
}

// "127.0.0.1:8080", "[::1]:8080", ":8080" (all addresses), "off".
absl::Status ReadHttp(const Settings& settings, CommonSettings& v) {
  if (!v.defaults.is_service || v.http == "off") return absl::OkStatus();
  const std::size_t colon = v.http.rfind(':');
  const std::string_view port =
      colon == std::string::npos ? std::string_view() : std::string_view(v.http).substr(colon + 1);
  const bool is_number = !port.empty() && port.size() <= 5 &&
                         port.find_first_not_of("0123456789") == std::string_view::npos;
  v.http_port_number = is_number ? std::stoi(std::string(port)) : -1;
  if (v.http_port_number < 0 || v.http_port_number > 65535) {
    return settings.Invalid("http", fmt::format("{} is not HOST:PORT; write 127.0.0.1:8080, or off",
                                                ShowValue(v.http)));
  }
  v.http_host = v.http.substr(0, colon);
  if (v.http_host.starts_with('[') && v.http_host.ends_with(']')) {
    v.http_host = v.http_host.substr(1, v.http_host.size() - 2);
  }
  if (v.http_host.empty() || v.http_host == "*") v.http_host = "0.0.0.0";
  if (v.http_port.has_value() && settings.Layer("http-port") > settings.Layer("http")) {
    v.http_port_number = static_cast<int>(*v.http_port);
  }
  return absl::OkStatus();
}

// The parts as a conninfo string; what is not given is the tool's default, or else libpq's.
std::string ConninfoOfParts(const CommonSettings& v) {
  const auto part = [](std::string_view key, const std::string& value,
                       const std::string& fallback) {
    return ConninfoPart(key, value.empty() ? fallback : value);
  };
  std::string out = part("host", v.db_host, v.defaults.db_host) +
                    part("port", v.db_port ? std::to_string(*v.db_port) : "", "") +
                    part("dbname", v.db_name, v.defaults.db_name) +
                    part("user", v.db_user, v.defaults.db_user);
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

// Which of --to and the parts counts: the one from the stronger layer; on a draw --to.
absl::Status ReadTarget(const Settings& settings, CommonSettings& v) {
  SettingLayer parts = SettingLayer::kDefault;
  for (const std::string_view name : {"db-host", "db-port", "db-name", "db-user"}) {
    parts = std::max(parts, settings.Layer(name));
  }
  const bool only_password = settings.IsGiven("db-password") && !settings.IsGiven("to");
  if (parts > settings.Layer("to") || (only_password && !v.defaults.db_name.empty())) {
    v.to = ConninfoOfParts(v);
  }
  if (v.to.empty() && v.defaults.is_inspector) {
    v.target.kind = TargetKind::kStdout;
    return absl::OkStatus();
  }
  if (v.to.empty()) {
    return settings.Invalid("to",
                            "is missing; write --to postgresql://USER@HOST/DATABASE, or "
                            "--to stdout: to see the rows");
  }
  absl::StatusOr<Target> target = ParseTarget(v.to, v.defaults.target_schemes);
  if (!target.ok()) return settings.Invalid("to", std::string(target.status().message()));
  v.target = *std::move(target);
  if (v.target.kind == TargetKind::kPostgres) {
    v.target.conninfo = WithPassword(v.target.conninfo, v.db_password);
  }
  return absl::OkStatus();
}

absl::Status ReadDeadLetter(const Settings& settings, CommonSettings& v) {
  if (v.dead_letter.empty()) {
    v.dead_letter = v.target.kind == TargetKind::kPostgres || v.defaults.is_inspector
                        ? "table:tsingest.dead_letter"
                        : fmt::format("file:{}.dead-letters.jsonl", v.defaults.tool);
  }
  absl::StatusOr<DeadLetterTarget> parsed =
      ParseDeadLetterTarget(v.dead_letter, v.defaults.dead_letter_kafka);
  if (!parsed.ok()) return settings.Invalid("dead-letter", std::string(parsed.status().message()));
  v.dead_letter_target = *std::move(parsed);
  if (v.dead_letter_target.kind == DeadLetterKind::kTable &&
      v.target.kind != TargetKind::kPostgres) {
    return settings.Invalid("dead-letter", "a table needs --to postgresql://…; write file:PATH");
  }
  if (v.dead_letter_target.kind == DeadLetterKind::kKafka && !v.defaults.dead_letter_kafka) {
    return settings.Invalid("dead-letter", fmt::format("{} has no Kafka connection; write table or "
                                                       "file:PATH",
                                                       v.defaults.tool));
  }
  return absl::OkStatus();
}

// One end of the window in which times are accepted.
absl::Status ReadWindow(const Settings& settings, const char* name, const std::string& text,
                        std::optional<Timestamp>* time, std::optional<Duration>* distance) {
  if (text.empty()) return absl::OkStatus();
  if (const absl::StatusOr<Duration> duration = ParseDuration(text); duration.ok()) {
    *distance = *duration;
    return absl::OkStatus();
  }
  const ParseOptions options;
  ParseContext context{.options = &options, .arena = nullptr, .arrival = {}, .why = {}};
  Timestamp parsed;
  if (ParseTimestamp({TokenKind::kText, text}, context, &parsed) != RejectCode::kOk) {
    return settings.Invalid(name, ShowValue(text) +
                                      " is neither a time (2024-01-15T00:00:00Z) nor a duration "
                                      "(30d)");
  }
  *time = parsed;
  return absl::OkStatus();
}

absl::Status ReadWindow(const Settings& settings, CommonSettings& v) {
  absl::Status status =
      ReadWindow(settings, "not-before", v.not_before, &v.window.not_before, &v.window.max_age);
  status.Update(
      ReadWindow(settings, "not-after", v.not_after, &v.window.not_after, &v.window.max_ahead));
  return status;
}

absl::Status WorkOut(const Settings& settings, CommonSettings& v) {
  if (settings.IsGiven("table") && v.table.empty()) {
    return settings.Invalid("table", "is empty; name the table, or leave it out for the model's");
  }
  if (v.service_name.empty()) v.service_name = v.defaults.tool;
  if (v.writers == 0) {
    v.writers = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 4U));
  }
  if (v.pool_size > 0) v.writers = std::min(v.writers, v.pool_size);
  if (!settings.IsGiven("batch-bytes")) v.batch_bytes = std::min(v.batch_bytes, v.buffer_bytes);
  if (v.batch_bytes > v.buffer_bytes) {
    return settings.Invalid(
        "batch-bytes", fmt::format("{} is more than --buffer-bytes {}", FormatSize(v.batch_bytes),
                                   FormatSize(v.buffer_bytes)));
  }
  if (absl::Status status = ReadHttp(settings, v); !status.ok()) return status;
  if (absl::Status status = ReadTarget(settings, v); !status.ok()) return status;
  if (absl::Status status = ReadDeadLetter(settings, v); !status.ok()) return status;
  if (absl::Status status = ReadWindow(settings, v); !status.ok()) return status;
  if (v.model.empty() && !v.defaults.is_inspector) {
    return settings.Invalid(
        "model", fmt::format("is missing; allowed: {}", fmt::join(v.defaults.models, ", ")));
  }
  return absl::OkStatus();
}

void DeclareDescribe(Settings& settings, const CommonSettings& v) {
  settings.AddAction("describe", "print what the model's fields are read from and stored as",
                     [&v]() -> absl::StatusOr<std::string> {
                       if (!v.model.empty()) return v.defaults.describe(v.model);
                       return fmt::format("models: {}; say which with --model NAME --describe\n",
                                          fmt::join(v.defaults.models, ", "));
                     });
}

}  // namespace

void DeclareCommonSettings(Settings& settings, CommonSettings& values, CommonDefaults defaults) {
  values.defaults = std::move(defaults);
  values.model = values.defaults.model;
  DeclareTarget(settings, values);
  DeclareTable(settings, values);
  DeclareBatches(settings, values);
  DeclareStop(settings, values);
  DeclareRejects(settings, values);
  DeclareOutput(settings, values);
  if (values.defaults.is_service) DeclareService(settings, values);
  DeclareDatabaseParts(settings, values);
  if (values.defaults.describe) DeclareDescribe(settings, values);
  settings.AddCheck([&settings, &values] { return WorkOut(settings, values); });
}

}  // namespace tsingest
