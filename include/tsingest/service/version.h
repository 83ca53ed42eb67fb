// Which build this is.
#ifndef TSINGEST_SERVICE_VERSION_H_
#define TSINGEST_SERVICE_VERSION_H_

#include <string_view>

namespace tsingest {

// "0.1.0": the version of the project.
std::string_view Version();
// "g++ 12.2.0": the compiler that built this library.
std::string_view BuildCompiler();

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_VERSION_H_
