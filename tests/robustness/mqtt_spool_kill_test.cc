// mqtt2ts --spool under kill -9, of itself and of the database: what the broker has accepted
// arrives; doubled is at most what one in-flight window holds, for each kill of mqtt2ts.
//
// Long form: TSINGEST_KILLS=100 TSINGEST_SERVER_KILLS=10 TSINGEST_ROWS=500000; TSINGEST_SEED
// repeats a run.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <thread>

#include "support/mosquitto_server.h"
#include "support/mqtt_publisher.h"
#include "support/spool_service.h"

namespace tsingest::testing {
namespace {

constexpr int kWindow = 200;

long FromEnvironment(const char* name, long otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::atol(text);
}

TEST(MqttSpoolKillTest, WhatTheBrokerAcceptedArrivesWhateverIsKilled) {
  if (const std::string missing = MosquittoMissing(); !missing.empty()) GTEST_SKIP() << missing;
  const long rows = FromEnvironment("TSINGEST_ROWS", 40'000);
  const long kills = FromEnvironment("TSINGEST_KILLS", 10);
  const long server_kills = FromEnvironment("TSINGEST_SERVER_KILLS", 2);
  const auto seed =
      static_cast<unsigned>(FromEnvironment("TSINGEST_SEED", std::random_device{}() % 1'000'000));
  std::mt19937 random{seed};
  std::cout << "seed " << seed << ", rows " << rows << ", kills " << kills << std::endl;

  MosquittoServer broker({.lines = {"max_inflight_messages " + std::to_string(kWindow)}});
  PostgresServer database;
  SpoolService service(broker, database, {"--spool-bytes", "4MiB"});
  service.Start();  // makes the session, before anything is published
  ASSERT_TRUE(AwaitTrue([&] { return service.Metric("tsingest_source_up") == 1; }))
      << service.Log();

  std::thread publishing([&] {
    MqttPublisher publisher(broker.port());
    constexpr int kChunk = 500;
    for (int first = 0; first < rows; first += kChunk) {
      publisher.Publish(
          "plant/a", ValueMessages(first, std::min<int>(kChunk, static_cast<int>(rows) - first)));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  });
  std::uniform_int_distribution<int> pause(100, 1200);
  for (long kill = 0; kill < kills; ++kill) {
    std::this_thread::sleep_for(std::chrono::milliseconds(pause(random)));
    if (server_kills > 0 && kill % std::max(kills / server_kills, 1L) == 1) {
      database.Kill9();
      std::this_thread::sleep_for(std::chrono::milliseconds(pause(random)));
      service.Kill9();
      service.Start();
      std::this_thread::sleep_for(std::chrono::milliseconds(pause(random)));
      database.Start();
      continue;
    }
    service.Kill9();
    service.Start();
  }
  publishing.join();
  const auto distinct = [&] { return database.Value("SELECT count(DISTINCT value) FROM metrics"); };
  EXPECT_TRUE(
      AwaitTrue([&] { return distinct() == std::to_string(rows); }, std::chrono::seconds(180)))
      << distinct() << " of " << rows << "\n"
      << service.Log();
  EXPECT_TRUE(AwaitTrue([&] {
    return service.Metric("tsingest_spool_records") == 0 &&
           service.Get("/health/ready").find("\"ready\"") != std::string::npos;
  })) << service.Get("/health/ready");
  EXPECT_EQ(service.Stop(), 143) << service.Log();
  const long all = std::stol(database.Value("SELECT count(*) FROM metrics"));
  std::cout << all - rows << " doubled, of at most " << kills * kWindow << std::endl;
  EXPECT_EQ(distinct(), std::to_string(rows));
  EXPECT_LE(all - rows, kills * kWindow);
  EXPECT_EQ(database.Value("SELECT count(*) FROM tsingest.dead_letter"), "0");
}

}  // namespace
}  // namespace tsingest::testing
