// PreviewPublisher: prints messages instead of publishing them.
#ifndef TSINGEST_TOOLS_COMMON_PREVIEW_PUBLISHER_H_
#define TSINGEST_TOOLS_COMMON_PREVIEW_PUBLISHER_H_

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "tsingest/base/mutex.h"
#include "tsingest/service/log.h"
#include "tsingest/sink/publisher.h"

namespace tsingest {

// Stands before the publisher that would be used. Prints one message a line on stdout.
class PreviewPublisher final : public Publisher {
 public:
  enum class When : std::uint8_t {
    kAlways,         // --dry-run: prints the messages
    kIfUnreachable,  // prints "[DRY-RUN] " and the message, if no broker answers at the start
  };
  PreviewPublisher(std::unique_ptr<Publisher> publisher, When when, std::string name,
                   Logger& logger)
      : publisher_(std::move(publisher)),
        prints_(when == When::kAlways),
        name_(std::move(name)),
        logger_(logger) {}

  absl::Status Open() override;
  void Cancel() override {
    cancelled_ = true;
    publisher_->Cancel();
  }
  absl::Status Publish(std::span<const PublishRecord> records, absl::FunctionRef<bool()> cancelled,
                       absl::FunctionRef<void(std::size_t, std::string_view)> refused) override;
  std::string_view TopicError(std::string_view topic) const override {
    return publisher_->TopicError(topic);
  }
  absl::Status Health() const override { return prints_ ? absl::OkStatus() : publisher_->Health(); }
  absl::Status Close() override;

 private:
  const std::unique_ptr<Publisher> publisher_;
  bool prints_;  // changes in Open() only
  std::string_view prefix_ = "";
  const std::string name_;  // "Kafka"
  Logger& logger_;
  std::atomic<bool> cancelled_{false};
  Mutex mutex_;  // lines stay whole
  bool printed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_COMMON_PREVIEW_PUBLISHER_H_
