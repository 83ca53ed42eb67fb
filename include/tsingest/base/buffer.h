// A growable byte buffer that writes big-endian integers: what COPY and other wire formats are
// built in.
#ifndef TSINGEST_BASE_BUFFER_H_
#define TSINGEST_BASE_BUFFER_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <type_traits>

namespace tsingest {

// Stores `value` at `out` in network byte order; returns the byte after it.
// T: an integer, float or double. `out` needs sizeof(T) writable bytes, any alignment.
template <class T>
requires(std::is_arithmetic_v<T>) inline char* StoreBigEndian(char* out, T value) {
  if constexpr (sizeof(T) == 1) {
    std::memcpy(out, &value, 1);
  } else if constexpr (sizeof(T) == 2) {
    const auto bits = __builtin_bswap16(std::bit_cast<std::uint16_t>(value));
    std::memcpy(out, &bits, 2);
  } else if constexpr (sizeof(T) == 4) {
    const auto bits = __builtin_bswap32(std::bit_cast<std::uint32_t>(value));
    std::memcpy(out, &bits, 4);
  } else {
    static_assert(sizeof(T) == 8);
    const auto bits = __builtin_bswap64(std::bit_cast<std::uint64_t>(value));
    std::memcpy(out, &bits, 8);
  }
  return out + sizeof(T);
}
static_assert(std::endian::native == std::endian::little, "tsingest is built for little-endian");

// Reads a T in network byte order from `in` (sizeof(T) readable bytes, any alignment).
template <class T>
requires(std::is_integral_v<T>) inline T LoadBigEndian(const char* in) {
  T bits;
  std::memcpy(&bits, in, sizeof(T));
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(bits));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(bits));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(bits));
  return bits;
}

// Copies `bytes` to `out`, which has room for them and does not overlap them; returns the byte
// after. Short texts, what rows are made of, take two overlapping loads instead of a call.
inline char* StoreBytes(char* out, std::string_view bytes) {
  const std::size_t size = bytes.size();
  const char* const from = bytes.data();
  const auto copy_ends = [&]<class Word>(Word first) {
    Word last;
    std::memcpy(&first, from, sizeof(Word));
    std::memcpy(&last, from + size - sizeof(Word), sizeof(Word));
    std::memcpy(out, &first, sizeof(Word));
    std::memcpy(out + size - sizeof(Word), &last, sizeof(Word));
  };
  struct Sixteen {
    char bytes[16];
  };
  if (size > 32) {
    std::memcpy(out, from, size);
  } else if (size >= 16) {
    copy_ends(Sixteen{});
  } else if (size >= 8) {
    copy_ends(std::uint64_t{});
  } else if (size >= 4) {
    copy_ends(std::uint32_t{});
  } else if (size != 0) {
    out[0] = from[0];
    out[size / 2] = from[size / 2];
    out[size - 1] = from[size - 1];
  }
  return out + size;
}

// Bytes in one block that grows by doubling and is never zero-filled. Clear() keeps the capacity,
// so a buffer that is reused allocates nothing in the steady state. Not thread-safe; movable.
class ByteBuffer {
 public:
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  const char* data() const { return data_.get(); }
  char* data() { return data_.get(); }
  std::string_view view() const { return {data_.get(), size_}; }
  bool empty() const { return size_ == 0; }

  void Clear() { size_ = 0; }
  // Drops everything behind `size`. Requires size <= this->size().
  void Truncate(std::size_t size) { size_ = size; }

  // Room for `more` bytes behind size(): returns where to write them. The caller tells with
  // Advance(n), n <= more, how many it wrote. Invalidates earlier pointers.
  char* Reserve(std::size_t more) {
    if (capacity_ - size_ < more) Grow(more);
    return data_.get() + size_;
  }
  void Advance(std::size_t written) { size_ += written; }

  void Append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(Reserve(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void AppendByte(char byte) {
    *Reserve(1) = byte;
    ++size_;
  }
  template <class T>
  void AppendBigEndian(T value) {
    StoreBigEndian(Reserve(sizeof(T)), value);
    size_ += sizeof(T);
  }

 private:
  // Apart, so that the way of every value stays short.
  [[gnu::noinline]] void Grow(std::size_t more) {
    const std::size_t wanted = std::max({size_ + more, capacity_ * 2, std::size_t{256}});
    std::unique_ptr<char[]> bigger(new char[wanted]);
    if (size_ != 0) std::memcpy(bigger.get(), data_.get(), size_);
    data_ = std::move(bigger);
    capacity_ = wanted;
  }

  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace tsingest

#endif  // TSINGEST_BASE_BUFFER_H_
