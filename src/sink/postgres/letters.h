// Dead letters of a batch: rejects of the decoder and rows that the database refused.
#ifndef TSINGEST_SRC_SINK_POSTGRES_LETTERS_H_
#define TSINGEST_SRC_SINK_POSTGRES_LETTERS_H_

#include <cstddef>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "sink/postgres/params.h"
#include "sink/postgres/rows.h"
#include "tsingest/encode/sql.h"
#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/dead_letter.h"
#include "tsingest/sink/postgres_core.h"

namespace tsingest::postgres {

// The letters of one attempt to write a batch, in the order of its messages. Owns the texts that
// have no home in the batch; views the batch and the strings given to Build().
class Letters {
 public:
  struct Origin {
    std::string_view source;
    absl::FunctionRef<std::string(StreamId)> stream_name;
    Timestamp at{};
  };
  void Build(const EncodedRows& rows, const BatchMeta& meta, std::span<const BadRow> bad,
             const Origin& origin);

  std::span<const DeadLetter> all() const { return letters_; }
  bool empty() const { return letters_.empty(); }
  std::size_t size() const { return letters_.size(); }

  // Letters from `first` on whose parameters for InsertLettersSql() stay below the size of one
  // statement: the index behind the last one.
  std::size_t Fill(std::size_t first, Params* params) const;

 private:
  void AddReject(const BatchMeta& meta, const RejectedMessage& reject, const Origin& origin);
  void AddBadRow(const EncodedRows& rows, const BatchMeta& meta, const BadRow& bad,
                 const Origin& origin);
  std::string_view Keep(std::string text);
  std::string_view NameOf(StreamId stream, const Origin& origin);

  std::deque<std::string> texts_;  // does not move its elements
  std::map<StreamId, std::string> names_;
  std::vector<DeadLetter> letters_;
};

// INSERT of the ten arrays that Fill() makes.
std::string InsertLettersSql(const TableName& table);
// CREATE TABLE IF NOT EXISTS, with an index for looking them up by time.
std::string CreateLettersSql(const TableName& table);

// Text as a text column takes it: bytes that are not UTF-8, and NUL, as \xNN.
std::string CleanText(std::string_view text);

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_LETTERS_H_
