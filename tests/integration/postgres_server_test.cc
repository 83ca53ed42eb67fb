// The fixture itself: tests about crashes are worth nothing if it does not do what it says.
#include "support/postgres_server.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace tsingest::testing {
namespace {

namespace fs = std::filesystem;

TEST(PostgresServerTest, AnswersOverTcpAndSocket) {
  PostgresServer server;
  EXPECT_EQ(server.Value("SELECT current_user"), "tsingest");
  PgClient client(server.Uri(server.CreateDatabase()));
  EXPECT_EQ(client.Query("SELECT 1, NULL, 'a b'"), (TextRows{{"1", "\\N", "a b"}}));
  EXPECT_EQ(client.SqlState("SELECT 1/0"), "22012");
  EXPECT_EQ(client.SqlState("SELECT 1"), "");
  EXPECT_THROW(client.Exec("SELECT nothing"), std::runtime_error);
  EXPECT_EQ(server.Value("SHOW fsync"), "off");
}

TEST(PostgresServerTest, CommittedRowsSurviveKill9OthersDoNot) {
  PostgresServer server;
  PgClient client(server.Uri());
  client.Exec("CREATE TABLE t(i int); INSERT INTO t SELECT generate_series(1, 1000)");
  client.Exec("BEGIN; INSERT INTO t VALUES (1001)");
  server.Kill9();
  EXPECT_FALSE(server.Running());
  EXPECT_THROW(PgClient(server.Uri()), std::runtime_error);
  server.Start();
  EXPECT_EQ(server.Value("SELECT count(*) FROM t"), "1000");
  server.Stop(PostgresServer::StopMode::kImmediate);
  EXPECT_THROW(PgClient(server.Uri()), std::runtime_error);
  server.Start();
  server.Stop(PostgresServer::StopMode::kFast);
  server.Start();
  EXPECT_EQ(server.Value("SELECT count(*) FROM t"), "1000");
}

TEST(PostgresServerTest, HbaChangesCountAtOnce) {
  PostgresServer server;
  server.CreateRole("alice", "secret");
  EXPECT_NO_THROW(PgClient(server.Uri("postgres", "alice")));
  server.SetHba("host all alice 127.0.0.1/32 scram-sha-256");
  EXPECT_THROW(PgClient(server.Uri("postgres", "alice", "wrong")), std::runtime_error);
  EXPECT_EQ(PgClient(server.Uri("postgres", "alice", "secret")).Value("SELECT current_user"),
            "alice");
  server.SetHba("host all all 127.0.0.1/32 reject\nlocal all all reject");
  EXPECT_THROW(PgClient(server.Uri()), std::runtime_error);
  EXPECT_EQ(server.Value("SELECT 1"), "1") << "the administrator is never locked out";
}

TEST(PostgresServerTest, ConfigChangesCountAtOnce) {
  PostgresServer server({.fsync = true, .settings = {"max_connections = 7"}});
  EXPECT_EQ(server.Value("SHOW fsync"), "on");
  EXPECT_EQ(server.Value("SHOW max_connections"), "7");
  server.SetConfig({"statement_timeout = 1234"});
  EXPECT_EQ(server.Value("SHOW statement_timeout"), "1234ms");
}

TEST(PostgresServerTest, NothingIsLeftBehindByAProcessThatIsKilled) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    PostgresServer server;
    const std::string line =
        std::to_string(server.Pid()) + " " + server.DataDirectory().parent_path().string() + "\n";
    [[maybe_unused]] const ssize_t written = ::write(ends[1], line.data(), line.size());
    ::pause();
  }
  char text[500];
  const ssize_t size = ::read(ends[0], text, sizeof text);
  ASSERT_GT(size, 0);
  const std::string line(text, static_cast<std::size_t>(size) - 1);
  const std::size_t space = line.find(' ');
  const fs::path process = "/proc/" + line.substr(0, space);
  const fs::path directory = line.substr(space + 1);
  EXPECT_TRUE(fs::exists(process));
  EXPECT_TRUE(fs::exists(directory));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while ((fs::exists(directory) || fs::exists(process / "exe")) &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_FALSE(fs::exists(directory));
  EXPECT_FALSE(fs::exists(process / "exe"));
}

}  // namespace
}  // namespace tsingest::testing
