// PublishSink<M>: rows as messages of a broker (Kafka, MQTT).
#ifndef TSINGEST_SINK_PUBLISH_H_
#define TSINGEST_SINK_PUBLISH_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/buffer.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/retry.h"
#include "tsingest/encode/json_message.h"
#include "tsingest/model/model.h"
#include "tsingest/pipeline/dead_letter.h"
#include "tsingest/pipeline/reject_letters.h"
#include "tsingest/pipeline/sink.h"
#include "tsingest/sink/publisher.h"
#include "tsingest/sink/topic_template.h"

namespace tsingest {

struct PublishOptions {
  // Where rows go: text in which {column} stands for the row's value.
  std::string topic = {};
  // Column whose value is each message's key, which keeps its messages in order; empty: the first
  // of the model's Layout::segment_by (the device, the series), if it has one.
  std::string key_column = {};
  // The publisher sends headers (Kafka): a FromTopic{} field that is not in the topic goes there.
  bool has_headers = false;
  // Where rejects go; borrowed and opened by the caller. Null: they are only counted.
  DeadLetterStore* dead_letters = nullptr;
  // Names the tool in dead letters.
  std::string source = "tsingest";
  // How their messages were read; may be empty.
  LetterReadingOf reading = {};
  // Waits while dead letters cannot be stored.
  BackoffOptions backoff = {};
  // One line for each row that cannot be published; called from writer threads; may be empty.
  std::function<void(std::string_view)> log = {};
};

namespace internal {

// What AppendJsonMessage() makes of a batch, as records to publish.
template <Described M>
class MessageRecords {
 public:
  struct Keys {
    std::optional<std::size_t> key;           // field that is the key
    std::optional<std::size_t> topic_header;  // field that goes into kTopicHeader
  };

  MessageRecords(const TopicTemplate<M>& topic, const Keys& keys, const Publisher& publisher)
      : topic_(topic), keys_(keys), publisher_(publisher) {}

  // Encodes the rows. Calls reject(row, Reject) for each that has no topic or no message.
  template <class OnReject>
  void Build(const std::vector<M>& rows, const OnReject& reject) {
    text_.Clear();
    pieces_.clear();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::size_t begin = text_.size();
      Piece piece{.row = i, .topic = begin};
      Reject why = AppendRow(rows[i], &piece);
      if (why) {
        text_.Truncate(begin);
        reject(i, std::move(why));
      } else {
        pieces_.push_back(piece);
      }
    }
    View();
  }

  std::span<const PublishRecord> records() const { return records_; }
  std::size_t row_of(std::size_t record) const { return pieces_[record].row; }
  std::size_t bytes() const { return text_.size(); }

 private:
  // Where the parts of a message begin in text_; each ends where the next one begins.
  struct Piece {
    std::size_t row = 0;
    std::size_t topic = 0;
    std::size_t key = 0;
    std::size_t header = 0;
    std::size_t payload = 0;
    std::size_t end = 0;
  };

  Reject AppendRow(const M& row, Piece* piece) {
    if (Reject why = topic_.Append(row, text_)) return why;
    const std::string_view topic = text_.view().substr(piece->topic);
    if (const std::string_view error = publisher_.TopicError(topic); !error.empty()) {
      return {RejectCode::kRule, "topic " + ShowValue(topic) + ": " + std::string(error)};
    }
    piece->key = text_.size();
    if (keys_.key.has_value()) (void)kFieldTexts<M>[*keys_.key](row, text_);
    piece->header = text_.size();
    if (keys_.topic_header.has_value()) (void)kFieldTexts<M>[*keys_.topic_header](row, text_);
    piece->payload = text_.size();
    Reject why = AppendJsonMessage(row, text_);
    piece->end = text_.size();
    return why;
  }

  // text_ stands still now.
  void View() {
    records_.clear();
    headers_.clear();
    headers_.reserve(pieces_.size());
    const auto part = [&](std::size_t begin, std::size_t end) {
      return text_.view().substr(begin, end - begin);
    };
    for (const Piece& piece : pieces_) {
      PublishRecord record{.topic = part(piece.topic, piece.key),
                           .key = part(piece.key, piece.header),
                           .payload = part(piece.payload, piece.end)};
      if (keys_.topic_header.has_value()) {
        headers_.push_back({kTopicHeader, part(piece.header, piece.payload)});
        record.headers = {&headers_.back(), 1};
      }
      records_.push_back(record);
    }
  }

  const TopicTemplate<M>& topic_;
  const Keys keys_;
  const Publisher& publisher_;
  ByteBuffer text_;
  std::vector<Piece> pieces_;
  std::vector<Header> headers_;
  std::vector<PublishRecord> records_;
};

}  // namespace internal

// Each row is one message that JsonDecoder<M> reads back to the same row (AppendJsonMessage()).
// "Written" means acknowledged by the broker. Keeps no positions: delivery is at least once, and a
// write that is given up may have been published in part. A row without a valid topic, and one that
// the broker refuses for good (too large), becomes a dead letter; its neighbours are published.
//
// Waits while the broker is sick, and Health() says why. Thread-safe after Open().
template <Described M>
class PublishSink final : public Sink<M> {
 public:
  // Borrows the publisher, which Open() opens and Close() closes, and the clock.
  PublishSink(Publisher& publisher, PublishOptions options, Clock& clock = SystemClock())
      : publisher_(publisher),
        options_(std::move(options)),
        letters_(options_.dead_letters, options_.source, options_.reading, options_.backoff,
                 clock) {}

  // kInvalidArgument: the topic or the key column; else as Publisher::Open().
  absl::Status Open() override {
    if (absl::Status status = Prepare(); !status.ok()) return status;
    return publisher_.Open();
  }

  // The part of Open() that needs no broker.
  absl::Status Prepare() {
    if (absl::Status status = options_.backoff.Validate(); !status.ok()) return status;
    absl::StatusOr<TopicTemplate<M>> topic = TopicTemplate<M>::Parse(options_.topic);
    if (!topic.ok()) return topic.status();
    topic_.emplace(*std::move(topic));
    if (topic_->is_fixed()) {
      const std::string_view error = publisher_.TopicError(topic_->text());
      if (!error.empty()) {
        return absl::InvalidArgumentError("topic " + ShowValue(topic_->text()) + ": " +
                                          std::string(error));
      }
    }
    if (absl::Status status = PrepareKey(); !status.ok()) return status;
    return PrepareTopicFields();
  }

  absl::StatusOr<std::unique_ptr<SinkWriter<M>>> NewWriter() override {
    return std::make_unique<Writer>(*this);
  }
  bool Transactional() const override { return false; }
  absl::StatusOr<std::vector<std::optional<StoredPosition>>> Claim(
      std::span<const StreamClaim> streams) override {
    for (const StreamClaim& claim : streams) letters_.NameStream(claim.stream, claim.name);
    return std::vector<std::optional<StoredPosition>>(streams.size());
  }
  absl::Status SetInitial(StreamId, std::int64_t) override { return absl::OkStatus(); }
  void Cancel() override { publisher_.Cancel(); }
  absl::Status Health() const override {
    absl::Status status = publisher_.Health();
    return status.ok() ? letters_.Health() : status;
  }
  absl::Status Close() override { return publisher_.Close(); }

 private:
  class Writer final : public SinkWriter<M> {
   public:
    explicit Writer(PublishSink& sink)
        : sink_(sink), records_(*sink.topic_, sink.keys_, sink.publisher_) {}

    absl::StatusOr<WriteResult> Write(Batch<M>& batch, CommitGate& gate) override {
      // Rejects of the decoder, then ours, which are gone again when this returns.
      const std::size_t found_before = batch.meta.rejects.size();
      absl::Status status = Publish(batch, gate);
      if (status.ok()) status = sink_.letters_.Store(batch.meta, gate);
      const std::size_t refused = batch.meta.rejects.size() - found_before;
      batch.meta.rejects.resize(found_before);
      if (!status.ok()) return status;
      return WriteResult{.written = batch.rows.size() - refused,
                         .dead_lettered = found_before + refused,
                         .bytes = records_.bytes()};
    }

   private:
    absl::Status Publish(Batch<M>& batch, CommitGate& gate) {
      records_.Build(batch.rows, [&](std::size_t row, Reject why) {
        AddReject(batch, row, why.code, std::move(why.reason));
      });
      if (gate.Wait(/*holding_locks=*/false) != CommitGate::Turn::kGo) {
        return absl::CancelledError("told to stop before the batch was published");
      }
      return sink_.publisher_.Publish(
          records_.records(), [&] { return gate.Cancelled(); },
          [&](std::size_t record, std::string_view why) {
            AddReject(batch, records_.row_of(record), RejectCode::kServer, std::string(why));
          });
    }

    void AddReject(Batch<M>& batch, std::size_t row, RejectCode code, std::string reason) {
      const std::uint32_t message = batch.row_message[row];
      const std::int64_t line = batch.meta.messages[message].line;
      if (line > 0) reason = "line " + std::to_string(line) + ": " + reason;
      if (sink_.options_.log) sink_.options_.log("not published: " + reason);
      batch.meta.rejects.push_back({.message = message, .code = code, .reason = std::move(reason)});
    }

    PublishSink& sink_;
    internal::MessageRecords<M> records_;
  };

  absl::Status PrepareKey() {
    std::string column = options_.key_column;
    if constexpr (requires { Model<M>::kLayout; }) {
      const std::string_view segments = Model<M>::kLayout.segment_by;
      if (column.empty()) column = std::string(segments.substr(0, segments.find(',')));
    }
    keys_.key = FindColumn<M>(column);
    if (keys_.key.has_value() || options_.key_column.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("key column " + ShowValue(column) + ": " +
                                      std::string(Model<M>::kTable) + " has no such column");
  }

  // A field that readers take from the topic must be there.
  absl::Status PrepareTopicFields() {
    for (std::size_t i = 0; i < kFieldCount<M>; ++i) {
      const FieldBinding& field = kBindings<M>[i];
      const bool is_topic = field.origin == ValueOrigin::kTopic;
      if ((!is_topic && field.origin != ValueOrigin::kTopicLevel) || topic_->Uses(i)) continue;
      if (is_topic && options_.has_headers) {
        keys_.topic_header = i;
        continue;
      }
      const std::string column(field.column);
      return absl::InvalidArgumentError(
          "topic " + ShowValue(options_.topic) + " has no {" + column + "}: readers of " +
          std::string(Model<M>::kTable) + " take " + column +
          " from the topic, so it would be lost; write …/{" + column + "}");
    }
    return absl::OkStatus();
  }

  Publisher& publisher_;
  const PublishOptions options_;
  RejectLetters letters_;
  std::optional<TopicTemplate<M>> topic_;
  typename internal::MessageRecords<M>::Keys keys_;
};

}  // namespace tsingest

#endif  // TSINGEST_SINK_PUBLISH_H_
