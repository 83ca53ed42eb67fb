// Where a test finds the project's own files.
#ifndef TSINGEST_TESTS_SUPPORT_PATHS_H_
#define TSINGEST_TESTS_SUPPORT_PATHS_H_

#include <filesystem>
#include <string>

namespace tsingest::testing {

// The root of the source tree this test was built from.
std::filesystem::path SourceDirectory();
// The program `name` ("csv-replay") of this build.
std::filesystem::path ToolPath(const std::string& name);

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_PATHS_H_
