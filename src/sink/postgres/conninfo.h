// Connection strings: checked and completed, everything else is libpq's.
#ifndef TSINGEST_SRC_SINK_POSTGRES_CONNINFO_H_
#define TSINGEST_SRC_SINK_POSTGRES_CONNINFO_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace tsingest::postgres {

// Words that must not appear in any message. Immutable after construction.
class Secrets {
 public:
  Secrets() = default;
  void Add(std::string_view secret);
  // `text` with each of them replaced by ****.
  std::string Scrub(std::string_view text) const;

 private:
  std::vector<std::string> words_;
};

// A parsed connection string: libpq's keywords and values, completed by ours where the user (or
// the environment, or a service file) says nothing.
struct Conninfo {
  std::vector<std::pair<std::string, std::string>> parameters;
  Secrets secrets;
  bool several_hosts = false;

  std::string_view Get(std::string_view keyword) const;
};

// A URI (postgresql://…) or key=value list; "" takes everything from PG* variables.
// kInvalidArgument does not repeat the string: it may hold a password.
absl::StatusOr<Conninfo> ParseConninfo(const std::string& text, std::string_view application_name,
                                       int connect_timeout_seconds);

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_CONNINFO_H_
