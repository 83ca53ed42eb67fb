// The statements of LetterTable.
#ifndef TSINGEST_SRC_SINK_POSTGRES_LETTER_SQL_H_
#define TSINGEST_SRC_SINK_POSTGRES_LETTER_SQL_H_

#include <span>
#include <string>

#include "sink/postgres/connection.h"
#include "sink/postgres/params.h"
#include "tsingest/encode/sql.h"
#include "tsingest/pipeline/letter_box.h"

namespace tsingest::postgres {

// The ledger of marks that letters from elsewhere have been taken over.
inline constexpr char kImportLedger[] = "tsingest:letters";

// Columns that tables of other makers may lack.
struct LetterColumns {
  bool line = true;
  bool key = true;
  bool row = true;
  bool attempts = true;
  bool original = true;
  bool reading = true;
  bool arrival = true;
};

// $1 to $7 of the statements below.
void AddFilter(const LetterFilter& filter, Params* params);
// With $8: letters behind this id; $9: how many.
std::string ReadLettersSql(const TableName& table, const LetterColumns& columns);
// A row of its result.
StoredLetter LetterOf(const Result& result, int row);
// A row for each way of reading and source there is, with $8: up to this id: reading, source,
// count, smallest id.
std::string ReadingsSql(const TableName& table, const LetterColumns& columns);
// A row for each way of reading of the letters of source $1 whose stream is among $2: reading,
// count.
std::string ReadingsOfStreamsSql(const TableName& table, const LetterColumns& columns);
std::string CountLettersSql(const TableName& table, LetterGroup by);
std::string PurgeLettersSql(const TableName& table);
// Ends when no transaction that has written letters into the table is open any more.
std::string AwaitWritersSql(const TableName& table);

// $1 to $14 of ImportLettersSql(): an array each.
void AddLetters(std::span<const StoredLetter> letters, Params* params);
std::string ImportLettersSql(const TableName& table);

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_LETTER_SQL_H_
