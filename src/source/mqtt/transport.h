// Transport: one non-blocking byte stream to a broker, plain or TLS.
#ifndef TSINGEST_SOURCE_MQTT_TRANSPORT_H_
#define TSINGEST_SOURCE_MQTT_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/mqtt/fd.h"
#include "source/mqtt/resolver.h"
#include "source/mqtt/tls.h"

namespace tsingest::mqtt {

// Not thread-safe. Steps: Connect() → Finish() when writable → [Secure() until kDone] → Read/Write.
class Transport {
 public:
  enum class Outcome : std::uint8_t { kDone, kWouldBlock, kClosed, kFailed };
  struct Result {
    Outcome outcome = Outcome::kWouldBlock;
    std::size_t bytes = 0;  // with kDone of Read and Write, > 0
  };

  // Begins a TCP connection.
  static absl::StatusOr<std::unique_ptr<Transport>> Connect(const SocketAddress& address);

  // kDone: connected. kFailed: error() says why.
  Outcome Finish();
  // TLS handshake on top; call again whenever the socket is ready. kFailed: error(), and
  // untrusted() when it is the broker's certificate.
  absl::Status StartTls(SSL_CTX* context, const std::string& name);
  Outcome Secure();
  bool untrusted() const { return untrusted_; }

  // Reads what is there, at most `size` bytes (> 0). kClosed: the peer has ended the stream.
  Result Read(char* out, std::size_t size);
  Result Write(std::string_view bytes);
  // Tells the peer that nothing more comes (TLS close_notify, TCP FIN).
  void EndWriting();

  int fd() const { return fd_.get(); }
  // poll(2) events for a step that returned kWouldBlock.
  short wanted() const { return wanted_; }
  const std::string& error() const { return error_; }

 private:
  explicit Transport(UniqueFd fd) : fd_(std::move(fd)) {}
  Outcome TlsOutcome(int result);
  Outcome Fail(std::string error);

  UniqueFd fd_;
  SslStream ssl_;
  short wanted_ = 0;
  bool untrusted_ = false;
  std::string error_;
};

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_TRANSPORT_H_
