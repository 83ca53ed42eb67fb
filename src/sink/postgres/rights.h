// What a role must be granted, as the statements that do it.
#ifndef TSINGEST_SRC_SINK_POSTGRES_RIGHTS_H_
#define TSINGEST_SRC_SINK_POSTGRES_RIGHTS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sink/postgres/connection.h"
#include "tsingest/encode/sql.h"

namespace tsingest::postgres {

// Table privileges that are needed; to make the table where it is missing; temporary tables.
struct Need {
  TableName table;
  std::vector<std::string_view> privileges;
  bool create = false;
  bool temporary = false;
};

// What positions and dead letters are used with.
inline const std::vector<std::string_view> kPositionsPrivileges = {"SELECT", "INSERT", "UPDATE",
                                                                   "DELETE"};
inline const std::vector<std::string_view> kReplayPrivileges = {"SELECT", "INSERT", "UPDATE",
                                                                "DELETE"};

// The GRANT statements for what the connection's role lacks of it, USAGE on schemas included:
// "GRANT USAGE ON SCHEMA tsingest TO ingest; GRANT INSERT ON tsingest.dead_letter TO ingest". ""
// when it lacks nothing, or when that cannot be found out (the connection is lost, or busy).
std::string MissingGrants(Connection& connection, std::span<const Need> needs);

// `text`, followed by the statements, if there are any.
std::string WithGrants(std::string text, const std::string& grants);

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_RIGHTS_H_
