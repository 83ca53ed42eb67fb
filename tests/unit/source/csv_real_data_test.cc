// Real files, where there are some: TSINGEST_DATA names a folder with csv-spectrum's csvs/ and
// json/ in conformance/csv-spectrum, and CSV files (also .zst) anywhere below csv/ and
// iot_telemetry/.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "support/rapidjson.h"
#include "tsingest/base/arena.h"
#include "tsingest/decode/csv_split.h"
#include "tsingest/source/csv.h"
#include "unit/source/csv_reading.h"

namespace tsingest {
namespace {

namespace fs = std::filesystem;
using testing::CsvRun;
using testing::RunCsv;

class CsvRealDataTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("TSINGEST_DATA");
    if (folder == nullptr) GTEST_SKIP() << "TSINGEST_DATA names no folder with real files";
    folder_ = folder;
  }

  std::vector<std::string> Files(const fs::path& below, std::string_view ending) const {
    std::vector<std::string> files;
    if (!fs::exists(folder_ / below)) return files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / below)) {
      if (entry.path().string().ends_with(ending)) files.push_back(entry.path().string());
    }
    std::ranges::sort(files);
    return files;
  }

  fs::path folder_;
};

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

using Row = std::map<std::string, std::string>;

std::vector<Row> RowsOfCsv(const CsvRun& run) {
  std::vector<Row> rows;
  CsvSplitter splitter(run.headers[0].dialect.syntax, 4096);
  std::vector<CsvCell> cells;
  for (const CsvRun::Line& line : run.lines) {
    Arena arena;
    EXPECT_EQ(splitter.Split(arena.CopyPadded(line.payload), cells).fault, CsvFault::kNone);
    Row& row = rows.emplace_back();
    for (std::size_t i = 0; i < cells.size() && i < run.headers[0].names.size(); ++i) {
      row[run.headers[0].names[i]] =
          std::string(cells[i].Text(run.headers[0].dialect.syntax, arena));
    }
  }
  return rows;
}

std::vector<Row> RowsOfJson(const std::string& text) {
  rapidjson::Document document;
  document.Parse(text.data(), text.size());
  EXPECT_TRUE(document.IsArray() || document.IsObject());
  std::vector<Row> rows;
  const auto add = [&](const rapidjson::Value& object) {
    Row& row = rows.emplace_back();
    for (const auto& member : object.GetObject()) {
      row[member.name.GetString()] = {member.value.GetString(), member.value.GetStringLength()};
    }
  };
  if (document.IsObject()) {
    add(document);
  } else {
    for (const auto& object : document.GetArray()) add(object);
  }
  return rows;
}

// The checkout that these come from may have lost its CRs, so line breaks in cells are compared as
// LF; one file's JSON shows another telephone number than its CSV.
Row Comparable(Row row) {
  for (auto& [name, value] : row) std::erase(value, '\r');
  row.erase("Contact Phone Number");
  return row;
}

TEST_F(CsvRealDataTest, CsvSpectrumReadsAsItsJsonSays) {
  const std::vector<std::string> files = Files("conformance/csv-spectrum/csvs", ".csv");
  ASSERT_EQ(files.size(), 12u);
  for (const std::string& file : files) {
    const CsvRun run = RunCsv(file);
    ASSERT_TRUE(run.status.ok()) << file << run.status;
    fs::path json = folder_ / "conformance/csv-spectrum/json" / fs::path(file).stem();
    json += ".json";
    std::vector<Row> rows = RowsOfCsv(run);
    std::vector<Row> expected = RowsOfJson(ReadFile(json));
    std::ranges::transform(rows, rows.begin(), Comparable);
    std::ranges::transform(expected, expected.begin(), Comparable);
    EXPECT_EQ(rows, expected) << file;
  }
}

TEST_F(CsvRealDataTest, EveryRecordHasAsManyFieldsAsItsHeader) {
  std::vector<std::string> files = Files("csv", ".csv");
  for (const std::string& file : Files("iot_telemetry", ".csv.zst")) files.push_back(file);
  if (files.empty()) GTEST_SKIP() << "no CSV files in " << folder_;
  std::size_t records = 0;
  for (const std::string& file : files) {
    const CsvRun run = RunCsv(file);
    ASSERT_TRUE(run.status.ok()) << file << run.status;
    EXPECT_FALSE(run.headers[0].names_look_like_data) << file;
    CsvSplitter splitter(run.headers[0].dialect.syntax, 4096);
    std::vector<CsvCell> cells;
    Arena arena;
    for (const CsvRun::Line& line : run.lines) {
      arena.Reset();
      ASSERT_EQ(splitter.Split(arena.CopyPadded(line.payload), cells).fault, CsvFault::kNone);
      ASSERT_EQ(cells.size(), run.headers[0].names.size()) << file << " line " << line.line;
      ++records;
    }
  }
  RecordProperty("records", static_cast<int>(records));
  EXPECT_GT(records, files.size());
}

}  // namespace
}  // namespace tsingest
