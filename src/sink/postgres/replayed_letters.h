// ReplayedLetters: what becomes of letters whose messages were given again.
#ifndef TSINGEST_SRC_SINK_POSTGRES_REPLAYED_LETTERS_H_
#define TSINGEST_SRC_SINK_POSTGRES_REPLAYED_LETTERS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sink/postgres/connection.h"
#include "tsingest/encode/sql.h"
#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/dead_letter.h"

namespace tsingest::postgres {

// The letters of one batch of a replay (PostgresDeadLetters::replay), as its transaction is to
// leave them. Views what it is made of.
class ReplayedLetters {
 public:
  // `again`: the letters that this attempt would make anew; DeadLetter::position is the id of the
  // letter that was replayed.
  ReplayedLetters(const BatchMeta& meta, std::span<const DeadLetter> again);

  // Queues the statements and adds their number to `*statements`. A letter that is not there any
  // more makes its statement fail with SQLSTATE 22012.
  PgStatus Send(Connection& connection, const TableName& table, int* statements) const;

 private:
  struct Failed {
    std::int64_t id = 0;
    const DeadLetter* letter = nullptr;
  };
  PgStatus SendPart(Connection& connection, const std::string& sql, std::span<const Failed> part,
                    bool with_payload) const;
  PgStatus SendInParts(Connection& connection, const std::string& sql,
                       std::span<const Failed> letters, bool with_payload, int* statements) const;

  std::vector<std::int64_t> done_;  // no row of theirs was refused: removed
  std::vector<Failed> kept_;        // stay; one for each letter
  std::vector<Failed> more_;        // further rows of theirs: letters of their own
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_REPLAYED_LETTERS_H_
