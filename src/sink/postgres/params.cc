#include "sink/postgres/params.h"

namespace tsingest::postgres {
namespace {

// Where the number of elements stands in the header that array_send writes: dimensions, has-nulls,
// element type, then per dimension length and lower bound, four bytes each
// (utils/adt/arrayfuncs.c).
constexpr std::size_t kArrayCountOffset = 12;
constexpr std::int32_t kNullLength = -1;

}  // namespace

void Params::Clear() {
  buffer_.Clear();
  entries_.clear();
}

void Params::AddText(std::string_view text) {
  entries_.push_back({.oid = kTextOid, .offset = buffer_.size(), .size = text.size()});
  buffer_.Append(text);
}

void Params::AddInt8(std::int64_t value) {
  entries_.push_back({.oid = kInt8Oid, .offset = buffer_.size(), .size = sizeof(value)});
  buffer_.AppendBigEndian(value);
}

void Params::AddNull(std::uint32_t oid) { entries_.push_back({.oid = oid, .is_null = true}); }

void Params::AddView(std::uint32_t oid, std::string_view bytes) {
  entries_.push_back({.oid = oid, .view = bytes.data(), .size = bytes.size()});
}

void Params::BeginArray(std::uint32_t array_oid, std::uint32_t element_oid) {
  entries_.push_back({.oid = array_oid, .offset = buffer_.size()});
  elements_ = 0;
  buffer_.AppendBigEndian(std::int32_t{1});  // dimensions
  buffer_.AppendBigEndian(std::int32_t{1});  // may hold NULLs
  buffer_.AppendBigEndian(element_oid);
  buffer_.AppendBigEndian(std::int32_t{0});  // length, set by EndArray()
  buffer_.AppendBigEndian(std::int32_t{1});  // lower bound
}

void Params::AddElement(std::string_view bytes) {
  buffer_.AppendBigEndian(static_cast<std::int32_t>(bytes.size()));
  buffer_.Append(bytes);
  ++elements_;
}

void Params::AddElement(std::int64_t value) {
  buffer_.AppendBigEndian(static_cast<std::int32_t>(sizeof(value)));
  buffer_.AppendBigEndian(value);
  ++elements_;
}

void Params::AddNullElement() {
  buffer_.AppendBigEndian(kNullLength);
  ++elements_;
}

void Params::AddRawElement(std::string_view length_and_bytes) {
  buffer_.Append(length_and_bytes);
  ++elements_;
}

void Params::EndArray() {
  Entry& entry = entries_.back();
  StoreBigEndian(buffer_.data() + entry.offset + kArrayCountOffset, elements_);
  entry.size = buffer_.size() - entry.offset;
}

const Params::Wire& Params::wire() {
  static constexpr char kEmpty = '\0';
  wire_.types.clear();
  wire_.values.clear();
  wire_.lengths.clear();
  wire_.formats.assign(entries_.size(), 1);
  for (const Entry& entry : entries_) {
    const char* data = entry.view != nullptr ? entry.view : buffer_.data() + entry.offset;
    if (entry.size == 0) data = &kEmpty;  // the buffer may not exist yet; null would mean NULL
    wire_.types.push_back(entry.oid);
    wire_.values.push_back(entry.is_null ? nullptr : data);
    wire_.lengths.push_back(static_cast<int>(entry.size));
  }
  return wire_;
}

}  // namespace tsingest::postgres
