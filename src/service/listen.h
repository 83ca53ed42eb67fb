// A listening TCP socket.
#ifndef TSINGEST_SRC_SERVICE_LISTEN_H_
#define TSINGEST_SRC_SERVICE_LISTEN_H_

#include <string>

#include "absl/status/statusor.h"

namespace tsingest::internal {

struct Listener {
  int fd = -1;
  int port = 0;         // the real one where 0 was asked for
  std::string address;  // numeric; IPv6 in brackets
};

// Listens on the first address that `host` has. Errors as HttpServer::Start().
absl::StatusOr<Listener> Listen(const std::string& host, int port);

}  // namespace tsingest::internal

#endif  // TSINGEST_SRC_SERVICE_LISTEN_H_
