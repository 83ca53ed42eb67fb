#include "source/mqtt/transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"

namespace tsingest::mqtt {
namespace {

void SetOption(int fd, int level, int name) {
  const int on = 1;
  setsockopt(fd, level, name, &on, sizeof(on));
}

// A broker that uses Nagle's algorithm waits for our TCP acknowledgement before it sends the next
// small segment; delayed by 40 ms that would rule the rate of a small in-flight window. The kernel
// falls back to delaying, so this is asked for again and again, but not under a heavy stream.
constexpr std::size_t kHeavyReadBytes = 16 * 1024;
constexpr int kHeavyTlsReadBytes = 4 * 1024;  // a record has at most 16 KiB

int ClampToInt(std::size_t size) {
  return static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> Transport::Connect(const SocketAddress& address) {
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd) {
    return absl::UnavailableError(fmt::format("cannot open a socket: {}", std::strerror(errno)));
  }
  SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  SetOption(fd.get(), SOL_SOCKET, SO_KEEPALIVE);
  const auto* target = reinterpret_cast<const sockaddr*>(&address.storage);
  if (connect(fd.get(), target, address.length) != 0 && errno != EINPROGRESS) {
    return absl::UnavailableError(std::strerror(errno));
  }
  std::unique_ptr<Transport> out(new Transport(std::move(fd)));
  out->wanted_ = POLLOUT;
  return out;
}

Transport::Outcome Transport::Fail(std::string error) {
  error_ = std::move(error);
  return Outcome::kFailed;
}

Transport::Outcome Transport::Finish() {
  int code = 0;
  socklen_t size = sizeof(code);
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &code, &size) != 0) code = errno;
  if (code != 0) return Fail(std::strerror(code));
  sockaddr_storage peer;
  socklen_t length = sizeof(peer);
  if (getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &length) != 0) {
    return errno == ENOTCONN ? Outcome::kWouldBlock : Fail(std::strerror(errno));
  }
  wanted_ = POLLIN;
  return Outcome::kDone;
}

absl::Status Transport::StartTls(SSL_CTX* context, const std::string& name) {
  absl::StatusOr<SslStream> stream = MakeSslStream(context, fd_.get(), name);
  if (!stream.ok()) return stream.status();
  ssl_ = *std::move(stream);
  return absl::OkStatus();
}

Transport::Outcome Transport::Secure() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return Outcome::kDone;
  const Outcome outcome = TlsOutcome(result);
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (outcome == Outcome::kFailed && verdict != X509_V_OK &&
      SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE) {
    untrusted_ = true;
    error_ = X509_verify_cert_error_string(verdict);
  }
  return outcome;
}

Transport::Outcome Transport::TlsOutcome(int result) {
  const int saved = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      wanted_ = POLLIN;
      return Outcome::kWouldBlock;
    case SSL_ERROR_WANT_WRITE:
      wanted_ = POLLOUT;
      return Outcome::kWouldBlock;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::kClosed;
    case SSL_ERROR_SYSCALL:
      if (ERR_peek_error() == 0) {
        return saved == 0 ? Outcome::kClosed : Fail(std::strerror(saved));
      }
      [[fallthrough]];
    default:
      return Fail(TakeSslError());
  }
}

Transport::Result Transport::Read(char* out, std::size_t size) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    errno = 0;
    const int got = SSL_read(ssl_.get(), out, ClampToInt(size));
    if (got <= 0) return {TlsOutcome(got), 0};
    if (got < kHeavyTlsReadBytes) SetOption(fd_.get(), IPPROTO_TCP, TCP_QUICKACK);
    return {Outcome::kDone, static_cast<std::size_t>(got)};
  }
  const ssize_t got = recv(fd_.get(), out, size, 0);
  if (got > 0) {
    const auto bytes = static_cast<std::size_t>(got);
    if (bytes < kHeavyReadBytes) SetOption(fd_.get(), IPPROTO_TCP, TCP_QUICKACK);
    return {Outcome::kDone, bytes};
  }
  if (got == 0) return {Outcome::kClosed, 0};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    wanted_ = POLLIN;
    return {Outcome::kWouldBlock, 0};
  }
  return {Fail(std::strerror(errno)), 0};
}

Transport::Result Transport::Write(std::string_view bytes) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    errno = 0;
    const int put = SSL_write(ssl_.get(), bytes.data(), ClampToInt(bytes.size()));
    if (put > 0) return {Outcome::kDone, static_cast<std::size_t>(put)};
    return {TlsOutcome(put), 0};
  }
  const ssize_t put = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (put >= 0) return {Outcome::kDone, static_cast<std::size_t>(put)};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    wanted_ = POLLOUT;
    return {Outcome::kWouldBlock, 0};
  }
  return {Fail(std::strerror(errno)), 0};
}

void Transport::EndWriting() {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  shutdown(fd_.get(), SHUT_WR);
}

}  // namespace tsingest::mqtt
