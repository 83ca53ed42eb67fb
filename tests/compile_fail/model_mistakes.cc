// One mistake of a model for each value of MISTAKE; 0 is none. Each is to be a compile error in
// words (tests/CMakeLists.txt has them).
#include <optional>
#include <string_view>

#include "tsingest/model/model.h"

struct Row {
  tsingest::Timestamp time{};
  std::string_view device;
  std::optional<double> value;
  std::int16_t quality = 0;
};

struct NoType {};
struct Odd {
  tsingest::Timestamp time{};
  NoType odd;
};

template <>
struct tsingest::Model<Row> {
#if MISTAKE != 1
  static constexpr std::string_view kTable = "rows";
#endif
#if MISTAKE != 2
  static constexpr auto kFields = Fields(Field("time", &Row::time),
#if MISTAKE == 3
                                         Field("time", &Row::device),
#elif MISTAKE == 4
                                         Field("", &Row::device),
#elif MISTAKE == 5
             Field("a_name_of_more_than_sixty_three_bytes_would_be_cut_by_the_server_s", &Row::device),
#else
             Field("device", &Row::device, MaxLength{50}, NotEmpty{}, Key{}),
#endif
#if MISTAKE == 6
                                         Field("value", &Row::value, Key{}),
#elif MISTAKE == 7
                                         Field("value", &Row::value, MaxLength{3}),
#elif MISTAKE == 8
             Field("value", &Row::value, InRange{1.0, 0.0}),
#elif MISTAKE == 9
             Field("value", &Row::value, Default{"none"}),
#elif MISTAKE == 10
             Field("value", &Row::value, FromTopic{}, From{"v"}),
#elif MISTAKE == 11
             Field("value", &Row::value, NoType{}),
#else
             Field("value", &Row::value, InRange{0.0, 1.0}, Finite{}, Default{0}),
#endif
#if MISTAKE == 12
                                         Field("quality", &Row::quality, Default{70000}));
#else
                                         Field("quality", &Row::quality, Default{192}));
#endif
#endif
#if MISTAKE == 13
  static constexpr Layout kLayout {
    .time_column = "time, quality",
#else
  static constexpr Layout kLayout {
    .time_column = "time",
#endif
#if MISTAKE == 14
    .segment_by = "devise",
#else
    .segment_by = "device",
#endif
    .order_by = "", .chunk_interval = "", .compress_after = "", .retention = ""
  };
};

#if MISTAKE == 15
template <>
struct tsingest::Model<Odd> {
  static constexpr std::string_view kTable = "odd";
  static constexpr auto kFields = Fields(Field("odd", &Odd::odd));
};
static_assert(tsingest::Described<Odd>);
#endif

static_assert(tsingest::kBindings<Row>.size() == 4);
