// PgError: what a statement failed with, and what that means for the batch it belonged to.
#ifndef TSINGEST_SRC_SINK_POSTGRES_ERROR_H_
#define TSINGEST_SRC_SINK_POSTGRES_ERROR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tsingest::postgres {

// A failed statement as the server, libpq or the connection told. Passwords are removed already.
struct PgError {
  std::string sqlstate{};  // five characters; empty: the server did not say
  std::string message{};   // one line
  std::string detail{};
  std::string hint{};
  std::string context{};  // several lines, innermost first
  std::string schema{};   // the table it is about, where the server says so
  std::string table{};
  std::string constraint{};
  bool connection_lost = false;  // the connection is gone; what was under way may have happened
  bool is_ours = false;          // our own words; `sqlstate` tells the kind only, and is not shown
  bool cancelled = false;        // told to stop while waiting: no fault of the server

  // `message (SQLSTATE 23505)`, with the hint if there is one.
  std::string Text() const;
};

// OK, or a PgError. Cheap to return.
class [[nodiscard]] PgStatus {
 public:
  PgStatus() = default;
  PgStatus(PgError error) : error_(std::make_unique<PgError>(std::move(error))) {}  // NOLINT

  bool ok() const { return error_ == nullptr; }
  const PgError& error() const { return *error_; }
  PgError& error() { return *error_; }

 private:
  std::unique_ptr<PgError> error_;
};

// Our own code for a COPY or INSERT that stored another number of rows than it was given. (User
// code cannot raise it: SQLSTATEs are letters and digits.)
inline constexpr std::string_view kMiscount = "count";

// What to do about an error.
enum class Fault : std::uint8_t {
  kRow,        // this row cannot be stored: it goes to the dead letters, its neighbours do not
  kConflict,   // 23505, 23P01: a row with that key exists; --on-conflict decides
  kUnclear,    // a row's fault if its neighbours can be written, else the database's
  kTransient,  // heals by itself within seconds: restart, failover, serialization, out of memory
  kLock,       // another transaction holds a lock; perhaps a later batch of our own
  kSick,       // someone has to mend it: privilege, missing table, full disk, wrong password
};
Fault Classify(const PgError& error);

// Whether the answer to a COMMIT that failed so leaves open if it happened.
bool LeavesCommitInDoubt(const PgError& error);

// What libpq says of a connection that it does not even try, or whose server has no TLS: waiting
// mends neither. By its words, as there is no SQLSTATE.
bool IsOfTheConnectionString(const PgError& error);

// What the reader can do about it, as a sentence; "" when the message says enough.
std::string_view MendFor(std::string_view sqlstate);

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_ERROR_H_
