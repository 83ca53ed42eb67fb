#include "sink/postgres/conninfo.h"

#include <libpq-fe.h>

#include <cstdlib>
#include <memory>

#include "absl/status/status.h"

namespace tsingest::postgres {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using OptionsPtr = std::unique_ptr<PQconninfoOption, FreeOptions>;

constexpr std::size_t kShortestSecret = 3;  // shorter ones would blank out ordinary words

// libpq's complaint without the parts of the string that it quotes.
std::string WithoutQuotes(std::string_view complaint) {
  std::string out;
  bool quoted = false;
  for (const char c : complaint) {
    if (c == '"') {
      quoted = !quoted;
      out += quoted ? "\"…" : "\"";
    } else if (!quoted && c != '\n') {
      out += c;
    }
  }
  return out;
}

bool IsSet(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

// Where the user says nothing: a dead peer is noticed within two minutes, not after two hours.
void AddDefaults(std::vector<std::pair<std::string, std::string>>& out, int connect_timeout) {
  if (!IsSet("PGCONNECT_TIMEOUT")) {
    out.emplace_back("connect_timeout", std::to_string(connect_timeout));
  }
  out.emplace_back("keepalives_idle", "30");
  out.emplace_back("keepalives_interval", "10");
  out.emplace_back("keepalives_count", "3");
  out.emplace_back("tcp_user_timeout", "90000");
}

absl::Status CheckHost(std::string_view host) {
  if (host.find('@') == std::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "connection string: the host contains '@'. If it belongs to the password, write it as %40 "
      "(and ':' as %3A, '/' as %2F, '%' as %25)");
}

}  // namespace

void Secrets::Add(std::string_view secret) {
  if (secret.size() >= kShortestSecret) words_.emplace_back(secret);
}

std::string Secrets::Scrub(std::string_view text) const {
  std::string out(text);
  for (const std::string& word : words_) {
    for (std::size_t at = out.find(word); at != std::string::npos; at = out.find(word, at + 4)) {
      out.replace(at, word.size(), "****");
    }
  }
  return out;
}

std::string_view Conninfo::Get(std::string_view keyword) const {
  std::string_view value;
  for (const auto& [key, text] : parameters) {
    if (key == keyword) value = text;
  }
  return value;
}

absl::StatusOr<Conninfo> ParseConninfo(const std::string& text, std::string_view application_name,
                                       int connect_timeout_seconds) {
  char* complaint = nullptr;
  const OptionsPtr options(PQconninfoParse(text.c_str(), &complaint));
  if (options == nullptr) {
    const std::string why = complaint == nullptr ? "out of memory" : WithoutQuotes(complaint);
    PQfreemem(complaint);
    return absl::InvalidArgumentError(
        "connection string: neither a URI (postgresql://user:password@host:port/database) nor "
        "key=value pairs that libpq can read: " +
        why);
  }
  Conninfo info;
  bool service = IsSet("PGSERVICE");
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; ++o) {
    service |= o->val != nullptr && std::string_view(o->keyword) == "service";
  }
  info.parameters.emplace_back("fallback_application_name", application_name);
  if (!service) AddDefaults(info.parameters, connect_timeout_seconds);
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; ++o) {
    if (o->val == nullptr) continue;
    const std::string_view keyword = o->keyword;
    info.parameters.emplace_back(keyword, o->val);
    if (keyword.ends_with("password")) info.secrets.Add(o->val);
    if (keyword == "host" || keyword == "hostaddr") {
      if (absl::Status status = CheckHost(o->val); !status.ok()) return status;
      info.several_hosts |= std::string_view(o->val).find(',') != std::string_view::npos;
    }
  }
  info.parameters.emplace_back("client_encoding", "UTF8");
  if (const char* password = std::getenv("PGPASSWORD")) info.secrets.Add(password);
  return info;
}

}  // namespace tsingest::postgres
