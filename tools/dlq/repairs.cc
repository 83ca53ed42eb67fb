#include "tools/dlq/repairs.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "fmt/format.h"
#include "tsingest/base/file.h"
#include "tsingest/model/reject.h"
#include "tsingest/sink/letter_json.h"

namespace tsingest {
namespace {

std::string Editor() {
  for (const char* const name : {"VISUAL", "EDITOR"}) {
    const char* const value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "vi";
}

absl::Status RunEditor(const std::string& path) {
  // As git and crontab do it: the variable may hold options.
  const std::string command = fmt::format("{} '{}'", Editor(), path);
  const int status = std::system(command.c_str());
  if (status == 0) return absl::OkStatus();
  return absl::CancelledError(
      fmt::format("the editor ({}) failed; nothing was replayed", ShowValue(Editor())));
}

// Everything about the letters, so that the person sees why they are there.
absl::Status WriteLetters(LetterBox& box, const LetterFilter& filter, std::size_t limit, int fd,
                          const std::string& path) {
  const auto letters = box.Read(filter, 0, limit);
  if (!letters.ok()) return letters.status();
  if (letters->empty()) return absl::NotFoundError("there are no such letters");
  ByteBuffer text;
  for (const StoredLetter& letter : *letters) {
    AppendStoredLetterJson(letter, text);
    text.AppendByte('\n');
  }
  std::size_t done = 0;
  return WriteFully(fd, text.view(), &done, path);
}

}  // namespace

absl::StatusOr<LetterRepairs> ReadRepairs(std::istream& in, std::string_view name) {
  LetterRepairs repairs;
  LetterJsonReader reader;
  std::string line;
  const auto fail = [&](std::int64_t number, std::string_view why) {
    return absl::InvalidArgumentError(fmt::format("{}, line {}: {}", name, number, why));
  };
  for (std::int64_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    absl::StatusOr<StoredLetter> letter = reader.Read(line);
    if (!letter.ok()) return fail(number, std::string(letter.status().message()));
    if (letter->id < 1) return fail(number, "has no id");
    if (!repairs.emplace(letter->id, std::move(letter->payload)).second) {
      return fail(number, fmt::format("letter {} is there twice", letter->id));
    }
  }
  return repairs;
}

absl::StatusOr<LetterRepairs> ReadRepairFile(const std::string& path) {
  if (path == "-") return ReadRepairs(std::cin, "standard input");
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) return FileError("cannot open", path, errno);
  return ReadRepairs(file, path);
}

absl::StatusOr<LetterRepairs> EditLetters(LetterBox& box, const LetterFilter& filter,
                                          std::size_t limit) {
  std::string path = (std::filesystem::temp_directory_path() / "tsingest-dlq-XXXXXX").string();
  const FileDescriptor fd(::mkstemp(path.data()));  // readable by its owner only
  if (!fd.is_open()) return FileError("cannot make", path, errno);
  const absl::Cleanup remove = [&path] { ::unlink(path.c_str()); };
  absl::Status status = WriteLetters(box, filter, limit, fd.get(), path);
  if (status.ok()) status = RunEditor(path);
  if (!status.ok()) return status;
  return ReadRepairFile(path);
}

}  // namespace tsingest
