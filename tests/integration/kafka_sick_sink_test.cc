// kafka2ts while the database is sick: nothing is skipped, /health/ready says why, and it goes on
// by itself when it is mended.
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/kafka_to_postgres.h"

namespace tsingest::testing {
namespace {

// A small file system of its own, for tests that fill it. Needs root.
class SmallDisk {
 public:
  explicit SmallDisk(const RunAs& user) : user_(user), folder_("tsingest-disk-", user, "") {
    mounted_ = ::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=12m,mode=0777") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  // An empty folder that the server may use.
  std::string Folder() const {
    const std::filesystem::path path = folder_.path() / "tablespace";
    std::filesystem::create_directory(path);
    if (user_.change && ::chown(path.c_str(), user_.uid, user_.gid) != 0) return "";
    return path.string();
  }
  void Fill() const {
    std::ofstream file(folder_.path() / "ballast", std::ios::binary);
    const std::string block(64 * 1024, 'x');
    while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void Free() const { std::filesystem::remove(folder_.path() / "ballast"); }

 private:
  const RunAs user_;
  GuardedDirectory folder_;
  bool mounted_ = false;
};

class KafkaSickSinkTest : public KafkaToPostgres {
 protected:
  static constexpr long kBefore = 500;
  static constexpr long kMeanwhile = 20'000;  // several batches, so that writers pile up

  void SetUp() override {
    KafkaToPostgres::SetUp();
    if (IsSkipped()) return;
    server_ = std::make_unique<PostgresServer>();
    Prepare(1);
    server_->CreateRole("writer", "right_secret");
    server_->SetHba("host all writer 127.0.0.1/32 scram-sha-256");
    Exec("GRANT ALL ON SCHEMA public TO writer; GRANT CREATE ON DATABASE " + database_ +
         " TO writer; GRANT ALL ON iot_measurements TO writer");
  }
  PostgresServer& postgres() override { return *server_; }
  std::string Uri() override { return server_->Uri(database_, "writer", "right_secret"); }

  void Exec(const std::string& sql) { server_->Exec(sql, database_); }
  void EndSessions() {
    Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'writer'");
  }

  // The story of every sort of sickness.
  void Tell(const std::string& reason, const std::function<void()>& harm,
            const std::function<void()>& mend) {
    Send(0, kBefore);
    ServiceProcess tool("kafka2ts", Arguments({"--batch-size", "1000"}));
    tool.Start();
    ASSERT_TRUE(AwaitRows(kBefore)) << tool.Log();
    ASSERT_TRUE(AwaitReady(tool, "200")) << tool.Ready();

    harm();
    Send(kBefore, kMeanwhile);
    EXPECT_TRUE(Eventually([&] {
      const std::string ready = tool.Ready();
      return ready.starts_with("503") && ready.find(reason) != std::string::npos;
    })) << tool.Ready()
        << tool.Log();
    EXPECT_GE(tool.Metric("tsingest_sink_retries_total").value_or(0), 1);

    mend();
    EXPECT_TRUE(Eventually([&] {
      return StoredPositions(*server_, topic_, database_) == kBefore + kMeanwhile;
    })) << tool.Log();
    EXPECT_TRUE(AwaitReady(tool, "200")) << tool.Ready();
    EXPECT_EQ(tool.Stop(), 143) << tool.Log();
    EXPECT_EQ(Faults(kBefore + kMeanwhile), "");
    EXPECT_EQ(tool.Summary("received"), tool.Summary("written"));
    EXPECT_EQ(tool.Summary("in_flight"), 0);
    EXPECT_EQ(tool.Log().find("right_secret"), std::string::npos);
  }

  std::unique_ptr<PostgresServer> server_;
};

TEST_F(KafkaSickSinkTest, APasswordThatWasChanged) {
  Tell(
      "password authentication failed",
      [&] {
        Exec("ALTER ROLE writer PASSWORD 'another'");
        EndSessions();
      },
      [&] { Exec("ALTER ROLE writer PASSWORD 'right_secret'"); });
}

TEST_F(KafkaSickSinkTest, ARoleThatMayNotLogInAnyMore) {
  Tell(
      "not permitted to log in",
      [&] {
        Exec("ALTER ROLE writer NOLOGIN");
        EndSessions();
      },
      [&] { Exec("ALTER ROLE writer LOGIN"); });
}

TEST_F(KafkaSickSinkTest, InsertThatWasRevoked) {
  Tell(
      "permission denied for table iot_measurements",
      [&] { Exec("REVOKE INSERT ON iot_measurements FROM writer"); },
      [&] { Exec("GRANT INSERT ON iot_measurements TO writer"); });
}

TEST_F(KafkaSickSinkTest, PositionsThatMayNotBeUpdatedAnyMore) {
  Tell(
      "permission denied",
      [&] {
        Exec(
            "ALTER SCHEMA tsingest OWNER TO tsingest; ALTER TABLE tsingest.positions OWNER TO "
            "tsingest; GRANT USAGE ON SCHEMA tsingest TO writer");
      },
      [&] { Exec("GRANT ALL ON tsingest.positions TO writer"); });
}

TEST_F(KafkaSickSinkTest, AColumnThatWasDropped) {
  Tell(
      "unit", [&] { Exec("ALTER TABLE iot_measurements DROP COLUMN unit"); },
      [&] {
        Exec(
            "ALTER TABLE iot_measurements ADD COLUMN unit varchar(20);"
            "UPDATE iot_measurements SET unit = 'C'");
      });
}

TEST_F(KafkaSickSinkTest, ATableThatWasDropped) {
  Tell(
      "iot_measurements",
      [&] { Exec("CREATE TABLE saved AS TABLE iot_measurements; DROP TABLE iot_measurements"); },
      [&] {
        Exec(
            "BEGIN; CREATE TABLE public.iot_measurements (LIKE saved);"
            "INSERT INTO iot_measurements TABLE saved;"
            "GRANT ALL ON iot_measurements TO writer; COMMIT");
      });
}

TEST_F(KafkaSickSinkTest, ALockOnTheTable) {
  PgClient holder(server_->AdminConninfo(database_));
  Tell(
      "lock timeout", [&] { holder.Exec("BEGIN; LOCK TABLE iot_measurements"); },
      [&] { holder.Exec("COMMIT"); });
}

TEST_F(KafkaSickSinkTest, ADiskThatIsFull) {
  const SmallDisk disk(ServerUser("postgres"));
  if (!disk.mounted()) GTEST_SKIP() << "a file system to fill needs root";
  server_->Exec("CREATE TABLESPACE small LOCATION '" + disk.Folder() + "'");
  Exec("ALTER TABLE iot_measurements SET TABLESPACE small");
  Tell(
      "No space left on device", [&] { disk.Fill(); }, [&] { disk.Free(); });
  server_->Stop();  // before its tablespace goes
}

TEST_F(KafkaSickSinkTest, AServerThatIsDown) {
  Tell(
      "Connection refused", [&] { server_->Stop(); }, [&] { server_->Start(); });
}

TEST_F(KafkaSickSinkTest, AServerThatTakesNoMoreConnections) {
  Tell(
      "too many connections",
      [&] {
        Exec("ALTER ROLE writer CONNECTION LIMIT 0");
        EndSessions();
      },
      [&] { Exec("ALTER ROLE writer CONNECTION LIMIT -1"); });
}

}  // namespace
}  // namespace tsingest::testing
