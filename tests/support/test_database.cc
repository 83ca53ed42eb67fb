#include "support/test_database.h"

#include <unistd.h>

#include <atomic>
#include <exception>

#include "support/postgres_server.h"
#include "support/timescale_server.h"

namespace tsingest::testing {
namespace {

std::string UniqueName() {
  static std::atomic<int> next{1};
  return "tsingest_test_" + std::to_string(::getpid()) + "_" + std::to_string(next++);
}

}  // namespace

TestDatabase::TestDatabase(DatabaseKind kind) : kind_(kind), name_(UniqueName()) {
  if (kind == DatabaseKind::kPostgres) {
    admin_uri_ = SharedPostgres().AdminConninfo();
    uri_ = SharedPostgres().Uri(name_);
  } else {
    admin_uri_ = TimescaleServer::Shared().AdminUri();
    uri_ = TimescaleServer::Shared().Uri(name_);
  }
  PgClient(admin_uri_).Exec("CREATE DATABASE " + name_);
  if (kind == DatabaseKind::kTimescale) Exec("CREATE EXTENSION IF NOT EXISTS timescaledb");
}

TestDatabase::~TestDatabase() {
  try {
    PgClient(admin_uri_).Exec("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
  } catch (const std::exception&) {
    // The test has stopped the server: the database goes with it.
  }
}

std::optional<std::string> TestDatabase::WhyUnavailable(DatabaseKind kind) {
  if (kind == DatabaseKind::kPostgres) return std::nullopt;
  return TimescaleServer::WhyUnavailable();
}

bool TestDatabase::IsWasm() const {
  return kind_ == DatabaseKind::kTimescale && TimescaleServer::Shared().IsWasm();
}

}  // namespace tsingest::testing
