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

// Columns that tables of older versions lack; letters are stored without them there.
struct NewLetterColumns {
  bool row = false;
  bool reading = false;
  bool arrival = false;
};

// The letters of one attempt to write a batch, in the order of its messages. Owns the texts that
// have no home in the batch; views the batch and the strings given to Build().
class Letters {
 public:
  struct Origin {
    std::string_view source;
    absl::FunctionRef<std::string(StreamId)> stream_name;
    const LetterReadingOf& reading;
    Timestamp at{};
  };
  void Build(const EncodedRows& rows, const BatchMeta& meta, std::span<const BadRow> bad,
             const Origin& origin);

  std::span<const DeadLetter> all() const { return letters_; }
  bool empty() const { return letters_.empty(); }
  std::size_t size() const { return letters_.size(); }

  // Letters from `first` on whose parameters for InsertLettersSql() stay below the size of one
  // statement: the index behind the last one.
  std::size_t Fill(std::size_t first, const NewLetterColumns& columns, Params* params) const;

 private:
  void AddReject(const BatchMeta& meta, const RejectedMessage& reject, const Origin& origin);
  void AddBadRow(const EncodedRows& rows, const BatchMeta& meta, const BadRow& bad,
                 const Origin& origin);
  void CountRows(const EncodedRows& rows, const BatchMeta& meta);
  std::string_view Keep(std::string text);
  // What the letters of a stream share.
  struct Stream {
    std::string name;
    std::string reading;
  };
  const Stream& StreamOf(StreamId stream, const Origin& origin);

  std::deque<std::string> texts_;  // does not move its elements
  std::map<StreamId, Stream> streams_;
  std::vector<DeadLetter> letters_;
  std::vector<std::uint32_t> row_in_message_;  // of each row of the batch, from 1
  std::vector<std::uint32_t> rows_of_message_;
};

// INSERT of the arrays that Fill() makes for the same columns.
std::string InsertLettersSql(const TableName& table, const NewLetterColumns& columns);
// CREATE TABLE IF NOT EXISTS, with an index for looking them up by time.
std::string CreateLettersSql(const TableName& table);
// ALTER TABLE that adds the columns which tables of older versions, or of other makers, lack.
std::string ExtendLettersSql(const TableName& table);
// The columns that ExtendLettersSql() adds.
inline constexpr std::string_view kAddedLetterColumns[] = {
    "id", "line", "key", "message_row", "attempts", "original", "reading", "arrival"};

// Text as a text column takes it: bytes that are not UTF-8, and NUL, as \xNN.
std::string CleanText(std::string_view text);

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_LETTERS_H_
