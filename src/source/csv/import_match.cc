#include "source/csv/import_match.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace tsingest::csv {
namespace {

constexpr std::string_view kFile = "file:";

// "file:/data/a.csv" -> "/data/a.csv".
std::string_view PathOf(const ImportRow& row) {
  const std::size_t at = row.name.find(kFile);
  return at == row.name.npos ? std::string_view(row.name)
                             : std::string_view(row.name).substr(at + kFile.size());
}

class Matcher {
 public:
  Matcher(std::span<const ImportFile> files, std::span<const ImportRow> rows, LookAtRow look)
      : files_(files), rows_(rows), look_(look), owner_(rows.size()), hashes_(files.size()) {}

  absl::StatusOr<std::vector<StreamRename>> Match() {
    std::vector<std::optional<std::size_t>> own(files_.size());
    std::vector<bool> is_known(files_.size());
    for (std::size_t f = 0; f < files_.size(); ++f) {
      own[f] = OwnRow(files_[f]);
      if (!own[f].has_value() || !Fits(f, rows_[*own[f]])) continue;
      is_known[f] = true;
      owner_[*own[f]] = f;
    }
    for (std::size_t f = 0; f < files_.size(); ++f) {
      if (is_known[f]) continue;
      if (absl::Status status = Adopt(f); !status.ok()) return status;
    }
    for (std::size_t f = 0; f < files_.size(); ++f) {
      if (is_known[f] || !own[f].has_value()) continue;
      if (absl::Status status = CheckReplaced(f, *own[f]); !status.ok()) return status;
    }
    return Renames();
  }

 private:
  std::optional<std::size_t> FindRow(const std::string& name) const {
    const auto found = std::ranges::find(rows_, name, &ImportRow::name);
    if (found == rows_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - rows_.begin());
  }

  std::optional<std::size_t> OwnRow(const ImportFile& file) const {
    const std::optional<std::size_t> row = FindRow(file.name);
    return row.has_value() ? row : FindRow(file.earlier_name);
  }

  bool Begins(std::size_t f, const Fingerprint& as) {
    const std::string_view text = files_[f].beginning;
    if (as.bytes > text.size()) return false;
    const auto [hash, is_new] = hashes_[f].try_emplace(as.bytes, 0);
    if (is_new) hash->second = Fingerprint::Of(text.substr(0, as.bytes)).hash;
    return hash->second == as.hash;
  }

  bool Fits(std::size_t f, const ImportRow& row) {
    return row.next.value_or(0) == 0 || Begins(f, row.detail.beginning);
  }

  // Gives the file the row that it begins as, if there is one.
  absl::Status Adopt(std::size_t f) {
    const ImportFile& file = files_[f];
    std::vector<std::size_t> found;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      const bool has_rows = rows_[r].next.value_or(0) > file.header_end;
      if (has_rows && Begins(f, rows_[r].detail.beginning)) found.push_back(r);
    }
    if (found.empty()) return absl::OkStatus();
    for (const std::size_t r : found) {
      if (owner_[r].has_value()) return RefuseTwo(file, files_[*owner_[r]], rows_[r]);
      if (IsCopy(file, rows_[r])) return RefuseCopy(file, rows_[r]);
    }
    if (found.size() > 1) return RefuseChoice(file, rows_[found[0]], rows_[found[1]]);
    owner_[found.front()] = f;
    return absl::OkStatus();
  }

  bool IsCopy(const ImportFile& file, const ImportRow& row) {
    const std::optional<std::string> now = look_(row, file);
    const Fingerprint& then = row.detail.beginning;
    return now.has_value() && now->size() >= then.bytes &&
           Fingerprint::Of(std::string_view(*now).substr(0, then.bytes)) == then;
  }

  // The row of a file with another beginning, which no other file has taken: the source refuses it
  // by the row's name. A name of old must be refused here.
  absl::Status CheckReplaced(std::size_t f, std::size_t row) const {
    const ImportFile& file = files_[f];
    if (owner_[row].has_value() || rows_[row].name == file.name) return absl::OkStatus();
    if (std::ranges::find(owner_, std::optional(f)) != owner_.end()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        fmt::format("{}: {} bytes of it were loaded already, but its beginning is not that of that "
                    "file, so it was replaced; {}, or put the file back that the import began with",
                    file.path, rows_[row].next.value_or(0), kOtherImport));
  }

  std::vector<StreamRename> Renames() const {
    std::vector<StreamRename> renames;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      if (!owner_[r].has_value() || files_[*owner_[r]].name == rows_[r].name) continue;
      renames.push_back({rows_[r].name, files_[*owner_[r]].name});
    }
    const auto is_moved = [&](const std::string& name) {
      return std::ranges::find(renames, name, &StreamRename::from) != renames.end();
    };
    const std::size_t moved = renames.size();
    for (std::size_t i = 0; i < moved; ++i) {
      const std::optional<std::size_t> row = FindRow(renames[i].to);
      if (!row.has_value() || is_moved(renames[i].to)) continue;
      const std::string name = rows_[*row].name;
      renames.push_back(
          {name, fmt::format("replaced:{:016x}:{}", rows_[*row].detail.beginning.hash, name)});
    }
    return renames;
  }

  // ---- Refusals. ----

  static absl::Status RefuseCopy(const ImportFile& file, const ImportRow& row) {
    return absl::FailedPreconditionError(
        fmt::format("{}: begins like {}, of which this import has loaded {} bytes, so a part of it "
                    "would be loaded twice; if it is that file made whole, or grown, put it in the "
                    "place of {}; "
                    "if it has the same rows, leave it out; if it has others, {}",
                    file.path, PathOf(row), *row.next, PathOf(row), kOtherImport));
  }

  static absl::Status RefuseTwo(const ImportFile& file, const ImportFile& other,
                                const ImportRow& row) {
    return absl::FailedPreconditionError(
        fmt::format("{} and {}: both begin like {}, of which this import has loaded {} bytes, so a "
                    "part of it would be loaded twice; name only the one that it was, or, if both "
                    "have rows of their own, {}",
                    other.path, file.path, PathOf(row), *row.next, kOtherImport));
  }

  static absl::Status RefuseChoice(const ImportFile& file, const ImportRow& one,
                                   const ImportRow& other) {
    return absl::FailedPreconditionError(fmt::format(
        "{}: begins like {} and like {}, both of which this import has loaded and neither of which "
        "is there any more, so it is not clear where it goes on; put it back under its name, or {}",
        file.path, PathOf(one), PathOf(other), kOtherImport));
  }

  std::span<const ImportFile> files_;
  std::span<const ImportRow> rows_;
  LookAtRow look_;
  std::vector<std::optional<std::size_t>> owner_;             // the file that a row is of
  std::vector<std::map<std::size_t, std::uint64_t>> hashes_;  // by length
};

}  // namespace

absl::StatusOr<std::vector<StreamRename>> MatchImport(std::span<const ImportFile> files,
                                                      std::span<const ImportRow> rows,
                                                      LookAtRow look) {
  return Matcher(files, rows, look).Match();
}

}  // namespace tsingest::csv
