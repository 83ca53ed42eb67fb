// The live page: one self-contained HTML document.
#ifndef TSINGEST_SRC_SERVICE_LIVE_PAGE_H_
#define TSINGEST_SRC_SERVICE_LIVE_PAGE_H_

#include <string_view>

namespace tsingest::internal {

extern const std::string_view kLivePage;

}  // namespace tsingest::internal

#endif  // TSINGEST_SRC_SERVICE_LIVE_PAGE_H_
