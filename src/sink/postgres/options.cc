#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "tsingest/base/units.h"
#include "tsingest/encode/sql.h"
#include "tsingest/sink/postgres_options.h"

namespace tsingest {

absl::Status PostgresOptions::Validate() const {
  const auto fail = [](const std::string& text) { return absl::InvalidArgumentError(text); };
  if (!table.empty()) {
    if (auto name = ParseTableName(table); !name.ok()) return name.status();
  }
  if (dead_letters.to == PostgresDeadLetters::To::kTable) {
    auto name = ParseTableName(dead_letters.table);
    if (!name.ok()) return fail("dead letters: " + std::string(name.status().message()));
  }
  if (dead_letters.to == PostgresDeadLetters::To::kStore && dead_letters.store == nullptr) {
    return fail("dead_letters.store is not set");
  }
  if (dead_letters.replay && dead_letters.to != PostgresDeadLetters::To::kTable) {
    return fail("dead_letters.replay needs the table that the letters are in");
  }
  if (ledger.find('\0') != std::string::npos || !IsValidUtf8(ledger)) {
    return fail("ledger is not UTF-8 text");
  }
  if (ledger.starts_with("tsingest:")) {
    return fail("ledger \"" + ledger + "\": names that begin with tsingest: are taken");
  }
  constexpr std::array<std::string_view, 6> kCommitModes = {
      "", "on", "off", "local", "remote_write", "remote_apply"};
  if (std::ranges::find(kCommitModes, synchronous_commit) == kCommitModes.end()) {
    return fail("synchronous_commit is \"" + synchronous_commit +
                "\"; it takes on, off, local, remote_write or remote_apply");
  }
  if (synchronous_commit == "off" && (source_forgets || ledger.empty())) {
    return fail(std::string("synchronous_commit off would lose rows in a crash that the source ") +
                (source_forgets ? "was told are safe (MQTT cannot give them again)"
                                : "is not asked for again (no position is stored with them)") +
                "; leave it on");
  }
  if (lock_timeout <= Duration::zero()) {
    return fail("lock_timeout is " + FormatDuration(lock_timeout) + "; it must be more than 0");
  }
  if (statement_timeout < Duration::zero()) {
    return fail("statement_timeout is negative: " + FormatDuration(statement_timeout));
  }
  if (startup_wait < Duration::zero()) {
    return fail("startup_wait is negative: " + FormatDuration(startup_wait));
  }
  return backoff.Validate();
}

}  // namespace tsingest
