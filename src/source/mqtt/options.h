// From the public options to what the parts of the source work with.
#ifndef TSINGEST_SOURCE_MQTT_OPTIONS_H_
#define TSINGEST_SOURCE_MQTT_OPTIONS_H_

#include <string>

#include "base/mqtt/broker_address.h"
#include "source/mqtt/session.h"
#include "tsingest/source/mqtt.h"

namespace tsingest::mqtt {

inline constexpr int kMaxConnections = 1000;

// Client identifier of connection `index` (from 0).
std::string ClientId(const MqttOptions& options, int index);

// Requires valid options.
SessionConfig MakeSessionConfig(const MqttOptions& options, const BrokerAddress& broker, int index);

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_OPTIONS_H_
