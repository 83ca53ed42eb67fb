#include "source/csv/import_review.h"

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "fmt/format.h"
#include "source/csv/stream_detail.h"

namespace tsingest::csv {
namespace {

constexpr std::string_view kFile = "file:";

std::string NormalPath(const std::string& path) {
  return path == "-" ? path : std::filesystem::path(path).lexically_normal().string();
}

// The stored positions, if they are of this table and model.
absl::StatusOr<std::vector<ImportRow>> RowsOf(const LedgerView& ledger, std::string_view model) {
  std::vector<ImportRow> rows;
  for (const LedgerStream& stream : ledger.streams) {
    const std::optional<StreamDetail> detail = StreamDetail::Parse(stream.detail);
    if (!detail.has_value()) continue;
    if (!detail->table.empty() && (detail->table != ledger.table || detail->model != model)) {
      return absl::InvalidArgumentError(fmt::format(
          "import id \"{}\" belongs to table {} by model {}, and this run writes into table {} by "
          "model {}: give it another import id",
          ledger.ledger, detail->table, detail->model, ledger.table, model));
    }
    rows.push_back({stream.name, stream.next, *detail});
  }
  return rows;
}

}  // namespace

std::string StreamNameAsGiven(const std::string& path) {
  return std::string(kFile) + NormalPath(path);
}

std::string StreamName(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return error ? StreamNameAsGiven(path) : std::string(kFile) + real.string();
}

absl::StatusOr<std::vector<StreamRename>> ReviewImport(
    const LedgerView& ledger, std::string_view model, std::span<const ImportFile> files,
    absl::FunctionRef<absl::StatusOr<std::string>(const std::string& path)> beginning_of) {
  const absl::StatusOr<std::vector<ImportRow>> rows = RowsOf(ledger, model);
  if (!rows.ok()) return rows.status();
  const auto look = [&](const ImportRow& row,
                        const ImportFile& file) -> std::optional<std::string> {
    if (!row.name.starts_with(kFile)) return std::nullopt;
    const std::string path = row.name.substr(kFile.size());
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
    if (std::filesystem::equivalent(path, file.path, error)) return std::nullopt;
    absl::StatusOr<std::string> beginning = beginning_of(path);
    return beginning.ok() ? std::optional(*std::move(beginning)) : std::nullopt;
  };
  return MatchImport(files, *rows, look);
}

}  // namespace tsingest::csv
