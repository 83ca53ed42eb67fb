// Which fields a JSON member's name feeds: the input names of all fields as a tree of objects.
#ifndef TSINGEST_DECODE_INTERNAL_JSON_NAMES_H_
#define TSINGEST_DECODE_INTERNAL_JSON_NAMES_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tsingest/model/model.h"

namespace tsingest::internal {

// Names live in scopes: scope 0 is the message's object, and each prefix of a dotted path ("data"
// of "data.temp") opens another one. Immutable, so thread-safe.
class JsonNames {
 public:
  static constexpr std::uint16_t kNoScope = 0xFFFF;

  // One field that a name feeds. `rank` is the name's place among the field's names: 0 is best.
  struct Take {
    std::uint16_t field;
    std::uint16_t rank;
  };
  // What a name means in its scope; as it is made, that no field takes it.
  struct Member {
    std::uint16_t take_count = 0;
    std::uint16_t first_take = 0;    // index for Takes()
    Take take = {};                  // the first one itself
    std::uint16_t scope = kNoScope;  // of the names inside, when the value is an object
  };

  // `with_topic`: fields that take the message's topic have no names.
  JsonNames(std::span<const FieldBinding> fields, bool with_topic) {
    std::vector<Draft> drafts;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const ValueOrigin origin = fields[i].origin;
      if (origin == ValueOrigin::kRest || (origin != ValueOrigin::kNames && with_topic)) continue;
      for (std::size_t rank = 0; rank < fields[i].names.size(); ++rank) {
        AddName(fields[i].names[rank],
                {static_cast<std::uint16_t>(i), static_cast<std::uint16_t>(rank)}, drafts);
      }
    }
    Freeze(drafts);
  }

  std::size_t scope_count() const { return scope_count_; }

  Member Find(std::uint16_t scope, std::string_view name) const {
    for (std::size_t i = Hash(scope, name);; ++i) {
      const Entry& entry = table_[i & (table_.size() - 1)];
      if (entry.scope == scope && entry.name == name) return entry.member;
      if (entry.scope == kNoScope) return {};
    }
  }

  std::span<const Take> Takes(const Member& member) const {
    return {takes_.data() + member.first_take, member.take_count};
  }

  static std::size_t Hash(std::size_t seed, std::string_view text) {
    constexpr std::uint64_t kFactor = 0x9E3779B97F4A7C15u;
    std::uint64_t hash = (text.size() + 1) * kFactor + seed;
    for (std::size_t i = 0; i < text.size(); i += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + i, std::min<std::size_t>(8, text.size() - i));
      hash = std::rotl((hash ^ word) * kFactor, 31);
    }
    return static_cast<std::size_t>(hash ^ (hash >> 32));
  }

 private:
  struct Draft {
    std::uint16_t scope;
    std::string_view name;
    std::vector<Take> takes;
    std::uint16_t inner = kNoScope;
  };
  struct Entry {
    std::uint16_t scope = kNoScope;
    std::string name;
    Member member;
  };

  static Draft& FindOrAdd(std::uint16_t scope, std::string_view name, std::vector<Draft>& drafts) {
    for (Draft& draft : drafts) {
      if (draft.scope == scope && draft.name == name) return draft;
    }
    return drafts.emplace_back(Draft{scope, name, {}, kNoScope});
  }

  static void AddTake(std::uint16_t scope, std::string_view name, Take take,
                      std::vector<Draft>& drafts) {
    std::vector<Take>& takes = FindOrAdd(scope, name, drafts).takes;
    const auto same_field = [&](const Take& t) { return t.field == take.field; };
    if (std::ranges::none_of(takes, same_field)) takes.push_back(take);
  }

  // The flat name, and the path when it has dots with something on both sides of each.
  void AddName(std::string_view name, Take take, std::vector<Draft>& drafts) {
    AddTake(0, name, take, drafts);
    if (name.find('.') == std::string_view::npos || name.front() == '.' || name.back() == '.' ||
        name.find("..") != std::string_view::npos) {
      return;
    }
    std::uint16_t scope = 0;
    for (std::size_t dot; (dot = name.find('.')) != std::string_view::npos;) {
      Draft& draft = FindOrAdd(scope, name.substr(0, dot), drafts);
      if (draft.inner == kNoScope) draft.inner = static_cast<std::uint16_t>(scope_count_++);
      scope = draft.inner;
      name.remove_prefix(dot + 1);
    }
    AddTake(scope, name, take, drafts);
  }

  void Freeze(const std::vector<Draft>& drafts) {
    table_.resize(std::bit_ceil(2 * drafts.size() + 2));
    for (const Draft& draft : drafts) {
      std::size_t i = Hash(draft.scope, draft.name);
      while (table_[i & (table_.size() - 1)].scope != kNoScope) ++i;
      const Member member = {static_cast<std::uint16_t>(draft.takes.size()),
                             static_cast<std::uint16_t>(takes_.size()),
                             draft.takes.empty() ? Take{} : draft.takes.front(), draft.inner};
      table_[i & (table_.size() - 1)] = {draft.scope, std::string(draft.name), member};
      takes_.insert(takes_.end(), draft.takes.begin(), draft.takes.end());
    }
  }

  std::size_t scope_count_ = 1;
  std::vector<Take> takes_;
  std::vector<Entry> table_;  // open addressing, a power of two, at most half full
};

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_JSON_NAMES_H_
