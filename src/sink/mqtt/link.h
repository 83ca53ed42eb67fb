// Keeps a connection to the broker up, on a thread of its own.
#ifndef TSINGEST_SRC_SINK_MQTT_LINK_H_
#define TSINGEST_SRC_SINK_MQTT_LINK_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mqtt/broker_address.h"
#include "sink/mqtt/client.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/mutex.h"
#include "tsingest/base/retry.h"
#include "tsingest/sink/mqtt_publisher.h"

namespace tsingest::mqtt {

// Connects, and connects again whenever the connection is lost. Each connection is a generation of
// its own: what was handed to an earlier one and not acknowledged is to be sent again. Thread-safe.
class Link final : private ClientEvents {
 public:
  // `options` outlive the link.
  Link(const MqttPublisherOptions& options, BrokerAddress address);
  ~Link() override;

  // Starts the thread, and waits for the first connection as MqttPublisher::Open() says.
  // kCancelled: `cancelled` became true meanwhile.
  absl::Status Open(const std::atomic<bool>& cancelled);
  // Sends DISCONNECT, ends the thread.
  void Close();

  // What the publishing thread sees of the link.
  struct View {
    std::uint64_t generation = 0;  // of the connection that is up, or was last
    bool connected = false;
    int window = 0;                           // most messages in flight on it
    std::vector<std::pair<int, int>> acks{};  // message id and reason, of this generation
  };
  // Waits until something is new (acknowledgements, another state) or the time is up.
  View Wait(Duration length);
  // Hands a message to the connection of this generation; MOSQ_ERR_NO_CONN: it is gone.
  int Publish(std::uint64_t generation, const PublishRecord& record, int* message_id);
  // Gives the connection up and makes another one: nothing that was handed over comes back.
  void Renew();

  // OK, or why there is no connection.
  absl::Status Health() const;

 private:
  void Run();
  // One connection, from its first attempt to its end; why it ended.
  absl::Status RunOnce();
  bool Closing() const;
  void OnConnack(int code, const absl::Status& refusal) override;
  void OnAck(int message_id, int reason) override;
  void Log(const std::string& line) const {
    if (options_.log) options_.log(line);
  }

  const MqttPublisherOptions& options_;
  const BrokerAddress address_;
  std::thread thread_;

  // The I/O thread's.
  int version_;
  bool version_known_;
  absl::Status refusal_;
  bool has_connack_ = false;

  mutable Mutex mutex_;
  CondVar changed_;
  std::shared_ptr<Client> client_ ABSL_GUARDED_BY(mutex_);  // while connected
  std::uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::pair<int, int>> acks_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  bool news_ ABSL_GUARDED_BY(mutex_) = false;
  bool renew_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SRC_SINK_MQTT_LINK_H_
