#include "source/mqtt/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"
#include "tsingest/model/reject.h"

namespace tsingest::mqtt {
namespace {

absl::Status Bad(std::string_view what, const std::string& file) {
  return absl::InvalidArgumentError(
      fmt::format("cannot use {} {}: {}", what, ShowValue(file), TakeSslError()));
}

int GivePassword(char* buffer, int size, int /*writing*/, void* password) {
  const std::string& text = *static_cast<const std::string*>(password);
  const int length = std::min(size, static_cast<int>(text.size()));
  std::memcpy(buffer, text.data(), static_cast<std::size_t>(length));
  return length;
}

absl::Status LoadAuthorities(const MqttTlsOptions& options, SSL_CTX* context) {
  if (!options.ca_file.empty() && SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
    return Bad("the CA file", options.ca_file);
  }
  if (!options.ca_path.empty() && SSL_CTX_load_verify_dir(context, options.ca_path.c_str()) != 1) {
    return Bad("the CA directory", options.ca_path);
  }
  if (options.ca_file.empty() && options.ca_path.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  }
  return absl::OkStatus();
}

absl::Status LoadClientCertificate(const MqttTlsOptions& options, SSL_CTX* context) {
  if (options.cert_file.empty()) return absl::OkStatus();
  std::string password = options.key_password;
  SSL_CTX_set_default_passwd_cb(context, GivePassword);
  SSL_CTX_set_default_passwd_cb_userdata(context, &password);
  if (SSL_CTX_use_certificate_chain_file(context, options.cert_file.c_str()) != 1) {
    return Bad("the client certificate", options.cert_file);
  }
  if (SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Bad("the client key", options.key_file);
  }
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  if (SSL_CTX_check_private_key(context) != 1) {
    return absl::InvalidArgumentError(
        fmt::format("the client key {} does not belong to the "
                    "certificate {}",
                    ShowValue(options.key_file), ShowValue(options.cert_file)));
  }
  return absl::OkStatus();
}

// SSL_set_tlsext_host_name() without its old-style cast.
bool SetServerName(SSL* ssl, std::string name) {
  return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1;
}

bool IsAddress(const std::string& name) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, name.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

}  // namespace

std::string TakeSslError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : fmt::format("OpenSSL error 0x{:x}", code);
}

absl::StatusOr<SslContext> MakeSslContext(const MqttTlsOptions& options) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return absl::InternalError("cannot set up TLS: " + TakeSslError());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_verify(context.get(), options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (absl::Status s = LoadAuthorities(options, context.get()); !s.ok()) return s;
  if (absl::Status s = LoadClientCertificate(options, context.get()); !s.ok()) return s;
  ERR_clear_error();
  return context;
}

absl::StatusOr<SslStream> MakeSslStream(SSL_CTX* context, int fd, const std::string& name) {
  ERR_clear_error();
  SslStream ssl(SSL_new(context));
  if (ssl == nullptr || SSL_set_fd(ssl.get(), fd) != 1) {
    return absl::ResourceExhaustedError("cannot set up TLS: " + TakeSslError());
  }
  SSL_set_connect_state(ssl.get());
  X509_VERIFY_PARAM* expected = SSL_get0_param(ssl.get());
  const bool set = IsAddress(name)
                       ? X509_VERIFY_PARAM_set1_ip_asc(expected, name.c_str()) == 1
                       : X509_VERIFY_PARAM_set1_host(expected, name.c_str(), name.size()) == 1 &&
                             SetServerName(ssl.get(), name);
  if (!set) {
    return absl::InvalidArgumentError(fmt::format("cannot check certificates for the name {}: {}",
                                                  ShowValue(name), TakeSslError()));
  }
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return ssl;
}

}  // namespace tsingest::mqtt
