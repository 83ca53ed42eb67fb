#include "drain/comparison.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <stdexcept>

#include "absl/strings/str_join.h"
#include "fmt/format.h"

namespace tsingest::bench {
namespace {

template <class Of>
double MedianOf(const std::vector<Drain>& drains, Of of) {
  std::vector<double> values;
  for (const Drain& drain : drains) values.push_back(of(drain));
  return Median(std::move(values));
}

struct Figures {
  double rate;
  double slowest;
  double fastest;
  double cpu_us;
  double peak_rss_mib;
  double start_seconds;
};

Figures Summarise(const std::vector<Drain>& drains) {
  const auto rate = [](const Drain& drain) { return drain.Rate(); };
  const auto [slowest, fastest] = std::ranges::minmax_element(drains, {}, rate);
  return {
      .rate = MedianOf(drains, rate),
      .slowest = slowest->Rate(),
      .fastest = fastest->Rate(),
      .cpu_us = MedianOf(drains,
                         [](const Drain& d) {
                           return (d.usage.cpu_seconds - d.start.cpu_seconds) * 1e6 /
                                  static_cast<double>(d.points);
                         }),
      .peak_rss_mib = MedianOf(
          drains, [](const Drain& d) { return static_cast<double>(d.usage.peak_rss_kib) / 1024; }),
      .start_seconds = MedianOf(drains, [](const Drain& d) { return d.start.seconds; })};
}

std::string RatioName(const RatioOf& ratio) {
  const std::string others = absl::StrJoin(ratio.others, ", ");
  return ratio.ours + " / " + (ratio.others.size() == 1 ? others : "min(" + others + ")");
}

}  // namespace

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Usage MedianUsage(std::vector<Usage> usages) {
  std::ranges::sort(usages, {}, &Usage::seconds);
  return usages[(usages.size() - 1) / 2];
}

void Comparison::Add(const std::string& contestant, const Drain& drain) {
  if (!drains_.contains(contestant)) contestants_.push_back(contestant);
  drains_[contestant].push_back(drain);
}

void Comparison::NoteLoad() {
  double load = 0;
  if (::getloadavg(&load, 1) == 1) loads_.push_back(load);
}

void Comparison::AddRatio(const RatioOf& ratio) {
  const bool is_complete =
      Has(ratio.ours) &&
      std::ranges::all_of(ratio.others, [&](const std::string& other) { return Has(other); });
  if (is_complete) ratios_.push_back(ratio);
}

double Comparison::MedianRate(const std::string& contestant) const {
  return MedianOf(drains_.at(contestant), [](const Drain& drain) { return drain.Rate(); });
}

double Comparison::Ratio(const RatioOf& ratio) const {
  const std::vector<Drain>& ours = drains_.at(ratio.ours);
  std::vector<double> ratios;
  for (std::size_t round = 0; round < ours.size(); ++round) {
    double slowest = std::numeric_limits<double>::infinity();
    for (const std::string& other : ratio.others) {
      slowest = std::min(slowest, drains_.at(other)[round].Rate());
    }
    ratios.push_back(ours[round].Rate() / slowest);
  }
  return Median(std::move(ratios));
}

std::string Comparison::Text() const {
  std::string text = fmt::format(
      "{}; load average before each round: {}\n\n"
      "| contestant | points/s, median (slowest to fastest) | CPU us/point | peak RSS MiB | start "
      "s "
      "|\n|---|---|---|---|---|\n",
      name_, fmt::join(loads_, " "));
  for (const std::string& contestant : contestants_) {
    const Figures f = Summarise(drains_.at(contestant));
    text +=
        fmt::format("| {} | {:.0f} ({:.0f} to {:.0f}) | {:.2f} | {:.0f} | {:.2f} |\n", contestant,
                    f.rate, f.slowest, f.fastest, f.cpu_us, f.peak_rss_mib, f.start_seconds);
  }
  text += "\n";
  for (const RatioOf& ratio : ratios_) {
    text += fmt::format("{}: {:.3f}\n", RatioName(ratio), Ratio(ratio));
  }
  return text + "\n";
}

std::string Comparison::Json() const {
  std::vector<std::string> contestants;
  for (const std::string& contestant : contestants_) {
    const std::vector<Drain>& drains = drains_.at(contestant);
    const Figures f = Summarise(drains);
    std::vector<std::string> rounds;
    for (const Drain& d : drains) {
      rounds.push_back(fmt::format("{{\"points\":{},\"seconds\":{:.3f},\"start_seconds\":{:.3f}}}",
                                   d.points, d.usage.seconds, d.start.seconds));
    }
    contestants.push_back(fmt::format(
        "    {{\"contestant\":\"{}\",\"points_per_second\":{:.0f},\"cpu_us_per_point\":{:.3f},"
        "\"peak_rss_mib\":{:.1f},\"rounds\":[{}]}}",
        contestant, f.rate, f.cpu_us, f.peak_rss_mib, absl::StrJoin(rounds, ",")));
  }
  std::vector<std::string> ratios;
  for (const RatioOf& ratio : ratios_) {
    ratios.push_back(fmt::format("    \"{}\":{:.3f}", RatioName(ratio), Ratio(ratio)));
  }
  return fmt::format(
      "  {{\"case\":\"{}\",\"load_average\":[{}],\n   \"contestants\":[\n{}],\n"
      "   \"ratios\":{{\n{}}}}}",
      name_, fmt::join(loads_, ","), absl::StrJoin(contestants, ",\n"),
      absl::StrJoin(ratios, ",\n"));
}

void Report(const std::vector<Comparison>& comparisons, const std::string& json_path,
            const std::string& last) {
  std::vector<std::string> objects;
  for (const Comparison& comparison : comparisons) {
    fmt::print("{}", comparison.Text());
    objects.push_back(comparison.Json());
  }
  if (!last.empty()) objects.push_back(last);
  if (json_path.empty()) return;
  std::ofstream file(json_path);
  file << "[\n" << absl::StrJoin(objects, ",\n") << "\n]\n";
  file.close();
  if (!file) throw std::runtime_error("cannot write " + json_path);
}

}  // namespace tsingest::bench
