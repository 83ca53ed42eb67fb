// The progress bar of a bounded load.
//
//   ████████████░░░░░░░░  61 %  3,050,000 rows  412,331 rows/s  58.1 MiB/s  2 rejects  4s left
#ifndef TSINGEST_SERVICE_PROGRESS_H_
#define TSINGEST_SERVICE_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tsingest/service/log.h"

namespace tsingest {

struct ProgressState {
  std::uint64_t rows = 0;  // written, deduplicated or dead-lettered
  std::uint64_t rejects = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;  // 0: unknown (a pipe)
  std::string note = {};          // shown at the end: "waiting for the database"
};

// One line of at most `width` columns. The rates are those of the whole run.
std::string FormatProgress(const ProgressState& state, double seconds, int width);

// Whether to draw: mode "auto" only when `fd` is a terminal, "always", "never".
bool ShowsProgress(std::string_view mode, int fd);

// Draws through the logger's status line, several times a second, on a thread of its own. Calls
// `state` on that thread. The bar goes away with the object.
class ProgressBar {
 public:
  // Borrows the logger, which writes to `fd` (asked for its width).
  ProgressBar(Logger& logger, int fd, std::function<ProgressState()> state);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_PROGRESS_H_
