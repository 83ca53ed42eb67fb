// librdkafka's C objects with owners.
#ifndef TSINGEST_SRC_BASE_KAFKA_HANDLES_H_
#define TSINGEST_SRC_BASE_KAFKA_HANDLES_H_

#include <librdkafka/rdkafka.h>

#include <memory>

namespace tsingest::kafka {

template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* object) const {
    destroy(object);
  }
};

using Config = std::unique_ptr<rd_kafka_conf_t, Destroy<rd_kafka_conf_destroy>>;
using Client = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_destroy>>;
using MessageHandle = std::unique_ptr<rd_kafka_message_t, Destroy<rd_kafka_message_destroy>>;
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                      Destroy<rd_kafka_topic_partition_list_destroy>>;
using ErrorHandle = std::unique_ptr<rd_kafka_error_t, Destroy<rd_kafka_error_destroy>>;

inline PartitionList NewPartitionList(int capacity) {
  return PartitionList(rd_kafka_topic_partition_list_new(capacity));
}

}  // namespace tsingest::kafka

#endif  // TSINGEST_SRC_BASE_KAFKA_HANDLES_H_
