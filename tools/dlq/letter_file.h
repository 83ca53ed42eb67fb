// LetterFile: a file of dead letters (FileDeadLetterStore), looked at from outside.
#ifndef TSINGEST_TOOLS_DLQ_LETTER_FILE_H_
#define TSINGEST_TOOLS_DLQ_LETTER_FILE_H_

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/pipeline/letter_box.h"
#include "tsingest/sink/letter_json.h"

namespace tsingest {

// A letter's id is the number of its line, until letters are purged. What stands behind the last
// line break was never stored, and is left out. Programs may add letters meanwhile. Not
// thread-safe.
class LetterFile final : public LetterBox {
 public:
  explicit LetterFile(std::string path) : path_(std::move(path)) {}

  // kNotFound: there is no such file. kPermissionDenied.
  absl::Status Open();

  // kInvalidArgument: a line is no letter; the message names it.
  absl::StatusOr<std::vector<StoredLetter>> Read(const LetterFilter& filter, std::int64_t after,
                                                 std::size_t limit) override;
  absl::StatusOr<LetterCounts> Count(const LetterFilter& filter, LetterGroup by) override;
  // The rest goes into a new file in its place.
  absl::StatusOr<std::int64_t> Purge(const LetterFilter& filter) override;

 private:
  absl::StatusOr<bool> NextLine(std::string* line);
  absl::StatusOr<bool> NextLetter(StoredLetter* letter);
  absl::Status Rewind();

  const std::string path_;
  std::ifstream file_;
  std::int64_t line_ = 0;  // of the last line read
  LetterJsonReader reader_;
};

// Whether the filter lets the letter through.
bool Matches(const LetterFilter& filter, const StoredLetter& letter);

// Takes a file's letters over into other hands, each once, also when it is killed meanwhile and
// called again: the file is renamed to PATH.taken (programs go on with a new one), given to `store`
// under a name that tells its content, and removed. `store` must store all of it or nothing, and
// nothing when it has stored that name before; `forget` is told when the name will not come again.
struct LetterFileTaker {
  absl::FunctionRef<absl::Status(const std::string& name,
                                 absl::FunctionRef<absl::StatusOr<const StoredLetter*>()> next)>
      store;
  absl::FunctionRef<absl::Status(const std::string& name)> forget;
};
// kNotFound: there is neither PATH nor PATH.taken.
absl::Status TakeLetterFile(const std::string& path, const LetterFileTaker& taker);
// Those of PATH.taken and PATH that there are, in the order in which they are taken.
std::vector<std::string> LetterFilesOf(const std::string& path);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_DLQ_LETTER_FILE_H_
