#include "tools/common/preview_publisher.h"

#include <cstdio>

#include "fmt/format.h"

namespace tsingest {

absl::Status PreviewPublisher::Open() {
  if (prints_) return absl::OkStatus();
  const absl::Status status = publisher_->Open();
  if (!absl::IsUnavailable(status)) return status;
  publisher_->Close().IgnoreError();
  prints_ = true;
  prefix_ = "[DRY-RUN] ";
  logger_.Log(LogLevel::kWarn, "publish",
              fmt::format("{} unavailable ({}). Running in dry-run; events printed only.", name_,
                          std::string(status.message())));
  return absl::OkStatus();
}

absl::Status PreviewPublisher::Publish(
    std::span<const PublishRecord> records, absl::FunctionRef<bool()> cancelled,
    absl::FunctionRef<void(std::size_t, std::string_view)> refused) {
  if (!prints_) return publisher_->Publish(records, cancelled, refused);
  std::string text;
  for (const PublishRecord& record : records) {
    fmt::format_to(std::back_inserter(text), "{}{}\n", prefix_, record.payload);
  }
  MutexLock lock(&mutex_);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return absl::OkStatus();
}

absl::Status PreviewPublisher::Close() {
  if (!prints_) return publisher_->Close();
  std::fflush(stdout);
  logger_.Log(LogLevel::kInfo, "publish", "dry run: the rows were printed, nothing was published");
  return absl::OkStatus();
}

}  // namespace tsingest
