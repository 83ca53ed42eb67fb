// A TimescaleDB for tests: the one that the user names, else one in WebAssembly.
#ifndef TSINGEST_TESTS_SUPPORT_TIMESCALE_SERVER_H_
#define TSINGEST_TESTS_SUPPORT_TIMESCALE_SERVER_H_

#include <optional>
#include <string>

namespace tsingest::testing {

// Where tests find TimescaleDB: $TSINGEST_TEST_TIMESCALE (a connection string whose role may create
// databases and the extension), else tests/support/timescale, a server of its own per test program
// that runs in Node.js. The latter shows what TimescaleDB means; it runs one transaction block at a
// time (others wait 3 s, then get 55P03), keeps nothing on disk and is slow.
class TimescaleServer {
 public:
  // Why there is none ("Node.js is not installed …"), to skip a test with; nullopt when there is.
  static std::optional<std::string> WhyUnavailable();
  // The program's server; started at the first call, stopped at exit. Throws std::runtime_error
  // when it does not start.
  static TimescaleServer& Shared();

  // The connection string to `database`.
  std::string Uri(const std::string& database) const;
  // The connection string to the database that was named, for CREATE DATABASE.
  const std::string& AdminUri() const { return admin_uri_; }
  // True: the one in WebAssembly. Tests about concurrency, crashes or speed skip it.
  bool IsWasm() const { return is_wasm_; }

 private:
  TimescaleServer();

  std::string admin_uri_;
  bool is_wasm_ = false;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_TIMESCALE_SERVER_H_
