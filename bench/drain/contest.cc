#include "drain/contest.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <stdexcept>
#include <vector>

#include "absl/strings/str_join.h"
#include "fmt/format.h"

namespace tsingest::bench {
namespace {

constexpr int kStarts = 3;  // how often a start is measured

class ContestRun {
 public:
  ContestRun(const Contest& contest, Backlog& backlog, Target& target)
      : contest_(contest), backlog_(backlog), target_(target) {
    const auto takes_part = [&](const Contestant& contestant) {
      return contest.only.empty() || std::ranges::count(contest.only, contestant.name) != 0;
    };
    std::ranges::copy_if(contest.contestants, std::back_inserter(contestants_), takes_part);
    if (contestants_.size() < contest.only.size()) {
      throw std::runtime_error("--only names a contestant that there is not; there are " +
                               absl::StrJoin(contest.contestants, ", ",
                                             [](std::string* out, const Contestant& contestant) {
                                               out->append(contestant.name);
                                             }));
    }
  }

  Comparison Run() {
    for (const Contestant& contestant : contestants_) MeasureStart(contestant);
    Comparison comparison(contest_.name);
    for (int round = 0; round < contest_.rounds; ++round) {
      RunRound(comparison);
      std::ranges::reverse(contestants_);  // who comes first has no advantage
      fmt::print(stderr, "{}: round {} of {} done\n", contest_.name, round + 1, contest_.rounds);
    }
    return comparison;
  }

 private:
  void MeasureStart(const Contestant& contestant) {
    if (!contestant.starts) return;
    std::vector<Usage> usages;
    for (int i = 0; i < kStarts; ++i) {
      const std::vector<Job> jobs = backlog_.Prepare({contest_.start_messages});
      usages.push_back(RunOnce(contestant, jobs.front()).usage);
    }
    starts_[contestant.name] = MedianUsage(std::move(usages));
  }

  void RunRound(Comparison& comparison) {
    std::vector<std::int64_t> messages;
    for (const Contestant& contestant : contestants_) {
      messages.push_back(contest_.messages / contestant.fraction);
    }
    const std::vector<Job> jobs = backlog_.Prepare(messages);
    comparison.NoteLoad();
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const Contestant& contestant = contestants_[i];
      Drain drain = RunOnce(contestant, jobs[i]);
      drain.start = starts_[contestant.name];
      WarnIfShort(contestant, drain);
      comparison.Add(contestant.name, drain);
    }
  }

  void WarnIfShort(const Contestant& contestant, const Drain& drain) {
    if (drain.usage.seconds >= 4 * drain.start.seconds) return;
    fmt::print(stderr, "{}: {} took {:.2f} s, its start {:.2f} s: its rate means little\n",
               contest_.name, contestant.name, drain.usage.seconds, drain.start.seconds);
  }

  Drain RunOnce(const Contestant& contestant, Job job) {
    target_.Empty();
    job.rows = job.messages * contest_.rows_per_message;
    return {.points = job.rows, .usage = contestant.run(job), .start = {}};
  }

  const Contest& contest_;
  Backlog& backlog_;
  Target& target_;
  std::vector<Contestant> contestants_;
  std::map<std::string, Usage> starts_;
};

}  // namespace

Comparison RunContest(const Contest& contest, Backlog& backlog, Target& target) {
  return ContestRun(contest, backlog, target).Run();
}

}  // namespace tsingest::bench
