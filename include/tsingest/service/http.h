// HttpServer: a small HTTP/1.1 server for status pages, by GNU libmicrohttpd.
#ifndef TSINGEST_SERVICE_HTTP_H_
#define TSINGEST_SERVICE_HTTP_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"

namespace tsingest {

struct HttpRequest {
  std::string path;                          // "/status", without the query
  std::map<std::string, std::string> query;  // decoded
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct HttpOptions {
  // Name or address to listen on. Anything but a loopback address is reachable by others.
  std::string host = "127.0.0.1";
  int port = 8080;  // 0: a free one
  // A request must be complete within read_timeout of its connection or of the answer before it, an
  // answer taken within write_timeout; else the connection is closed.
  Duration read_timeout = std::chrono::seconds(10);
  Duration write_timeout = std::chrono::seconds(10);
  // When three quarters of them are open, the one whose time runs out first makes room.
  int max_connections = 128;
  // For one connection: request line and headers must fit.
  std::size_t max_connection_bytes = 16 * 1024;
};

// Answers GET and HEAD by `handler` on one thread of its own. Slow, large, malformed or many
// requests cost at most max_connections * max_connection_bytes and that thread's time.
class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // `tick` is called about once a second on the same thread; may be empty. Handler and tick must
  // not throw. kUnavailable: the port is taken; kInvalidArgument: no such host; kPermissionDenied:
  // a port below 1024 without the right. Messages are one line and name --http.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpOptions& options,
                                                           Handler handler,
                                                           std::function<void()> tick = {});
  // Stops listening, closes all connections.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;
  // "http://127.0.0.1:8080"
  std::string url() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_HTTP_H_
