#include "support/mosquitto_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace tsingest::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kStartLimit{20};

std::string Program(const std::string& name) {
  for (const char* const folder :
       {"/usr/sbin/", "/usr/bin/", "/usr/local/sbin/", "/usr/local/bin/"}) {
    if (fs::exists(folder + name)) return folder + name;
  }
  return "";
}

bool Listens(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool connected =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return connected;
}

}  // namespace

std::string MosquittoMissing() {
  return Program("mosquitto").empty() ? "no mosquitto: run scripts/setup --for test" : "";
}

MosquittoServer::MosquittoServer(const MosquittoOptions& options)
    : user_(ServerUser("nobody")),
      directory_("tsingest-mosquitto-", user_, "pid"),
      tls_(options.tls),
      port_(FreePort()) {
  const std::string missing = MosquittoMissing();
  if (!missing.empty()) throw std::runtime_error(missing);
  if (options.tls) MakeCertificates();
  WritePasswords(options.users);
  WriteConfiguration(options);
  Start();
}

MosquittoServer::~MosquittoServer() { Kill9(); }

void MosquittoServer::WriteConfiguration(const MosquittoOptions& options) {
  const std::string folder = directory_.path().string() + "/";
  std::ofstream file(folder + "mosquitto.conf");
  file << "listener " << port_ << " 127.0.0.1\n"
       << "pid_file " << folder << "pid\n"
       << "allow_anonymous " << (options.users.empty() ? "true" : "false") << "\n"
       << "log_type all\nlog_dest stderr\n"
       << "max_queued_messages 0\n";  // 1000 by default, and dropped without a word beyond it
  if (!options.users.empty()) file << "password_file " << folder << "passwords\n";
  if (options.tls) {
    file << "cafile " << folder << "ca.pem\ncertfile " << folder << "server.pem\nkeyfile " << folder
         << "server.key\n";
    if (options.client_certificates) file << "require_certificate true\n";
  }
  if (options.persistence) {
    file << "persistence true\npersistence_location " << folder
         << "\nautosave_on_changes true\nautosave_interval " << (options.autosave ? 1 : 0) << "\n";
  }
  for (const std::string& line : options.lines) file << line << "\n";
}

void MosquittoServer::WritePasswords(const std::map<std::string, std::string>& users) {
  if (users.empty()) return;
  const fs::path file = directory_.path() / "passwords";
  std::ofstream out(file);
  for (const auto& [name, password] : users) out << name << ":" << password << "\n";
  out.close();
  RunToEnd({Program("mosquitto_passwd"), "-U", file.string()}, {::getuid(), ::getgid(), false},
           directory_.path() / "log");
  fs::permissions(file, fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
}

// A CA of its own, and certificates by it for the server (localhost, 127.0.0.1) and a client.
void MosquittoServer::MakeCertificates() {
  const fs::path folder = directory_.path();
  const RunAs self = {::getuid(), ::getgid(), false};
  const auto openssl = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), Program("openssl"));
    RunToEnd(arguments, self, folder / "log");
  };
  const auto path = [&](const std::string& name) { return (folder / name).string(); };
  const std::vector<std::string> new_key = {"-newkey", "ec", "-pkeyopt",
                                            "ec_paramgen_curve:prime256v1", "-nodes"};
  const auto with_key = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), new_key.begin(), new_key.end());
    return arguments;
  };
  openssl(with_key({"req", "-x509", "-days", "2", "-subj", "/CN=test CA", "-keyout", path("ca.key"),
                    "-out", path("ca.pem")}));
  std::ofstream(folder / "names") << "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
  for (const std::string name : {"server", "client"}) {
    openssl(with_key({"req", "-subj", "/CN=" + name, "-keyout", path(name + ".key"), "-out",
                      path(name + ".csr")}));
    openssl({"x509", "-req", "-days", "2", "-in", path(name + ".csr"), "-CA", path("ca.pem"),
             "-CAkey", path("ca.key"), "-CAcreateserial", "-extfile", path("names"), "-out",
             path(name + ".pem")});
    fs::permissions(folder / (name + ".key"),
                    fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
  }
}

void MosquittoServer::Start() {
  if (Running()) throw std::runtime_error("MosquittoServer::Start: it runs already");
  pid_ = Spawn({Program("mosquitto"), "-c", (directory_.path() / "mosquitto.conf").string()}, user_,
               directory_.path() / "log");
  const auto until = steady_clock::now() + kStartLimit;
  while (!Listens(port_)) {
    if (WaitFor(pid_, milliseconds(0)).has_value()) {
      pid_ = 0;
      throw std::runtime_error("mosquitto does not start: " + Log());
    }
    if (steady_clock::now() > until)
      throw std::runtime_error("mosquitto does not listen: " + Log());
    std::this_thread::sleep_for(milliseconds(10));
  }
}

void MosquittoServer::Stop() {
  if (!Running()) return;
  ::kill(pid_, SIGTERM);
  if (!WaitFor(pid_, std::chrono::seconds(10)).has_value()) KillTree(pid_);
  pid_ = 0;
}

void MosquittoServer::Save() {
  // A new file takes the old one's place. It may be one that was begun earlier by itself: the
  // broker has one thread, so that too holds everything acknowledged before.
  const fs::path file = directory_.path() / "mosquitto.db";
  const auto identity = [&] {
    struct stat info {};
    return ::stat(file.c_str(), &info) == 0
               ? std::array<long, 3>{static_cast<long>(info.st_ino), info.st_mtim.tv_sec,
                                     info.st_mtim.tv_nsec}
               : std::array<long, 3>{};
  };
  const auto before = identity();
  ::kill(pid_, SIGUSR1);
  const auto until = steady_clock::now() + kStartLimit;
  while (identity() == before) {
    if (steady_clock::now() > until) throw std::runtime_error("mosquitto does not save: " + Log());
    std::this_thread::sleep_for(milliseconds(2));
  }
}

void MosquittoServer::Kill9() {
  if (!Running()) return;
  KillTree(pid_);
  pid_ = 0;
}

void MosquittoServer::Freeze() { ::kill(pid_, SIGSTOP); }
void MosquittoServer::Thaw() { ::kill(pid_, SIGCONT); }

std::string MosquittoServer::Uri() const {
  return (tls_ ? "mqtts://localhost:" : "mqtt://127.0.0.1:") + std::to_string(port_);
}

std::string MosquittoServer::Log() const { return Tail(directory_.path() / "log", 4000); }

}  // namespace tsingest::testing
