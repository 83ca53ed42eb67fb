// Params: values of a statement in PostgreSQL's binary formats.
#ifndef TSINGEST_SRC_SINK_POSTGRES_PARAMS_H_
#define TSINGEST_SRC_SINK_POSTGRES_PARAMS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tsingest/base/buffer.h"

namespace tsingest::postgres {

// Type OIDs of pg_type.dat that our own statements use; they are the same on every server.
inline constexpr std::uint32_t kByteaOid = 17;
inline constexpr std::uint32_t kInt8Oid = 20;
inline constexpr std::uint32_t kInt4Oid = 23;
inline constexpr std::uint32_t kTextOid = 25;
inline constexpr std::uint32_t kByteaArrayOid = 1001;
inline constexpr std::uint32_t kTextArrayOid = 1009;
inline constexpr std::uint32_t kInt8ArrayOid = 1016;
inline constexpr std::uint32_t kTimestamptzOid = 1184;
inline constexpr std::uint32_t kTimestamptzArrayOid = 1185;

// The parameters $1, $2 … of one statement, in the order they were added. Keeps copies, except of
// what AddView() is given. Not thread-safe; reusable by Clear().
class Params {
 public:
  void Clear();

  void AddText(std::string_view text);
  void AddInt8(std::int64_t value);
  void AddNull(std::uint32_t oid);
  // Borrows `bytes` (the type's binary format) until the statement is sent.
  void AddView(std::uint32_t oid, std::string_view bytes);

  // An array built element by element: BeginArray, then AddElement… , then EndArray.
  void BeginArray(std::uint32_t array_oid, std::uint32_t element_oid);
  void AddElement(std::string_view bytes);
  void AddElement(std::int64_t value);
  void AddNullElement();
  // Elements as COPY and arrays write them alike: length word, bytes. Appended as they are.
  void AddRawElement(std::string_view length_and_bytes);
  void EndArray();

  // What libpq takes. Valid until the next call of another member.
  struct Wire {
    std::vector<std::uint32_t> types;
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
    int count() const { return static_cast<int>(types.size()); }
  };
  const Wire& wire();

  std::size_t bytes() const { return buffer_.size(); }

 private:
  struct Entry {
    std::uint32_t oid = 0;
    std::size_t offset = 0;  // into buffer_, when view is null
    const char* view = nullptr;
    std::size_t size = 0;
    bool is_null = false;
  };
  ByteBuffer buffer_;
  std::vector<Entry> entries_;
  std::int32_t elements_ = 0;
  Wire wire_;
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_PARAMS_H_
