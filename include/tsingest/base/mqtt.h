// What the MQTT source and the MQTT sink are both told.
#ifndef TSINGEST_BASE_MQTT_H_
#define TSINGEST_BASE_MQTT_H_

#include <cstdint>
#include <string>

namespace tsingest {

enum class MqttProtocol : std::uint8_t {
  kAuto,  // MQTT 5, and 3.1.1 with a broker that does not speak 5
  kV311,  // MQTT 3.1.1 (OASIS Standard, 29 October 2014)
  kV5,    // MQTT 5.0 (OASIS Standard, 7 March 2019)
};

// How mqtts:// connections are secured. TLS 1.2 or newer.
struct MqttTlsOptions {
  std::string ca_file;       // PEM; empty with ca_path empty: the system's certificates
  std::string ca_path;       // directory of hashed PEM files
  std::string cert_file;     // client certificate chain, PEM; with key_file: mutual TLS
  std::string key_file;      // its private key, PEM
  std::string key_password;  // of key_file; never shown
  // Name that the broker's certificate must carry and that is sent as SNI; empty: the URI's host.
  std::string server_name;
  // False: any certificate is taken. Encrypts, but proves nothing about who answers.
  bool verify = true;
};

}  // namespace tsingest

#endif  // TSINGEST_BASE_MQTT_H_
