#include "tsingest/service/version.h"

#ifndef TSINGEST_VERSION
#error "TSINGEST_VERSION is set by the build"
#endif

namespace tsingest {

std::string_view Version() { return TSINGEST_VERSION; }

std::string_view BuildCompiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

}  // namespace tsingest
