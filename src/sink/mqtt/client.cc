#include "sink/mqtt/client.h"

#include <mqtt_protocol.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "fmt/format.h"
#include "tsingest/base/show_value.h"

namespace tsingest::mqtt {
namespace {

void InitLibraryOnce() {
  static std::once_flag once;
  std::call_once(once, [] { mosquitto_lib_init(); });
}

std::string ClientId(const MqttPublisherOptions& options) {
  if (!options.client_id.empty()) return options.client_id;
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  return fmt::format("tsingest-{}-{}", host, getpid());
}

const char* OrNull(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

}  // namespace

Client::Client(const MqttPublisherOptions& options, const BrokerAddress& address, int version,
               ClientEvents& events)
    : options_(options), address_(address), version_(version), events_(events) {
  InitLibraryOnce();
  handle_.reset(mosquitto_new(ClientId(options).c_str(), /*clean_session=*/true, this));
}

Client::~Client() = default;

absl::StatusOr<std::unique_ptr<Client>> Client::Make(const MqttPublisherOptions& options,
                                                     const BrokerAddress& address, int version,
                                                     ClientEvents& events) {
  std::unique_ptr<Client> client(new Client(options, address, version, events));
  mosquitto* const handle = client->handle_.get();
  if (handle == nullptr) return absl::ResourceExhaustedError("mqtt: no memory for a connection");
  mosquitto_threaded_set(handle, true);
  mosquitto_int_option(handle, MOSQ_OPT_PROTOCOL_VERSION, version);
  mosquitto_int_option(handle, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_max_inflight_messages_set(handle, static_cast<unsigned>(options.in_flight));
  mosquitto_connect_v5_callback_set(handle, &OnConnect);
  mosquitto_publish_v5_callback_set(handle, &OnPublish);
  mosquitto_log_callback_set(handle, &OnLog);
  const std::string& user = options.username.empty() ? address.username : options.username;
  const std::string& password = options.username.empty() ? address.password : options.password;
  if (!user.empty() || !password.empty()) {
    mosquitto_username_pw_set(handle, OrNull(user), OrNull(password));
  }
  if (address.tls) {
    if (absl::Status status = client->SetTls(); !status.ok()) return status;
  }
  return client;
}

absl::Status Client::SetTls() {
  const MqttTlsOptions& tls = options_.tls;
  mosquitto* const handle = handle_.get();
  const bool own_authorities = !tls.ca_file.empty() || !tls.ca_path.empty();
  // libmosquitto insists on one of the two.
  const char* const ca_path = own_authorities ? OrNull(tls.ca_path) : X509_get_default_cert_dir();
  int code = MOSQ_ERR_SUCCESS;
  if (!own_authorities) code = mosquitto_int_option(handle, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
  if (code == MOSQ_ERR_SUCCESS) {
    code =
        mosquitto_tls_set(handle, OrNull(tls.ca_file), ca_path, OrNull(tls.cert_file),
                          OrNull(tls.key_file), tls.key_password.empty() ? nullptr : &OnPassword);
  }
  if (code == MOSQ_ERR_SUCCESS && !tls.verify) {
    code = mosquitto_tls_opts_set(handle, /*SSL_VERIFY_NONE*/ 0, nullptr, nullptr);
  }
  if (code == MOSQ_ERR_SUCCESS && !tls.verify) code = mosquitto_tls_insecure_set(handle, true);
  if (code == MOSQ_ERR_SUCCESS) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("mqtt: cannot use the certificates given ({}): does each file exist, and can it "
                  "be read?",
                  mosquitto_strerror(code)));
}

absl::Status Client::Connect() {
  errno = 0;
  const int code = mosquitto_connect_async(handle_.get(), address_.host.c_str(), address_.port,
                                           static_cast<int>(options_.keepalive.count()));
  return code == MOSQ_ERR_SUCCESS ? absl::OkStatus() : Failure(code, errno);
}

absl::Status Client::Step(int wait_ms) {
  errno = 0;
  const int code = mosquitto_loop(handle_.get(), wait_ms, /*max_packets=*/1);
  return code == MOSQ_ERR_SUCCESS ? absl::OkStatus() : Failure(code, errno);
}

absl::Status Client::Failure(int code, int error_number) {
  const auto text = [&](std::string_view why) {
    return fmt::format("mqtt: {}: {}", address_.Uri(), why);
  };
  if (!tls_error_.empty() || code == MOSQ_ERR_TLS) {
    return absl::PermissionDeniedError(text(
        fmt::format("TLS failed: {} (check --ca-file and that the certificate is for {})",
                    tls_error_.empty() ? mosquitto_strerror(code) : tls_error_, address_.host)));
  }
  switch (code) {
    case MOSQ_ERR_ERRNO:
      return absl::UnavailableError(
          text(error_number == 0 ? "the connection failed" : std::strerror(error_number)));
    case MOSQ_ERR_EAI:
      return absl::UnavailableError(text("the host's name is unknown"));
    case MOSQ_ERR_CONN_LOST:
    case MOSQ_ERR_NO_CONN:
      return absl::UnavailableError(text("the broker has closed the connection"));
    case MOSQ_ERR_KEEPALIVE:
      return absl::UnavailableError(text("the broker says nothing any more"));
    default:
      return absl::UnavailableError(text(mosquitto_strerror(code)));
  }
}

int Client::window() const {
  constexpr int kMostOfQos2 = 20;
  const bool is_silent = version_ == MQTT_PROTOCOL_V311 && options_.qos == 2;
  return is_silent ? std::min(options_.in_flight, kMostOfQos2) : options_.in_flight;
}

int Client::Publish(const PublishRecord& record, int* message_id) {
  const std::string topic(record.topic);  // a C string for libmosquitto
  return mosquitto_publish_v5(handle_.get(), message_id, topic.c_str(),
                              static_cast<int>(record.payload.size()), record.payload.data(),
                              options_.qos, /*retain=*/false, nullptr);
}

void Client::OnConnect(mosquitto*, void* self, int code, int, const mosquitto_property*) {
  auto& client = *static_cast<Client*>(self);
  const std::string& user =
      client.options_.username.empty() ? client.address_.username : client.options_.username;
  client.events_.OnConnack(code, ConnackStatus(code, client.version_, client.address_, user));
}

void Client::OnPublish(mosquitto*, void* self, int message_id, int reason,
                       const mosquitto_property*) {
  static_cast<Client*>(self)->events_.OnAck(message_id, reason);
}

void Client::OnLog(mosquitto*, void* self, int level, const char* text) {
  constexpr std::string_view kOpenSsl = "OpenSSL Error";
  const std::string_view line(text);
  if (level != MOSQ_LOG_ERR || !line.starts_with(kOpenSsl)) return;
  auto& client = *static_cast<Client*>(self);
  const std::size_t words = line.rfind("::");  // error:0A000086:SSL routines::what it is
  client.tls_error_ = std::string(words == std::string_view::npos ? line : line.substr(words + 2));
}

int Client::OnPassword(char* buffer, int size, int, void* handle) {
  const auto& client = *static_cast<Client*>(mosquitto_userdata(static_cast<mosquitto*>(handle)));
  const std::string& password = client.options_.tls.key_password;
  const auto length = std::min(static_cast<std::size_t>(size), password.size());
  std::memcpy(buffer, password.data(), length);
  return static_cast<int>(length);
}

absl::Status ConnackStatus(int code, int version, const BrokerAddress& address,
                           std::string_view username) {
  if (code == 0) return absl::OkStatus();
  // A server that does not speak MQTT 5 refuses it with a small code, as 3.1.1 says.
  const bool v5 = version == MQTT_PROTOCOL_V5 && code >= MQTT_RC_UNSPECIFIED;
  const std::string words = fmt::format(
      "mqtt: {} refuses {}: {}", address.Uri(),
      username.empty() ? std::string("a client without user name") : "user " + ShowValue(username),
      v5 ? mosquitto_reason_string(code) : mosquitto_connack_string(code));
  const bool credentials =
      v5 ? code == MQTT_RC_BAD_USERNAME_OR_PASSWORD || code == MQTT_RC_NOT_AUTHORIZED ||
               code == MQTT_RC_BAD_AUTHENTICATION_METHOD
         : code == CONNACK_REFUSED_BAD_USERNAME_PASSWORD || code == CONNACK_REFUSED_NOT_AUTHORIZED;
  if (credentials) {
    return absl::UnauthenticatedError(words +
                                      " (check the user name and the password, MQTT_PASSWORD)");
  }
  const bool permanent =
      v5 ? code == MQTT_RC_CLIENTID_NOT_VALID || code == MQTT_RC_BANNED ||
               code == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION
         : code == CONNACK_REFUSED_PROTOCOL_VERSION || code == CONNACK_REFUSED_IDENTIFIER_REJECTED;
  return permanent ? absl::PermissionDeniedError(words) : absl::UnavailableError(words);
}

}  // namespace tsingest::mqtt
