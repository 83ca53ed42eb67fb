#include "micro/rapidjson_sax.h"

#include "rapidjson/reader.h"

namespace tsingest::bench {

bool ParseRapidSax(char* text) {
  constexpr unsigned kSafe = rapidjson::kParseInsituFlag | rapidjson::kParseNumbersAsStringsFlag |
                             rapidjson::kParseIterativeFlag;
  static rapidjson::Reader reader;
  rapidjson::InsituStringStream stream(text);
  rapidjson::BaseReaderHandler<> nothing;
  return !reader.Parse<kSafe>(stream, nothing).IsError();
}

}  // namespace tsingest::bench
