// TcpProxy: stands between a client and PostgreSQL and breaks connections at a chosen moment.
#ifndef TSINGEST_TESTS_SUPPORT_TCP_PROXY_H_
#define TSINGEST_TESTS_SUPPORT_TCP_PROXY_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace tsingest::testing {

// Listens on a free port of 127.0.0.1 and forwards each connection to `target_port`. Thread-safe.
//
// A fault waits for bytes from the client that contain a pattern (an SQL text; the protocol carries
// it as it is), and then acts once:
//   kCutBefore    the bytes are not forwarded; both sides are closed
//   kCutAnswer    they are forwarded, the server's answer is read and thrown away, then both closed
//   kCutAllAnswers  as kCutAnswer, but all other connections are closed first, as in a crash
//   kFreeze       they are not forwarded; the client is closed, the server's side stays open
class TcpProxy {
 public:
  enum class Fault : std::uint8_t { kCutBefore, kCutAnswer, kCutAllAnswers, kFreeze };

  explicit TcpProxy(int target_port);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  int port() const { return port_; }

  // Arms a fault for the next client bytes that contain `pattern`, after `skip` such occurrences.
  void Arm(Fault fault, std::string pattern, int skip = 0);
  // How many faults have acted.
  int acted() const { return acted_.load(); }
  // Closes all connections; new ones are closed at once while `refuse`.
  void CutAll(bool refuse);
  void Accept() { refuse_.store(false); }

 private:
  struct Link {
    int client = -1;
    int server = -1;
    std::thread thread;
  };
  void Listen();
  void Serve(Link& link);
  // False: the link is over.
  bool FromClient(Link& link, std::string_view bytes);
  void CutOthers(const Link& link);
  bool Triggered(std::string_view bytes, Fault* fault);

  const int target_port_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<bool> refuse_{false};
  std::atomic<int> acted_{0};
  std::thread thread_;
  std::mutex mutex_;
  std::list<Link> links_;
  bool armed_ = false;
  Fault fault_ = Fault::kCutBefore;
  std::string pattern_;
  int skip_ = 0;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_TCP_PROXY_H_
