// A commit gate that answers as a test wants.
#ifndef TSINGEST_TESTS_SUPPORT_SCRIPTED_GATE_H_
#define TSINGEST_TESTS_SUPPORT_SCRIPTED_GATE_H_

#include <atomic>
#include <functional>
#include <thread>

#include "tsingest/pipeline/sink.h"

namespace tsingest::testing {

// It is always the batch's turn, unless a script says otherwise. Scripts are set before the write.
class ScriptedGate final : public CommitGate {
 public:
  std::function<Turn(bool holding_locks)> on_wait;
  std::function<void()> on_backoff;
  std::atomic<bool> cancelled{false};
  std::atomic<int> waits{0};
  std::atomic<int> waits_with_locks{0};
  std::atomic<int> asked_to_yield{0};
  std::atomic<int> backoffs{0};

  Turn Wait(bool holding_locks) override {
    ++waits;
    if (holding_locks) ++waits_with_locks;
    if (cancelled) return Turn::kCancel;
    return on_wait ? on_wait(holding_locks) : Turn::kGo;
  }
  void AskOthersToYield() override { ++asked_to_yield; }
  bool Cancelled() const override { return cancelled; }
  void Backoff(Duration) override {
    ++backoffs;
    if (on_backoff) on_backoff();
    std::this_thread::yield();
  }
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_SCRIPTED_GATE_H_
