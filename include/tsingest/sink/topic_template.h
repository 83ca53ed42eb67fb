// TopicTemplate: which topic a row goes to.
//
//   auto topic = TopicTemplate<SensorReading>::Parse("iot/{device_id}/env");
//   topic->Append(row, buffer);    // iot/b8:27:eb:bf:9d:51/env
#ifndef TSINGEST_SINK_TOPIC_TEMPLATE_H_
#define TSINGEST_SINK_TOPIC_TEMPLATE_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/buffer.h"
#include "tsingest/encode/json_row.h"
#include "tsingest/model/model.h"
#include "tsingest/model/reject.h"

namespace tsingest {

// A piece of a template: literal text, or the name of a column.
struct TopicPart {
  bool is_column = false;
  std::string text = {};
};

// "iot/{device_id}" -> "iot/", {device_id}. kInvalidArgument: a brace without its partner.
inline absl::StatusOr<std::vector<TopicPart>> ParseTopicParts(std::string_view text) {
  const auto fail = [&](const char* why) {
    return absl::InvalidArgumentError("topic " + ShowValue(text) + ": " + why +
                                      "; a column is written {name}");
  };
  std::vector<TopicPart> parts;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t brace = std::min(rest.find_first_of("{}"), rest.size());
    if (brace > 0) parts.push_back({false, std::string(rest.substr(0, brace))});
    rest.remove_prefix(brace);
    if (rest.empty()) break;
    if (rest.front() == '}') return fail("} stands without {");
    const std::size_t close = rest.find_first_of("{}", 1);
    if (close == std::string_view::npos || rest[close] == '{') return fail("{ stands without }");
    if (close == 1) return fail("{} names no column");
    parts.push_back({true, std::string(rest.substr(1, close - 1))});
    rest.remove_prefix(close + 1);
  }
  return parts;
}

namespace internal {

// Appends the field as plain text: strings as they are, everything else as in JSON, without quotes.
// False: it is NULL.
template <Described M, std::size_t I>
bool AppendFieldText(const M& row, ByteBuffer& out) {
  using Def = FieldAt<M, I>;
  const auto& member = row.*kField<M, I>.member;
  const auto append = [&](const typename Def::Value& value) {
    if constexpr (std::convertible_to<typename Def::Value, std::string_view>) {
      out.Append(value);
    } else {
      ByteBuffer json;
      PgType<typename Def::Value>::AppendJson(value, json);
      std::string_view text = json.view();
      if (text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
      out.Append(text);
    }
    return true;
  };
  if constexpr (kIsOptional<typename Def::Type>) {
    return member.has_value() && append(*member);
  } else {
    return append(member);
  }
}

template <Described M>
using FieldTextFunction = bool (*)(const M&, ByteBuffer&);

template <Described M>
inline constexpr std::array<FieldTextFunction<M>, kFieldCount<M>> kFieldTexts = [
]<std::size_t... I>(std::index_sequence<I...>) {
  return std::array<FieldTextFunction<M>, sizeof...(I)>{&AppendFieldText<M, I>...};
}
(std::make_index_sequence<kFieldCount<M>>{});

}  // namespace internal

// The index of the column in M's list.
template <Described M>
std::optional<std::size_t> FindColumn(std::string_view column) {
  for (std::size_t i = 0; i < kFieldCount<M>; ++i) {
    if (kBindings<M>[i].column == column) return i;
  }
  return std::nullopt;
}

// Immutable, so thread-safe.
template <Described M>
class TopicTemplate {
 public:
  // kInvalidArgument: empty, unbalanced braces, or a column that M does not have.
  static absl::StatusOr<TopicTemplate> Parse(std::string_view text) {
    absl::StatusOr<std::vector<TopicPart>> parts = ParseTopicParts(text);
    if (!parts.ok()) return parts.status();
    if (parts->empty()) return absl::InvalidArgumentError("the topic is empty");
    TopicTemplate topic;
    for (TopicPart& part : *parts) {
      const std::optional<std::size_t> field =
          part.is_column ? FindColumn<M>(part.text) : std::nullopt;
      if (part.is_column && !field.has_value()) return NoColumn(part.text);
      topic.parts_.push_back({field, std::move(part.text)});
    }
    return topic;
  }

  // Whether every row goes to the same topic, text().
  bool is_fixed() const { return parts_.size() == 1 && !parts_[0].field.has_value(); }
  const std::string& text() const { return parts_[0].text; }
  // Whether the topic is just this column.
  bool Is(std::size_t field) const { return parts_.size() == 1 && parts_[0].field == field; }
  bool Uses(std::size_t field) const {
    for (const Part& part : parts_) {
      if (part.field == field) return true;
    }
    return false;
  }

  // Appends the row's topic. A reject: one of its columns is NULL.
  Reject Append(const M& row, ByteBuffer& out) const {
    for (const Part& part : parts_) {
      if (!part.field.has_value()) {
        out.Append(part.text);
      } else if (!internal::kFieldTexts<M>[*part.field](row, out)) {
        return {RejectCode::kMissing, part.text + ": is NULL, and the topic needs it"};
      }
    }
    return {};
  }

 private:
  struct Part {
    std::optional<std::size_t> field;
    std::string text;  // literal, or the column's name
  };

  static absl::Status NoColumn(const std::string& name) {
    std::string columns;
    for (const FieldBinding& field : kBindings<M>) {
      columns += (columns.empty() ? "" : ", ") + std::string(field.column);
    }
    return absl::InvalidArgumentError("{" + name +
                                      "} in the topic: " + std::string(Model<M>::kTable) +
                                      " has no such column; there are: " + columns);
  }

  std::vector<Part> parts_;
};

}  // namespace tsingest

#endif  // TSINGEST_SINK_TOPIC_TEMPLATE_H_
