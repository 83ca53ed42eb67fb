// --create, and the stand-in table of a dry run.
#ifndef TSINGEST_SRC_SINK_POSTGRES_CREATE_H_
#define TSINGEST_SRC_SINK_POSTGRES_CREATE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sink/postgres/connection.h"
#include "sink/postgres/table.h"
#include "tsingest/encode/ddl.h"
#include "tsingest/sink/postgres_options.h"

namespace tsingest::postgres {

struct Creation {
  const TableSpec& spec;
  const DdlOptions& ddl;
  TableName letters_table;  // no name: none
};

// Creates what is missing, in one transaction under an advisory lock, so that several processes may
// do it at once. What is there is not touched, and then no privilege for it is needed. `*notes`
// takes a line for each thing made, and for each that could not be added to a table of someone
// else's.
// `*invalid`: the specification itself is wrong.
PgStatus Create(Connection& connection, const Creation& creation, std::vector<std::string>* notes,
                absl::Status* invalid);

// A temporary table like the target, made by each transaction of a dry run and rolled back with it.
struct StandIn {
  TableName name;
  std::string create;  // the statement
};

// Reads the target, or, where it is yet to be created, what would be. nullopt in `*table`: it is
// missing and is not to be created. Takes `stand_in->name`, sets `stand_in->create`.
PgStatus LoadStandIn(Connection& connection, const TableSpec& spec, const PostgresCreate& create,
                     std::optional<Table>* table, StandIn* stand_in, absl::Status* invalid);

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_CREATE_H_
