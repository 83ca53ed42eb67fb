#include "tools/common/preview_publisher.h"

#include "fmt/format.h"
#include "tsingest/service/standard_streams.h"

namespace tsingest {

absl::Status PreviewPublisher::Open() {
  if (prints_) return absl::OkStatus();
  const absl::Status status = publisher_->Open();
  if (!absl::IsUnavailable(status)) return status;
  if (cancelled_) return absl::CancelledError(status.message());
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
  printed_ = printed_ || !records.empty();
  return PrintToStdout(text);
}

absl::Status PreviewPublisher::Close() {
  if (!prints_) return publisher_->Close();
  MutexLock lock(&mutex_);
  logger_.Log(LogLevel::kInfo, "publish",
              printed_ ? "dry run: the rows were printed, nothing was published"
                       : "dry run: nothing was published, and there was nothing to print");
  return absl::OkStatus();
}

}  // namespace tsingest
