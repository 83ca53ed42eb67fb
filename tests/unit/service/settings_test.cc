#include "tsingest/service/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace tsingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// A file that is gone with the test.
class TempFile {
 public:
  explicit TempFile(const std::string& text) : path_(testing::TempDir() + "settings_XXXXXX") {
    const int fd = mkstemp(path_.data());
    if (fd >= 0) close(fd);
    std::ofstream(path_) << text;
  }
  ~TempFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Values {
  std::int64_t batch_rows = 5000;
  std::int64_t buffer_bytes = 64 * 1024 * 1024;
  Duration linger = milliseconds(100);
  std::string to;
  std::string password;
  std::string mode = "copy";
  std::string http;
  int port = 5432;
  bool create = false;
  std::optional<bool> resume;
  std::vector<std::string> topics;
  std::vector<std::string> nulls;
  std::vector<std::string> kafka;
  std::vector<std::string> pairs;
  std::vector<std::string> files;
  double speed = 1;
};

class SettingsTest : public testing::Test {
 protected:
  SettingsTest() : settings_({.tool = "tool", .summary = "Does it.", .usage = "[flags] FILE…"}) {
    settings_.Add(&v_.batch_rows, {.name = "batch-size",
                                   .value = "N",
                                   .group = "Batches",
                                   .help = "flush at so many rows",
                                   .env = {"BATCH_SIZE"},
                                   .yaml = {"ingestion.batch_size"},
                                   .min = "1",
                                   .max = "1000000"});
    settings_.Add(&v_.buffer_bytes, {.name = "buffer-bytes",
                                     .value = "BYTES",
                                     .group = "Batches",
                                     .help = "bound of memory",
                                     .min = "64KiB",
                                     .is_size = true});
    settings_.Add(&v_.linger, {.name = "linger",
                               .value = "D",
                               .group = "Batches",
                               .help = "flush when so old",
                               .env = {{"BATCH_TIMEOUT", "s"}},
                               .yaml = {"ingestion.flush_interval"},
                               .max = "1h"});
    settings_.Add(&v_.to, {.name = "to",
                           .value = "URI",
                           .group = "Target",
                           .help = "where to",
                           .secret = Secret::kInside});
    settings_.Add(&v_.password, {.name = "db-password",
                                 .group = "Target",
                                 .help = "password",
                                 .env = {"DB_PASSWORD"},
                                 .yaml = {"database.password"},
                                 .secret = Secret::kWhole,
                                 .has_flag = false});
    settings_.Add(
        &v_.mode,
        {.name = "write-method",
         .value = "HOW",
         .group = "Target",
         .help = "how",
         .yaml = {{"ingestion.use_copy_protocol",
                   std::map<std::string, std::string>{{"true", "copy"}, {"false", "insert"}}}},
         .choices = {"copy", "insert"}});
    settings_.Add(&v_.http,
                  {.name = "http", .value = "HOST:PORT", .group = "Service", .help = "h"});
    settings_.Add(&v_.port, {.name = "db-port",
                             .group = "Target",
                             .help = "port",
                             .yaml = {"database.port"},
                             .min = "1",
                             .max = "65535",
                             .has_flag = false});
    settings_.Add(&v_.create, {.name = "create", .group = "Target", .help = "create"});
    settings_.Add(&v_.resume, {.name = "resume", .group = "Target", .help = "resume"});
    settings_.Add(&v_.topics, {.name = "topics",
                               .value = "A,B",
                               .group = "Source",
                               .help = "topics",
                               .yaml = {"mqtt.topics"}});
    settings_.Add(&v_.nulls, {.name = "null",
                              .value = "TEXT…",
                              .group = "Source",
                              .help = "null",
                              .greedy = true,
                              .takes_empty = true});
    settings_.Add(&v_.kafka, {.name = "kafka",
                              .value = "KEY=VALUE",
                              .group = "Source",
                              .help = "property",
                              .secret = Secret::kInside,
                              .separator = '\0',
                              .is_map = true});
    settings_.Add(&v_.speed, {.name = "speed", .value = "X", .group = "Source", .help = "pace"});
    settings_.Add(&v_.pairs, {.name = "pair",
                              .value = "K=V…",
                              .group = "Source",
                              .help = "pair",
                              .greedy = true,
                              .is_map = true});
    settings_.AddPositional(&v_.files, {.name = "FILE…", .help = "files"});
  }

  std::string Load(std::vector<std::string> args, EnvironmentMap env = {}) {
    absl::StatusOr<Settings::Outcome> outcome = settings_.Load(args, env);
    if (!outcome.ok()) return std::string(outcome.status().message());
    return outcome->output;
  }
  std::string LoadFile(const std::string& yaml, EnvironmentMap env = {},
                       std::vector<std::string> args = {}) {
    TempFile file(yaml);
    args.insert(args.end(), {"--config", file.path()});
    std::string text = Load(args, env);
    // The name of the file differs from run to run.
    for (std::size_t at; (at = text.find(file.path())) != std::string::npos;) {
      text.replace(at, file.path().size(), "F");
    }
    return text;
  }

  Values v_;
  Settings settings_;
};

TEST_F(SettingsTest, KeepsDefaultsWhenNothingIsGiven) {
  EXPECT_EQ(Load({}), "");
  EXPECT_EQ(v_.batch_rows, 5000);
  EXPECT_FALSE(v_.resume.has_value());
  EXPECT_FALSE(settings_.IsGiven("batch-size"));
  EXPECT_EQ(settings_.Place("batch-size"), "default");
}

TEST_F(SettingsTest, FlagWinsOverEnvironmentOverFileOverDefault) {
  const std::string yaml = "batch-size: 1\nlinger: 1s\nbuffer_bytes: 1MiB\n";
  EXPECT_EQ(LoadFile(yaml, {{"TSINGEST_BATCH_SIZE", "2"}, {"TSINGEST_LINGER", "2s"}},
                     {"--batch-size", "3"}),
            "");
  EXPECT_EQ(v_.batch_rows, 3);
  EXPECT_EQ(v_.linger, seconds(2));
  EXPECT_EQ(v_.buffer_bytes, 1 << 20);
  EXPECT_EQ(v_.port, 5432);
  EXPECT_EQ(settings_.Place("batch-size"), "--batch-size");
  EXPECT_EQ(settings_.Place("linger"), "environment TSINGEST_LINGER");
  EXPECT_THAT(settings_.Place("buffer-bytes"), HasSubstr(":3 (buffer-bytes)"));
  EXPECT_EQ(settings_.Layer("buffer-bytes"), SettingLayer::kFile);
}

TEST_F(SettingsTest, OwnVariableWinsOverAnAlias) {
  EXPECT_EQ(Load({}, {{"BATCH_SIZE", "7"}, {"TSINGEST_BATCH_SIZE", "8"}}), "");
  EXPECT_EQ(v_.batch_rows, 8);
}

TEST_F(SettingsTest, AliasGivesABareNumberItsUnit) {
  EXPECT_EQ(Load({}, {{"BATCH_TIMEOUT", "5"}}), "");
  EXPECT_EQ(v_.linger, seconds(5));
}

TEST_F(SettingsTest, EmptyVariableCountsAsNotSet) {
  EXPECT_EQ(Load({}, {{"BATCH_SIZE", ""}}), "");
  EXPECT_EQ(v_.batch_rows, 5000);
}

TEST_F(SettingsTest, ReadsFlagsOfEveryKind) {
  EXPECT_EQ(
      Load({"a.csv", "--create", "--no-resume", "--topics", "x,y", "--topics=z", "--speed=2.5", "-",
            "--kafka", "ssl.ca=a,b", "--null", "NA", "", "--buffer-bytes", "1GiB"}),
      "");
  EXPECT_TRUE(v_.create);
  EXPECT_EQ(v_.resume, std::optional<bool>(false));
  EXPECT_THAT(v_.topics, ElementsAre("x", "y", "z"));
  EXPECT_THAT(v_.nulls, ElementsAre("NA", ""));
  EXPECT_THAT(v_.files, ElementsAre("a.csv", "-"));
  EXPECT_THAT(v_.kafka, ElementsAre("ssl.ca=a,b"));
  EXPECT_EQ(v_.speed, 2.5);
  EXPECT_EQ(v_.buffer_bytes, 1 << 30);
}

TEST_F(SettingsTest, GreedyListEndsAtFilesAndFlags) {
  TempFile file("");
  EXPECT_EQ(Load({"--null", "NA", "-200", "", file.path(), "--null", "-", "-", "--speed", "2"}),
            "");
  EXPECT_THAT(v_.nulls, ElementsAre("NA", "-200", "", "-"));
  EXPECT_THAT(v_.files, ElementsAre(file.path(), "-"));
}

TEST_F(SettingsTest, GreedyListOfPairsEndsAtWhatIsNone) {
  EXPECT_EQ(Load({"--pair", "a=1", "b=-2", "new.csv", "--pair=c=3", "--", "--odd.csv"}), "");
  EXPECT_THAT(v_.pairs, ElementsAre("a=1", "b=-2", "c=3"));
  EXPECT_THAT(v_.files, ElementsAre("new.csv", "--odd.csv"));
}

TEST_F(SettingsTest, NegativeNumbersAreValuesNotFlags) {
  EXPECT_EQ(Load({"--speed", "-1.5", "--topics", "-7"}), "");
  EXPECT_EQ(v_.speed, -1.5);
  EXPECT_THAT(v_.topics, ElementsAre("-7"));
  EXPECT_EQ(Load({"--null"}), "--null needs a value: --null TEXT…");
  EXPECT_EQ(Load({"--null", "--create"}), "--null needs a value: --null TEXT…");
}

TEST_F(SettingsTest, FlagCanTakeBackWhatTheFileSays) {
  EXPECT_EQ(LoadFile("create: true\n", {}, {"--create=false"}), "");
  EXPECT_FALSE(v_.create);
}

TEST_F(SettingsTest, UnknownFlagNamesTheNearest) {
  EXPECT_EQ(Load({"--batchsize", "5"}),
            "unknown flag --batchsize; did you mean --batch-size? (--help shows all)");
  EXPECT_THAT(Load({"--buffer=5"}),
              HasSubstr("unknown flag --buffer; did you mean --buffer-bytes?"));
  EXPECT_THAT(Load({"--print-confg"}), HasSubstr("did you mean --print-config?"));
  EXPECT_EQ(Load({"--no-such"}), "unknown flag --no-such; see --help");
  EXPECT_EQ(Load({"--x"}), "unknown flag --x; see --help");
  EXPECT_EQ(Load({"--zzzzqqqqxxxx"}), "unknown flag --zzzzqqqqxxxx; see --help");
}

TEST_F(SettingsTest, FlagsThatCannotBeReadAreExplained) {
  EXPECT_EQ(Load({"--batch-size"}), "--batch-size needs a value: --batch-size N");
  EXPECT_EQ(Load({"--batch-size", "5", "--batch-size", "6"}),
            "--batch-size is given 2 times; keep one");
  EXPECT_EQ(Load({"--batch-size", "abc"}),
            "--batch-size: \"abc\" is not a whole number; allowed: 1 to 1000000");
  EXPECT_EQ(Load({"--batch-size", "0"}),
            "--batch-size: \"0\" is out of range; allowed: 1 to 1000000");
  EXPECT_EQ(Load({"--linger", "100"}),
            "--linger: \"100\" is not a duration; write a number with ms, s, m, h or d (100ms); "
            "allowed: up to 1h");
  EXPECT_EQ(Load({"--buffer-bytes", "1KiB"}),
            "--buffer-bytes: \"1KiB\" is out of range; allowed: 64KiB or more");
  EXPECT_EQ(Load({"--write-method", "x"}),
            "--write-method: \"x\" is not a choice; allowed: copy, insert");
  EXPECT_EQ(Load({"--speed", "fast"}), "--speed: \"fast\" is not a number");
  EXPECT_EQ(Load({"--kafka", "acks"}), "--kafka: \"acks\" is not key=value");
  EXPECT_EQ(Load({"--create=maybe"}), "--create: \"maybe\" is neither true nor false");
}

TEST_F(SettingsTest, AFlagWithAnEmptyValueIsRefused) {
  const std::string why =
      "--to: its value is empty (a shell variable that is not set?); give one, or leave the flag "
      "out";
  EXPECT_EQ(Load({"--to", ""}), why);
  EXPECT_EQ(Load({"--to="}), why);
  EXPECT_EQ(Load({"--topics", ""}).substr(0, 25), "--topics: its value is em");
  EXPECT_EQ(Load({"--null", ""}), "");
}

TEST_F(SettingsTest, BadVariableIsNamed) {
  EXPECT_EQ(Load({}, {{"BATCH_SIZE", "many"}}),
            "environment BATCH_SIZE: \"many\" is not a whole number; allowed: 1 to 1000000");
}

TEST_F(SettingsTest, MisspeltVariableIsAWarning) {
  EXPECT_EQ(Load({}, {{"TSINGEST_BATCHSIZE", "1"}, {"TSINGEST_TEST_SERVER", "x"}}), "");
  EXPECT_THAT(
      settings_.warnings(),
      ElementsAre("environment TSINGEST_BATCHSIZE is not used; did you mean TSINGEST_BATCH_SIZE?"));
}

TEST_F(SettingsTest, ReadsNestedAliasesListsAndMappings) {
  EXPECT_EQ(LoadFile("ingestion:\n  batch_size: 10\n  use_copy_protocol: no\n"
                     "mqtt:\n  topics:\n    - \"$share/a/#\"\n    - b,c\n"
                     "kafka:\n  security.protocol: SASL_SSL\n"),
            "");
  EXPECT_EQ(v_.batch_rows, 10);
  EXPECT_EQ(v_.mode, "insert");
  EXPECT_THAT(v_.topics, ElementsAre("$share/a/#", "b,c"));
  EXPECT_THAT(v_.kafka, ElementsAre("security.protocol=SASL_SSL"));
}

TEST_F(SettingsTest, ExpandsVariablesInTheFile) {
  EXPECT_EQ(LoadFile("to: postgresql://${HOST}:${PORT:-5432}/$${x}\nbatch-size: ${N}\n",
                     {{"HOST", "db"}, {"N", "12"}}),
            "");
  EXPECT_EQ(v_.to, "postgresql://db:5432/${x}");
  EXPECT_EQ(v_.batch_rows, 12);
}

TEST_F(SettingsTest, UnsetVariableIsAnErrorWhereItIsNeeded) {
  EXPECT_EQ(LoadFile("\nto: postgresql://${HOST}/x\n"),
            "F:2 (to): ${HOST} is not set; set the variable or write ${HOST:-default}");
}

TEST_F(SettingsTest, UnsetVariableDoesNotMatterWhenTheValueIsNotUsed) {
  EXPECT_EQ(LoadFile("to: postgresql://${HOST}/x\n", {}, {"--to", "stdout:"}), "");
  EXPECT_EQ(v_.to, "stdout:");
}

TEST_F(SettingsTest, UnsetVariableForAPasswordMeansNoPassword) {
  EXPECT_EQ(LoadFile("database:\n  password: ${DB_PW}\n"), "");
  EXPECT_EQ(v_.password, "");
  ASSERT_EQ(settings_.warnings().size(), 1U);
  EXPECT_THAT(settings_.warnings()[0], HasSubstr("${DB_PW} is not set: going on without"));
}

TEST_F(SettingsTest, UnknownKeyIsNamedWithItsLineAndTheNearest) {
  EXPECT_EQ(LoadFile("batch-size: 5\ndatabase:\n  passwort: x\n"),
            "F:3: unknown key database.passwort; did you mean database.password?");
  EXPECT_EQ(LoadFile("databse:\n  password: x\n"),
            "F:1: unknown key databse; did you mean database?");
  EXPECT_EQ(LoadFile("linger:\n  batch: 1\n"), "F:1: linger takes a value, not a mapping");
}

TEST_F(SettingsTest, FileThatCannotBeReadIsExplained) {
  EXPECT_THAT(Load({"--config", "/nonexistent/c.yaml"}),
              HasSubstr("--config: cannot open /nonexistent/c.yaml"));
  EXPECT_THAT(LoadFile("a: [1\nb: 2\n"), HasSubstr("F:2: not YAML: "));
  EXPECT_THAT(LoadFile("- a\n- b\n"), HasSubstr("the file is not a mapping of settings"));
  EXPECT_EQ(LoadFile("linger: 1s\nlinger: 2s\n"), "F:2: linger is given twice in one mapping");
  EXPECT_EQ(LoadFile("batch-size: 1\ningestion:\n  batch_size: 2\n"),
            "F:3: ingestion.batch_size and F:1 (batch-size) say the same thing; keep one");
  EXPECT_EQ(LoadFile("linger: [1s, 2s]\n"), "F:1: linger takes one value, not a list");
  EXPECT_EQ(LoadFile("to: ${A\n"), "F:1: ${ without }; write $${ for a literal ${");
  EXPECT_EQ(LoadFile("to: ${A-B}\n"), "F:1: ${A-B} is not ${NAME} or ${NAME:-default}");
  EXPECT_EQ(LoadFile("batch-size: lots\n"),
            "F:1 (batch-size): \"lots\" is not a whole number; allowed: 1 to 1000000");
}

TEST_F(SettingsTest, EmptyFileAndEmptyKeysSayNothing) {
  EXPECT_EQ(LoadFile(""), "");
  EXPECT_EQ(LoadFile("linger:\ningestion:\n"), "");
  EXPECT_EQ(v_.linger, milliseconds(100));
}

TEST_F(SettingsTest, IgnoredKeysLeaveANote) {
  settings_.IgnoreYaml("service.environment", "there is only one");
  EXPECT_EQ(LoadFile("service:\n  environment: production\n"), "");
  ASSERT_EQ(settings_.warnings().size(), 1U);
  EXPECT_THAT(settings_.warnings()[0],
              HasSubstr(":2: service.environment is ignored: there is only one"));
}

TEST_F(SettingsTest, SecretsComeFromFilesToo) {
  TempFile secret("s3cret\n");
  EXPECT_EQ(Load({}, {{"DB_PASSWORD_FILE", secret.path()}}), "");
  EXPECT_EQ(v_.password, "s3cret");
  EXPECT_EQ(settings_.Place("db-password"), "environment DB_PASSWORD_FILE");
}

TEST_F(SettingsTest, SecretGivenTwiceOrNotReadableIsAnError) {
  EXPECT_EQ(Load({}, {{"DB_PASSWORD_FILE", "x"}, {"DB_PASSWORD", "y"}}),
            "environment DB_PASSWORD and DB_PASSWORD_FILE are both set; keep one");
  EXPECT_EQ(Load({}, {{"DB_PASSWORD_FILE", "/nonexistent"}}),
            "environment DB_PASSWORD_FILE: cannot read /nonexistent, or it is empty");
  EXPECT_EQ(Load({}, {{"BATCH_SIZE_FILE", "/nonexistent"}}), "");
}

TEST_F(SettingsTest, PrintConfigShowsValuesPlacesAndNoSecrets) {
  const std::string shown = Load({"--print-config", "--to", "postgresql://u:hush@h/db?x=1",
                                  "--kafka", "sasl.password=hush", "--topics", "a b,c"},
                                 {{"DB_PASSWORD", "hush"}, {"BATCH_SIZE", "9"}});
  EXPECT_THAT(shown, Not(HasSubstr("hush")));
  EXPECT_THAT(shown, HasSubstr("to: \"postgresql://u:****@h/db?x=1\""));
  EXPECT_THAT(shown, HasSubstr("kafka: [\"sasl.password=****\"]"));
  EXPECT_THAT(shown, HasSubstr("db-password: \"****\""));
  EXPECT_THAT(shown, HasSubstr("topics: [\"a b\", c]"));
  EXPECT_THAT(shown, testing::ContainsRegex("batch-size: 9 +# environment BATCH_SIZE\n"));
  EXPECT_THAT(shown, testing::ContainsRegex("linger: 100ms +# default\n"));
  EXPECT_THAT(shown, testing::ContainsRegex("resume:  +# default\n"));
}

TEST_F(SettingsTest, PrintedConfigReadsBack) {
  const std::string printed =
      Load({"--print-config", "--linger", "1s500ms", "--topics", "a,b", "--kafka", "a=b", "--null",
            "NA", "--create", "--to", "x \"y\" #z"});
  const Values& before = v_;
  EXPECT_EQ(before.linger, milliseconds(1500));
  Values again;
  Settings settings({.tool = "tool", .summary = "", .usage = ""});
  settings.Add(&again.linger, {.name = "linger"});
  settings.Add(&again.topics, {.name = "topics"});
  settings.Add(&again.kafka, {.name = "kafka", .is_map = true});
  settings.Add(&again.create, {.name = "create"});
  settings.Add(&again.to, {.name = "to"});
  settings.Add(&again.nulls, {.name = "null"});
  for (const char* name : {"batch-size", "buffer-bytes", "db-password", "write-method", "http",
                           "db-port", "resume", "speed", "pair"}) {
    settings.IgnoreYaml(name, "not in this test");
  }
  TempFile file(printed);
  const std::vector<std::string> args = {"--config", file.path()};
  ASSERT_TRUE(settings.Load(args, {}).ok()) << settings.Load(args, {}).status();
  EXPECT_EQ(again.linger, before.linger);
  EXPECT_EQ(again.topics, before.topics);
  EXPECT_EQ(again.kafka, before.kafka);
  EXPECT_EQ(again.nulls, before.nulls);
  EXPECT_EQ(again.create, before.create);
  EXPECT_EQ(again.to, before.to);
}

TEST_F(SettingsTest, ErrorsDoNotTellSecrets) {
  EXPECT_THAT(Load({"--kafka", "password:hush", "--to", "x"}), HasSubstr("is not key=value"));
  EXPECT_THAT(Load({"--too=postgresql://u:hush@h/db"}), Not(HasSubstr("hush")));
  EXPECT_THAT(Load({"--nonsense", "--", "postgresql://u:hush@h/db"}), Not(HasSubstr("hush")));
}

TEST_F(SettingsTest, ChecksRunAfterAllValuesAreSet) {
  settings_.AddCheck(
      [this] { return v_.to.empty() ? settings_.Invalid("to", "is missing") : absl::OkStatus(); });
  EXPECT_EQ(Load({}), "--to: is missing");
  EXPECT_THAT(Load({"--print-config"}), HasSubstr("# not complete: --to: is missing"));
}

TEST_F(SettingsTest, HelpShowsGroupsDefaultsAndVariables) {
  const std::string help = Load({"--help"});
  EXPECT_THAT(help, HasSubstr("Usage: tool [flags] FILE…"));
  EXPECT_THAT(help, HasSubstr("\nBatches\n"));
  EXPECT_THAT(help, HasSubstr("--batch-size N"));
  EXPECT_THAT(help, HasSubstr("flush at so many rows (default: 5000) [TSINGEST_BATCH_SIZE,\n"));
  EXPECT_THAT(help, HasSubstr("how: copy, insert (default: copy)"));
}

TEST_F(SettingsTest, HelpWinsOverMistakes) {
  EXPECT_THAT(Load({"--help", "--nonsense"}), HasSubstr("Usage:"));
  EXPECT_THAT(Load({"--version"}), HasSubstr("tool 0."));
}

TEST_F(SettingsTest, AnActionPrintsAfterTheValuesAreSetAndBeforeAnyCheck) {
  settings_.AddAction("describe", "print what there is", [this]() -> absl::StatusOr<std::string> {
    if (v_.to.empty()) return absl::InvalidArgumentError("--to: is missing");
    return "it goes to " + v_.to + "\n";
  });
  settings_.AddCheck([] { return absl::InvalidArgumentError("never well"); });
  const std::vector<std::string> args = {"--describe", "--to", "here"};
  const auto outcome = settings_.Load(args, {});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_FALSE(outcome->run);
  EXPECT_EQ(outcome->output, "it goes to here\n");
  EXPECT_THAT(settings_.Help(), HasSubstr("--describe"));
  EXPECT_THAT(settings_.Help(), HasSubstr("print what there is, and exit"));
}

TEST(NearestWord, PrefersACommonBeginningWhereEditsAreEqual) {
  const std::vector<std::string> words = {"--rate", "--create"};
  EXPECT_EQ(NearestWord("--crate", words, 3), "--create");
}

TEST(NearestWord, PrefersFewEditsThenShorterWords) {
  const std::vector<std::string> words = {"--layout", "--linger", "--limit", "--batch-size",
                                          "--batch-bytes"};
  EXPECT_EQ(NearestWord("--lmiit", words, 3), "--limit");
  EXPECT_EQ(NearestWord("--batch", words, 3), "--batch-size");
  EXPECT_EQ(NearestWord("--xyz", words, 2), "");
  EXPECT_EQ(NearestWord("--x", {}, 2), "");
}

}  // namespace
}  // namespace tsingest
