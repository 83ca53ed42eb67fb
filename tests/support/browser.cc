#include "support/browser.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <vector>

#include "support/child_process.h"

namespace tsingest::testing {
namespace {

namespace fs = std::filesystem;

std::string Program() {
  if (const char* const named = std::getenv("TSINGEST_CHROMIUM")) return named;
  for (const char* const name : {"/usr/bin/chromium-headless-shell", "/usr/bin/chromium",
                                 "/usr/bin/google-chrome", "/usr/bin/chromium-browser"}) {
    if (::access(name, X_OK) == 0) return name;
  }
  return "";
}

}  // namespace

std::string BrowserMissing() {
  return Program().empty() ? "no Chromium: apt-get install chromium-headless-shell (200 MB), or "
                             "name one in TSINGEST_CHROMIUM"
                           : "";
}

std::string RenderedPage(const std::string& url, int width, int height, int seconds) {
  const RunAs self{::getuid(), ::getgid(), false};
  const GuardedDirectory directory("tsingest-browser-", self, "");
  const fs::path out = directory.path() / "out";
  // --no-sandbox: as root it does not start otherwise, and the page is our own.
  const pid_t pid =
      Spawn({Program(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--user-data-dir=" + (directory.path() / "profile").string(),
             "--window-size=" + std::to_string(width) + "," + std::to_string(height),
             "--virtual-time-budget=" + std::to_string(seconds * 1000), "--dump-dom", url},
            self, out);
  const std::optional<int> status = WaitFor(pid, std::chrono::minutes(2));
  if (!status) KillTree(pid);
  if (status != 0) throw std::runtime_error("the browser failed:\n" + Tail(out));
  return Tail(out, 1 << 20);
}

}  // namespace tsingest::testing
