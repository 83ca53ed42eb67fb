// The sink that pipeline tests believe in keeps the contract itself.
#include <memory>
#include <vector>

#include "contract/sink_contract.h"
#include "support/fake_sink.h"

namespace tsingest::testing {
namespace {

class FakeBackend : public SinkBackend {
 public:
  std::unique_ptr<Sink<TestRow>> MakeSink() override {
    return std::make_unique<FakeSink>(database_);
  }
  std::vector<std::int64_t> StoredIds() override { return database_.SortedRows(); }
  std::size_t StoredLetters() override { return database_.Letters().size(); }

 private:
  FakeDatabase database_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Fake, SinkContract, FakeBackend);
INSTANTIATE_TYPED_TEST_SUITE_P(Fake, TransactionalSinkContract, FakeBackend);

}  // namespace
}  // namespace tsingest::testing
