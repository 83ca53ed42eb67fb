// Counts what the decoder takes from the heap.
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "tsingest/base/arena.h"
#include "tsingest/decode/json.h"
#include "unit/decode/json_fixture.h"

namespace {
std::size_t allocations = 0;
}  // namespace

// Replaced for this whole program; the default array forms call these. Not inlined, or g++ 12 sees
// malloc() and operator delete meet and warns.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace tsingest::testing {
namespace {

// Allocations of the last of several equal rounds over the messages, with reused memory.
std::size_t SteadyStateAllocations(const std::vector<std::string>& messages) {
  JsonDecoder<Sample> decoder;
  Arena arena;
  std::vector<Sample> rows;
  std::size_t before = 0;
  for (int round = 0; round < 4; ++round) {
    before = allocations;
    arena.Reset();
    rows.clear();
    for (const std::string& message : messages) {
      const Reject reject = decoder.Decode(
          {.payload = arena.CopyPadded(message), .topic = "a/b", .arrival = kArrival}, arena, rows);
      EXPECT_FALSE(reject) << reject.reason;
    }
  }
  const std::size_t counted = allocations - before;
  EXPECT_GE(rows.size(), messages.size());
  return counted;
}

TEST(JsonAllocations, AreCounted) {
  const std::size_t before = allocations;
  const auto memory = std::make_unique<std::string>(100, 'x');
  EXPECT_EQ(allocations, before + 2);
}

TEST(JsonAllocations, AreNoneInTheSteadyState) {
  std::vector<std::string> messages;
  for (int i = 0; i < 500; ++i) {
    const std::string n = std::to_string(i);
    messages.push_back(R"({"mac":"d)" + n + R"(","ts":17000000)" + n + R"(.5,"temp":21.5,"n":)" +
                       n + "}");
    messages.push_back(
        R"([{"device":"\u0064\n","note":"°C","data":{"temp":1,"level":true}},{"mac":"m"}])");
    messages.push_back(R"({"k)" + n + R"(":[1,{"x":"y"}],"a":1,"mac":"m","b":2,"note":")" +
                       std::string(200, 'z') + "\"}\n{\"mac\":\"n\"}");
  }
  EXPECT_EQ(SteadyStateAllocations(messages), 0u);
}

}  // namespace
}  // namespace tsingest::testing
