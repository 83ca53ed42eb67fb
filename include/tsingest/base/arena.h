// Bump allocation for bytes that live exactly as long as a batch.
#ifndef TSINGEST_BASE_ARENA_H_
#define TSINGEST_BASE_ARENA_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tsingest {

// Hands out memory from blocks and gives it all back at once. Reset() keeps the ordinary blocks
// for the next use; a request larger than a block gets a block of its own, which Reset() frees.
// Pointers stay valid until Reset() or destruction. Not thread-safe; neither copies nor moves.
class Arena {
 public:
  static constexpr std::size_t kDefaultBlockBytes = 64 * 1024;

  // Readable bytes guaranteed behind every copy made with CopyPadded(), so that vector loads may
  // run past the end of the text.
  static constexpr std::size_t kPadding = 64;

  explicit Arena(std::size_t block_bytes = kDefaultBlockBytes) : block_bytes_(block_bytes) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `size` uninitialised bytes at a multiple of `alignment` (a power of two, at most 16).
  char* Allocate(std::size_t size, std::size_t alignment = 1) {
    const std::size_t gap = (0 - reinterpret_cast<std::uintptr_t>(next_)) & (alignment - 1);
    if (left_ < size + gap) return AllocateSlow(size, alignment);
    char* out = next_ + gap;
    next_ = out + size;
    left_ -= size + gap;
    used_ += size + gap;
    return out;
  }

  std::string_view Copy(std::string_view bytes) {
    if (bytes.empty()) return {};
    char* out = Allocate(bytes.size());
    std::memcpy(out, bytes.data(), bytes.size());
    return {out, bytes.size()};
  }

  // As Copy(), with kPadding zero bytes behind the copy that are not part of the view.
  std::string_view CopyPadded(std::string_view bytes) {
    char* out = Allocate(bytes.size() + kPadding);
    if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
    std::memset(out + bytes.size(), 0, kPadding);
    return {out, bytes.size()};
  }

  // Room for `count` values of a trivial type.
  template <class T>
  requires(std::is_trivially_destructible_v<T>&& std::is_trivially_copyable_v<T>)
      std::span<T> AllocateArray(std::size_t count) {
    if (count == 0) return {};
    return {reinterpret_cast<T*>(Allocate(count * sizeof(T), alignof(T))), count};
  }

  // Bytes handed out since the last Reset().
  std::size_t used() const { return used_; }
  // Bytes held from the heap, the measure for memory bounds.
  std::size_t reserved() const { return blocks_.size() * block_bytes_ + large_bytes_; }

  void Reset() {
    large_.clear();
    large_bytes_ = 0;
    used_ = 0;
    current_ = 0;
    next_ = blocks_.empty() ? nullptr : blocks_[0].get();
    left_ = blocks_.empty() ? 0 : block_bytes_;
  }

 private:
  char* AllocateSlow(std::size_t size, std::size_t alignment) {
    used_ += size;
    if (size + alignment > block_bytes_ / 4) {
      large_bytes_ += size + alignment;
      large_.emplace_back(new char[size + alignment]);
      char* out = large_.back().get();
      return out + ((0 - reinterpret_cast<std::uintptr_t>(out)) & (alignment - 1));
    }
    if (!blocks_.empty()) ++current_;
    if (current_ == blocks_.size()) blocks_.emplace_back(new char[block_bytes_]);
    next_ = blocks_[current_].get();
    left_ = block_bytes_;
    used_ -= size;
    return Allocate(size, alignment);
  }

  std::size_t block_bytes_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::vector<std::unique_ptr<char[]>> large_;
  std::size_t large_bytes_ = 0;
  std::size_t current_ = 0;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  std::size_t used_ = 0;
};

}  // namespace tsingest

#endif  // TSINGEST_BASE_ARENA_H_
