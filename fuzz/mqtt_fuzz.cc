// Any bytes from a broker, in any pieces, with acknowledgements, time and reconnects between them.
//
// Input: a configuration byte, then operations: a byte that says what, a byte of length, and so
// many bytes from the broker. Two sessions get the same; one of them gets the bytes one at a time
// and in exactly sized blocks, so that AddressSanitizer sees every read past them. Both must do the
// same, and what they do must keep the promises checked below.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "source/mqtt/session.h"

namespace tsingest::mqtt {
namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

struct Event {
  std::int64_t arrival;
  std::string topic;
  std::string payload;
  std::size_t omitted;
  bool operator==(const Event&) const = default;
};

class Subscriber : public SessionHandler {
 public:
  explicit Subscriber(const SessionConfig& config) : session_(config, *this) {}

  void Connect(Level level, MonotonicTime now) {
    session_.Connect(level, now);
    unread_.clear();
  }
  // Gives the bytes in an allocation of exactly their size.
  void Feed(std::string_view bytes, MonotonicTime now) {
    unread_.append(bytes);
    const std::unique_ptr<char[]> exact(new char[unread_.size()]);
    std::copy(unread_.begin(), unread_.end(), exact.get());
    const std::size_t taken = session_.Receive({exact.get(), unread_.size()}, now);
    Require(taken <= unread_.size(), "takes no more than it is given");
    unread_.erase(0, taken);
  }
  void Acknowledge(std::int64_t next, MonotonicTime now) {
    durable_ = std::max(durable_, next);
    session_.Acknowledge(next, now);
  }
  void Drain(MonotonicTime now) {
    const std::string_view out = session_.output();
    Require(out.size() < 2 * 1024 * 1024, "output is bounded");
    sent_.append(out);
    CheckSent(out);
    session_.OnSent(out.size(), now);
  }

  Session& session() { return session_; }
  const std::vector<Event>& events() const { return events_; }
  const std::string& sent() const { return sent_; }
  bool refusing = false;

 private:
  Verdict OnMessage(const Publish& message, std::int64_t arrival, bool) override {
    if (refusing) return Verdict::kBlocked;
    Require(arrival == static_cast<std::int64_t>(events_.size()), "arrival numbers have no gap");
    Require(!message.topic.empty(), "a message has a topic");
    Require(message.topic.find_first_of("#+") == std::string_view::npos, "a topic has no wildcard");
    Require(message.qos == 0 || message.packet_id != 0, "QoS 1 and 2 have an identifier");
    std::size_t names = 0;
    ForEachUserProperty(message.properties, [&](std::string_view name, std::string_view value) {
      names += name.size() + value.size() + 1;
    });
    Require(names >= message.properties.user_properties, "all user properties are found");
    events_.push_back(
        {arrival, std::string(message.topic), std::string(message.payload), message.omitted_bytes});
    if (message.qos != 0) owed_.push_back({arrival, message.packet_id});
    return Verdict::kTaken;
  }
  void OnNotice(std::string_view) override {}

  // Only whole packets that a subscriber may send, and no acknowledgement of what is not durable.
  void CheckSent(std::string_view out) {
    while (!out.empty()) {
      const FixedHeader header = ParseFixedHeader(out, Level::kV5);
      Require(header.state == FixedHeader::State::kComplete, "whole packets are sent");
      Require(header.TotalBytes() <= out.size(), "whole packets are sent");
      const std::string_view body = out.substr(header.header_bytes, header.remaining);
      if (header.type == PacketType::kPuback || header.type == PacketType::kPubrec) {
        Require(body.size() == 2, "PUBACK and PUBREC of success are short");
        CheckDurable(LoadBigEndian<std::uint16_t>(body.data()));
      }
      out.remove_prefix(header.TotalBytes());
    }
  }
  // The identifier belongs to a message that is durable: one given earlier under it.
  void CheckDurable(std::uint16_t packet_id) {
    const bool durable = std::ranges::any_of(owed_, [&](const Owed& owed) {
      return owed.packet_id == packet_id && owed.arrival < durable_;
    });
    Require(durable, "only what is durable is acknowledged");
  }

  struct Owed {
    std::int64_t arrival;
    std::uint16_t packet_id;
  };
  Session session_;
  std::string unread_;
  std::vector<Event> events_;
  std::vector<Owed> owed_;  // of earlier connections too: their redeliveries are acknowledged
  std::string sent_;
  std::int64_t durable_ = 0;
};

}  // namespace
}  // namespace tsingest::mqtt

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tsingest::mqtt;
  if (size < 1) return 0;
  const std::uint8_t setup = data[0];
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);

  SessionConfig config;
  config.client_id = "fuzz";
  config.topics = {"a/#", "$share/g/b"};
  config.unsubscribe = {"old"};
  config.qos = setup >> 1 & 1 ? 2 : 1;
  config.clean_session = (setup & 4) != 0;
  config.session_expiry = (setup & 8) != 0 ? 60 : 0;
  config.receive_maximum = (setup & 16) != 0 ? 3 : 65535;
  config.max_packet_bytes = (setup & 32) != 0 ? 256 : 4096;
  const Level level = (setup & 1) != 0 ? Level::kV5 : Level::kV311;

  Subscriber whole(config);
  Subscriber pieces(config);
  tsingest::MonotonicTime now(std::chrono::hours(1));
  const auto both = [&](auto&& act) {
    act(whole);
    act(pieces);
  };
  both([&](Subscriber& s) { s.Connect(level, now); });

  while (input.size() >= 2) {
    const auto operation = static_cast<std::uint8_t>(input[0]);
    const auto length =
        std::min<std::size_t>(static_cast<std::uint8_t>(input[1]), input.size() - 2);
    const std::string_view bytes = input.substr(2, length);
    input.remove_prefix(2 + length);
    switch (operation & 7) {
      case 0:
      case 1:
      case 2:
        break;
      case 3:
        both([&](Subscriber& s) {
          s.Acknowledge(
              std::min<std::int64_t>(operation >> 3, static_cast<std::int64_t>(s.events().size())),
              now);
        });
        break;
      case 4:
        now += std::chrono::seconds(operation >> 3);
        both([&](Subscriber& s) { s.session().Tick(now); });
        break;
      case 5:
        both([&](Subscriber& s) {
          s.Drain(now);
          s.session().OnClosed();
          s.Connect(level, now);
        });
        break;
      case 6:
        both([&](Subscriber& s) { s.refusing = (operation & 8) != 0; });
        break;
      case 7:
        both([&](Subscriber& s) {
          const auto all = static_cast<std::int64_t>(s.events().size());
          s.Acknowledge(all, now);
          (void)s.session().WindowExhausted(now);
          (void)s.session().NextWindowCheck();
        });
        break;
    }
    if (!whole.session().error()) {
      whole.Feed(bytes, now);
      if (bytes.empty()) pieces.Feed("", now);
      for (const char& byte : bytes) {
        if (!pieces.session().error()) pieces.Feed({&byte, 1}, now);
      }
    }
    both([&](Subscriber& s) { s.Drain(now); });
    Require(whole.events() == pieces.events(), "the pieces do not matter to messages");
    Require(whole.sent() == pieces.sent(), "the pieces do not matter to answers");
    Require(whole.session().error().has_value() == pieces.session().error().has_value(),
            "the pieces do not matter to errors");
    Require(whole.session().Outstanding() >= 0, "no negative number outstanding");
    if (whole.session().error()) {
      const std::string words(whole.session().error()->status.message());
      Require(!words.empty(), "an error has words");
      both([&](Subscriber& s) { s.session().OnClosed(); });
      both([&](Subscriber& s) { s.Connect(level, now); });
    }
  }
  both([&](Subscriber& s) {
    s.session().Disconnect();
    s.Drain(now);
  });
  return 0;
}
