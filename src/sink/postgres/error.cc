#include "sink/postgres/error.h"

#include <algorithm>
#include <array>

namespace tsingest::postgres {
namespace {

struct Rule {
  std::string_view prefix;  // of the SQLSTATE; the longest one that matches decides
  Fault fault;
};

// Appendix A of the PostgreSQL manual. Classes that are not listed are sick: nothing is
// dead-lettered for a reason that is not known to lie in the row.
constexpr Rule kRules[] = {
    {"08", Fault::kTransient},     // connection exception
    {"09", Fault::kRow},           // triggered action exception
    {"0A", Fault::kUnclear},       // feature not supported
    {"21", Fault::kUnclear},       // cardinality violation
    {"22", Fault::kRow},           // data exception
    {"23", Fault::kRow},           // integrity constraint violation
    {"23505", Fault::kConflict},   // unique violation
    {"23P01", Fault::kConflict},   // exclusion violation
    {"25P02", Fault::kTransient},  // in failed transaction: follows another error
    {"25P03", Fault::kTransient},  // idle-in-transaction timeout
    {"26", Fault::kTransient},     // invalid statement name: a pooler changed the session
    {"27", Fault::kRow},           // triggered data change violation
    {"38", Fault::kRow},           // external routine exception
    {"39", Fault::kRow},           // external routine invocation exception
    {"39P", Fault::kUnclear},      // … protocol violated by a trigger
    {"40", Fault::kTransient},     // transaction rollback
    {"40001", Fault::kLock},       // serialization failure
    {"40P01", Fault::kLock},       // deadlock detected
    {"42", Fault::kUnclear},    // syntax error or access rule violation: the table's or a trigger's
    {"42501", Fault::kSick},    // insufficient privilege
    {"42601", Fault::kSick},    // syntax error
    {"42804", Fault::kSick},    // datatype mismatch
    {"42809", Fault::kSick},    // wrong object type
    {"428C9", Fault::kSick},    // generated always
    {"44", Fault::kRow},        // with check option violation
    {"53", Fault::kTransient},  // insufficient resources
    {"53100", Fault::kSick},    // disk full
    {"54", Fault::kRow},        // program limit exceeded: an index row too large, JSON too deep
    {"54023", Fault::kSick},    // too many arguments
    {"55", Fault::kUnclear},    // object not in prerequisite state
    {"55P03", Fault::kLock},    // lock not available
    {"57", Fault::kTransient},  // operator intervention
    {"58", Fault::kTransient},  // system error
    {"P0", Fault::kRow},        // PL/pgSQL: RAISE EXCEPTION in a trigger
    {"XX", Fault::kUnclear},    // internal error
};

// The classes of Appendix A. Any other one was made up by a trigger's author (RAISE … USING
// ERRCODE), who means the row.
constexpr std::array<std::string_view, 43> kStandardClasses = {
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "21", "22",
    "23", "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F",
    "40", "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX"};

bool IsStandard(std::string_view sqlstate) {
  return std::ranges::find(kStandardClasses, sqlstate.substr(0, 2)) != kStandardClasses.end();
}

}  // namespace

std::string PgError::Text() const {
  std::string text = message;
  if (!sqlstate.empty() && !is_ours) text += " (SQLSTATE " + sqlstate + ")";
  if (!hint.empty()) text += "; " + hint;
  return text;
}

Fault Classify(const PgError& error) {
  if (error.connection_lost || error.sqlstate.empty()) return Fault::kTransient;
  if (error.sqlstate == kMiscount) return Fault::kSick;
  const std::string_view sqlstate = error.sqlstate;
  const Rule* best = nullptr;
  for (const Rule& rule : kRules) {
    if (!sqlstate.starts_with(rule.prefix)) continue;
    if (best == nullptr || rule.prefix.size() > best->prefix.size()) best = &rule;
  }
  if (best != nullptr) return best->fault;
  return IsStandard(sqlstate) ? Fault::kSick : Fault::kRow;
}

bool LeavesCommitInDoubt(const PgError& error) {
  const std::string_view sqlstate = error.sqlstate;
  return error.connection_lost || sqlstate.empty() || sqlstate == "40003" ||
         sqlstate.starts_with("08") || sqlstate.starts_with("57P");
}

bool IsOfTheConnectionString(const PgError& error) {
  if (!error.sqlstate.empty()) return false;
  // Of several hosts another one may answer.
  if (error.message.find("refused") != std::string::npos) return false;
  constexpr std::string_view kWords[] = {"invalid integer value \"", "invalid port number: \"",
                                         " value: \"", "could not match ",
                                         "server does not support SSL, but SSL was required"};
  return std::ranges::any_of(kWords, [&](std::string_view words) {
    return error.message.find(words) != std::string::npos;
  });
}

std::string_view MendFor(std::string_view sqlstate) {
  struct Mend {
    std::string_view prefix;
    std::string_view text;
  };
  static constexpr Mend kMends[] = {
      {"28P01", "check user and password (URI, PGPASSWORD, ~/.pgpass)"},
      {"28", "check the user name and the server's pg_hba.conf"},
      {"3D000", "create the database, or name another one in the URI"},
      {"53100", "free space on the server's disk"},
      {"53300", "raise max_connections, or use fewer writers"},
      {"25006",
       "this server is read-only (a standby, or default_transaction_read_only): name the "
       "primary, or give all hosts with target_session_attrs=read-write"},
      {"42501", "grant the missing privilege"},
      {"42P01", "create the table (--create makes it)"},
      {"3F000", "create the schema"},
      {"42703", "add the missing column"},
  };
  for (const Mend& mend : kMends) {
    if (sqlstate.starts_with(mend.prefix)) return mend.text;
  }
  return "";
}

}  // namespace tsingest::postgres
