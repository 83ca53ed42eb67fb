#include "load/report.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "fmt/format.h"

namespace tsingest::bench {
namespace {

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::string_view TableName(Table table) {
  switch (table) {
    case Table::kMetricsPlain:
      return "metrics, no index";
    case Table::kMetricsTime:
      return "metrics, btree(time)";
    case Table::kIotSeed:
      return "iot_measurements, key + 3 indexes";
  }
  return "";
}

struct Figures {
  double rows_per_second;
  double ratio;  // to the case's first contestant
  double cpu_us_per_row;
  double allocations_per_row;
  double peak_rss_mib;
};

Figures Summarise(const Case& c, const std::string& contestant) {
  const std::vector<Sample>& samples = c.samples.at(contestant);
  const std::vector<Sample>& first = c.samples.at(c.contestants.front());
  const auto median = [&](auto of) {
    std::vector<double> values;
    for (std::size_t i = 0; i < samples.size(); ++i) values.push_back(of(i));
    return Median(values);
  };
  return {
      median([&](std::size_t i) { return samples[i].rows_per_second; }),
      median([&](std::size_t i) { return samples[i].rows_per_second / first[i].rows_per_second; }),
      median([&](std::size_t i) { return samples[i].outcome.cpu_us_per_row; }),
      median([&](std::size_t i) { return samples[i].outcome.allocations_per_row; }),
      median([&](std::size_t i) {
        return static_cast<double>(samples[i].outcome.peak_rss_kib) / 1024;
      })};
}

template <class Visit>
void ForEachRow(const std::vector<Case>& cases, Visit visit) {
  for (const Case& c : cases) {
    for (const std::string& contestant : c.contestants)
      visit(c, contestant, Summarise(c, contestant));
  }
}

}  // namespace

std::string FormatTable(const std::vector<Case>& cases) {
  std::string out =
      "| table | writers | batch | contestant | rows/s | of limit | CPU us/row | allocations/row | "
      "peak RSS MiB |\n|---|---|---|---|---|---|---|---|---|\n";
  ForEachRow(cases, [&](const Case& c, const std::string& contestant, const Figures& f) {
    out += fmt::format("| {} | {} | {} | {} | {:.0f} | {:.2f} | {:.2f} | {:.4f} | {:.0f} |\n",
                       TableName(c.table), c.writers, c.batch_rows, contestant, f.rows_per_second,
                       f.ratio, f.cpu_us_per_row, f.allocations_per_row, f.peak_rss_mib);
  });
  return out;
}

std::string FormatJson(const std::vector<Case>& cases) {
  std::string out;
  ForEachRow(cases, [&](const Case& c, const std::string& contestant, const Figures& f) {
    out += fmt::format(
        "{}\n  {{\"table\":\"{}\",\"writers\":{},\"batch_rows\":{},\"contestant\":\"{}\","
        "\"rounds\":{},\"rows_per_second\":{:.0f},\"ratio\":{:.3f},\"cpu_us_per_row\":{:.3f},"
        "\"allocations_per_row\":{:.5f},\"peak_rss_mib\":{:.1f}}}",
        out.empty() ? "[" : ",", TableName(c.table), c.writers, c.batch_rows, contestant,
        c.samples.at(contestant).size(), f.rows_per_second, f.ratio, f.cpu_us_per_row,
        f.allocations_per_row, f.peak_rss_mib);
  });
  return out + "\n]\n";
}

std::string FormatSvg(const std::vector<Case>& cases) {
  constexpr int kRow = 22;
  constexpr int kLeft = 420;
  constexpr int kWidth = 420;
  double most = 1;
  int rows = 0;
  ForEachRow(cases, [&](const Case&, const std::string&, const Figures& f) {
    most = std::max(most, f.rows_per_second);
    ++rows;
  });
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"#fff\"/>\n",
      kLeft + kWidth + 180, (rows + 1) * kRow);
  int y = kRow;
  ForEachRow(cases, [&](const Case& c, const std::string& contestant, const Figures& f) {
    const bool ours = contestant.starts_with("ours");
    out += fmt::format(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}, {} writer{}, {}: {}</text>"
        "<rect x=\"{}\" y=\"{}\" width=\"{:.0f}\" height=\"{}\" fill=\"{}\"/>"
        "<text x=\"{:.0f}\" y=\"{}\">{:.0f} rows/s ({:.2f})</text>\n",
        kLeft - 8, y, TableName(c.table), c.writers, c.writers == 1 ? "" : "s", c.batch_rows,
        contestant, kLeft, y - 12, f.rows_per_second / most * kWidth, kRow - 6,
        ours ? "#1565c0" : "#9e9e9e", kLeft + f.rows_per_second / most * kWidth + 6, y,
        f.rows_per_second, f.ratio);
    y += kRow;
  });
  return out + "</svg>\n";
}

void WriteText(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

}  // namespace tsingest::bench
