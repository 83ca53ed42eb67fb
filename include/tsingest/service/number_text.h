// Numbers as people like to read them.
#ifndef TSINGEST_SERVICE_NUMBER_TEXT_H_
#define TSINGEST_SERVICE_NUMBER_TEXT_H_

#include <cstdint>
#include <string>

namespace tsingest {

// "1,234,567"
std::string GroupDigits(std::uint64_t number);
// "912 B", "1.5 KiB", "12.3 MiB", rounded.
std::string ShortSize(std::uint64_t bytes);

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_NUMBER_TEXT_H_
