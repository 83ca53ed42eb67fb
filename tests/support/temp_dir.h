// A directory that goes with the test.
#ifndef TSINGEST_TESTS_SUPPORT_TEMP_DIR_H_
#define TSINGEST_TESTS_SUPPORT_TEMP_DIR_H_

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace tsingest::testing {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tsingest-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string Path(std::string_view name) const { return path_ + "/" + std::string(name); }

  // Makes or replaces a file; returns its path.
  std::string Write(std::string_view name, std::string_view content) const {
    return Put(name, content, std::ios::trunc);
  }
  std::string Append(std::string_view name, std::string_view content) const {
    return Put(name, content, std::ios::app);
  }

 private:
  std::string Put(std::string_view name, std::string_view content, std::ios::openmode mode) const {
    const std::string path = Path(name);
    std::ofstream out(path, std::ios::binary | mode);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    if (!out.flush()) std::abort();
    return path;
  }

  std::string path_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_TEMP_DIR_H_
