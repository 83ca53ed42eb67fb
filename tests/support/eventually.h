// Eventually(): waits for a condition, for tests of what happens in other processes.
#ifndef TSINGEST_TESTS_SUPPORT_EVENTUALLY_H_
#define TSINGEST_TESTS_SUPPORT_EVENTUALLY_H_

#include <chrono>
#include <thread>

namespace tsingest::testing {

// Asks `condition` again and again until it holds: true; or until `limit` has passed: false. The
// limit is generous, because it only costs time when the test fails.
template <class Condition>
bool Eventually(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(90),
                std::chrono::milliseconds step = std::chrono::milliseconds(50)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(step);
  }
  return true;
}

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_EVENTUALLY_H_
