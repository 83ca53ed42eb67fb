// What a subscriber remembers of messages of QoS 1 and 2 until they are acknowledged.
#ifndef TSINGEST_SOURCE_MQTT_INFLIGHT_H_
#define TSINGEST_SOURCE_MQTT_INFLIGHT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace tsingest::mqtt {

// What is known of a packet identifier.
struct Inflight {
  enum class State : std::uint8_t {
    kFree,
    kUnacknowledged,  // given on, and no PUBACK or PUBREC was sent for it yet
    kReceived,        // QoS 2: PUBREC was sent, PUBREL is to come
  };
  State state = State::kFree;
  std::uint8_t qos = 0;
  std::uint32_t connection = 0;   // number of the connection that it was last sent on
  std::int64_t arrival = 0;       // its message
  std::uint64_t fingerprint = 0;  // of topic and payload: a redelivery has the same
};

// All 65,536 packet identifiers; memory in pages of 256 as they are used (1.5 MiB when all are).
class InflightTable {
 public:
  Inflight& At(std::uint16_t packet_id) {
    std::unique_ptr<Page>& page = pages_[packet_id >> 8];
    if (page == nullptr) page = std::make_unique<Page>();
    return (*page)[packet_id & 0xFF];
  }
  void Clear() {
    for (std::unique_ptr<Page>& page : pages_) page.reset();
  }

 private:
  using Page = std::array<Inflight, 256>;
  std::array<std::unique_ptr<Page>, 256> pages_;
};

// One acknowledgement to be sent, once everything before `arrival` + 1 is durable.
struct PendingAck {
  std::int64_t arrival = 0;
  std::uint16_t packet_id = 0;
  std::uint8_t qos = 0;
};

// The acknowledgements owed on the current connection in order of receipt. A ring: allocates only
// while it grows.
class AckQueue {
 public:
  bool empty() const { return head_ == tail_; }
  std::size_t size() const { return tail_ - head_; }
  const PendingAck& front() const { return ring_[head_ & (ring_.size() - 1)]; }
  void pop_front() { ++head_; }
  void clear() { head_ = tail_ = 0; }
  void push_back(const PendingAck& ack) {
    if (size() == ring_.size()) Grow();
    ring_[tail_++ & (ring_.size() - 1)] = ack;
  }

 private:
  void Grow() {
    std::vector<PendingAck> bigger(ring_.empty() ? 64 : ring_.size() * 2);
    const std::size_t count = size();
    for (std::size_t i = 0; i < count; ++i) bigger[i] = ring_[(head_ + i) & (ring_.size() - 1)];
    ring_ = std::move(bigger);
    head_ = 0;
    tail_ = count;
  }

  std::vector<PendingAck> ring_;  // a power of two long
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
};

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_INFLIGHT_H_
