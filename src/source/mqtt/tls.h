// TLS by OpenSSL: a context per source, a stream per connection.
#ifndef TSINGEST_SOURCE_MQTT_TLS_H_
#define TSINGEST_SOURCE_MQTT_TLS_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tsingest/source/mqtt.h"

namespace tsingest::mqtt {

struct SslContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextDeleter>;
using SslStream = std::unique_ptr<SSL, SslDeleter>;

// Loads certificates and keys. kInvalidArgument names the file and what is wrong with it.
absl::StatusOr<SslContext> MakeSslContext(const MqttTlsOptions& options);

// A client stream on a connected non-blocking socket. `name` is checked against the certificate
// (when the context verifies) and sent as SNI unless it is an address.
absl::StatusOr<SslStream> MakeSslStream(SSL_CTX* context, int fd, const std::string& name);

// The oldest error of this thread's OpenSSL queue in words; empties the queue.
std::string TakeSslError();

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_TLS_H_
