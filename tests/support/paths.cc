#include "support/paths.h"

namespace tsingest::testing {

std::filesystem::path SourceDirectory() { return TSINGEST_SOURCE_DIRECTORY; }

std::filesystem::path ToolPath(const std::string& name) {
  return std::filesystem::path(TSINGEST_TOOLS_DIRECTORY) / name;
}

}  // namespace tsingest::testing
