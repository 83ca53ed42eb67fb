#include "tsingest/service/http.h"

#include <microhttpd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <thread>

#include "fmt/format.h"
#include "service/listen.h"

namespace tsingest {
namespace {

constexpr Duration kTick = std::chrono::seconds(1);

struct FreeResponse {
  void operator()(MHD_Response* response) const { MHD_destroy_response(response); }
};
using ResponsePtr = std::unique_ptr<MHD_Response, FreeResponse>;

MHD_Result AddQueryValue(void* query, MHD_ValueKind, const char* key, const char* value) {
  static_cast<std::map<std::string, std::string>*>(query)->emplace(key, value ? value : "");
  return MHD_YES;
}

HttpResponse PlainError(int status, std::string text) {
  return {.status = status, .content_type = "text/plain; charset=utf-8", .body = text + "\n"};
}

MHD_Result Answer(MHD_Connection* connection, HttpResponse response) {
  const ResponsePtr answer(MHD_create_response_from_buffer(
      response.body.size(), response.body.data(), MHD_RESPMEM_MUST_COPY));
  if (answer == nullptr) return MHD_NO;
  response.headers.emplace_back("Content-Type", response.content_type);
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) {
    MHD_add_response_header(answer.get(), name.c_str(), value.c_str());
  }
  return MHD_queue_response(connection, static_cast<unsigned>(response.status), answer.get());
}

}  // namespace

// One thread runs libmicrohttpd, the deadlines and the tick; nothing else touches the connections.
class HttpServer::Impl {
 public:
  Impl(const HttpOptions& options, Handler handler, std::function<void()> tick,
       internal::Listener listener)
      : options_(options),
        handler_(std::move(handler)),
        tick_(std::move(tick)),
        listener_(std::move(listener)),
        wake_fd_(eventfd(0, EFD_CLOEXEC)) {}

  ~Impl() {
    if (thread_.joinable()) {
      const std::uint64_t one = 1;
      while (write(wake_fd_, &one, sizeof(one)) < 0 && errno == EINTR) {
      }
      thread_.join();
    }
    if (daemon_ != nullptr) {
      MHD_stop_daemon(daemon_);
    } else {
      close(listener_.fd);
    }
    if (wake_fd_ >= 0) close(wake_fd_);
  }

  absl::Status Start() {
    daemon_ = MHD_start_daemon(
        MHD_USE_EPOLL, 0, nullptr, nullptr, &Impl::OnRequest, this, MHD_OPTION_LISTEN_SOCKET,
        listener_.fd, MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(options_.max_connections),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, options_.max_connection_bytes,
        MHD_OPTION_NOTIFY_CONNECTION, &Impl::OnConnection, this, MHD_OPTION_NOTIFY_COMPLETED,
        &Impl::OnCompleted, this, MHD_OPTION_END);
    const MHD_DaemonInfo* info =
        daemon_ == nullptr ? nullptr : MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == nullptr || wake_fd_ < 0) {
      return absl::InternalError("--http: the HTTP server could not be started");
    }
    epoll_fd_ = info->epoll_fd;
    thread_ = std::thread([this] { Run(); });
    return absl::OkStatus();
  }

  int port() const { return listener_.port; }
  std::string url() const { return fmt::format("http://{}:{}", listener_.address, listener_.port); }

 private:
  struct Connection {
    int fd = -1;
    MonotonicTime deadline{};
    bool expired = false;
  };

  static MonotonicTime Now() { return std::chrono::steady_clock::now(); }

  void Run() {
    MonotonicTime next_tick = Now();
    while (true) {
      std::array<pollfd, 2> fds = {{{epoll_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}}};
      poll(fds.data(), fds.size(), WaitMs(next_tick));
      if (fds[1].revents != 0) return;
      has_room_again_ = false;
      MHD_run(daemon_);
      Expire(Now());
      if (Now() < next_tick) continue;
      if (tick_) tick_();
      next_tick = Now() + kTick;
    }
  }

  int WaitMs(MonotonicTime next_tick) const {
    using std::chrono::milliseconds;
    if (has_room_again_) return 0;
    const auto left = std::chrono::ceil<milliseconds>(next_tick - Now()).count();
    MHD_UNSIGNED_LONG_LONG wanted = 0;
    const auto tick_ms = static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000));
    if (MHD_get_timeout(daemon_, &wanted) != MHD_YES) return tick_ms;
    return static_cast<int>(
        std::min<MHD_UNSIGNED_LONG_LONG>(wanted, static_cast<unsigned>(tick_ms)));
  }

  // Shuts down connections whose time is over, and, when they become many, those that come next:
  // libmicrohttpd then sees their end and forgets them.
  void Expire(MonotonicTime now) {
    const auto limit = static_cast<std::size_t>(options_.max_connections) * 3 / 4;
    std::size_t open = 0;
    for (auto& [handle, connection] : connections_) {
      if (!connection.expired && connection.deadline <= now) End(connection);
      if (!connection.expired) ++open;
    }
    for (; open > limit; --open) {
      Connection* first = nullptr;
      for (auto& [handle, connection] : connections_) {
        if (connection.expired) continue;
        if (first == nullptr || connection.deadline < first->deadline) first = &connection;
      }
      End(*first);
    }
  }

  static void End(Connection& connection) {
    connection.expired = true;
    shutdown(connection.fd, SHUT_RDWR);
  }

  void SetDeadline(MHD_Connection* handle, Duration from_now) {
    const auto found = connections_.find(handle);
    if (found != connections_.end()) found->second.deadline = Now() + from_now;
  }

  static void OnConnection(void* self, MHD_Connection* handle, void**,
                           MHD_ConnectionNotificationCode code) {
    auto& impl = *static_cast<Impl*>(self);
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
      impl.connections_.erase(handle);
      impl.has_room_again_ = true;
      return;
    }
    const MHD_ConnectionInfo* info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == nullptr) return;
    impl.connections_[handle] = {.fd = info->connect_fd,
                                 .deadline = Now() + impl.options_.read_timeout};
  }

  static void OnCompleted(void* self, MHD_Connection* handle, void**, MHD_RequestTerminationCode) {
    auto& impl = *static_cast<Impl*>(self);
    impl.SetDeadline(handle, impl.options_.read_timeout);
  }

  // Called when the headers are read, and again when the (ignored) body is.
  static MHD_Result OnRequest(void* self, MHD_Connection* handle, const char* url,
                              const char* method, const char*, const char*, std::size_t* body_bytes,
                              void** seen) {
    auto& impl = *static_cast<Impl*>(self);
    static int marker = 0;
    const std::string_view verb = method;
    if (verb != "GET" && verb != "HEAD") {
      HttpResponse response = PlainError(405, "only GET and HEAD are served here");
      response.headers.emplace_back("Allow", "GET, HEAD");
      return Answer(handle, std::move(response));
    }
    if (*seen == nullptr) {
      *seen = &marker;
      return MHD_YES;
    }
    if (*body_bytes != 0) {
      *body_bytes = 0;
      return MHD_YES;
    }
    impl.SetDeadline(handle, impl.options_.write_timeout);
    HttpRequest request{.path = url, .query = {}};
    MHD_get_connection_values(handle, MHD_GET_ARGUMENT_KIND, &AddQueryValue, &request.query);
    return Answer(handle, impl.handler_(request));
  }

  const HttpOptions options_;
  const Handler handler_;
  const std::function<void()> tick_;
  const internal::Listener listener_;
  const int wake_fd_;
  MHD_Daemon* daemon_ = nullptr;
  int epoll_fd_ = -1;
  std::map<MHD_Connection*, Connection> connections_;
  // At its limit libmicrohttpd listens no more, and begins again in its next run only.
  bool has_room_again_ = false;
  std::thread thread_;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() = default;

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpOptions& options,
                                                              Handler handler,
                                                              std::function<void()> tick) {
  absl::StatusOr<internal::Listener> listener = internal::Listen(options.host, options.port);
  if (!listener.ok()) return listener.status();
  auto impl =
      std::make_unique<Impl>(options, std::move(handler), std::move(tick), *std::move(listener));
  if (absl::Status status = impl->Start(); !status.ok()) return status;
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

int HttpServer::port() const { return impl_->port(); }

std::string HttpServer::url() const { return impl_->url(); }

}  // namespace tsingest
