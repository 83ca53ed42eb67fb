// A real headless browser, where there is one.
#ifndef TSINGEST_TESTS_SUPPORT_BROWSER_H_
#define TSINGEST_TESTS_SUPPORT_BROWSER_H_

#include <string>

namespace tsingest::testing {

// Why no Chromium can be had here, or empty: then RenderedPage() works. $TSINGEST_CHROMIUM, else
// what is found in /usr/bin.
std::string BrowserMissing();

// What the page at `url` has become (HTML text of its elements) after its scripts have run for
// `seconds` of its own time in a window of `width` by `height` pixels. Throws std::runtime_error
// when the browser fails.
std::string RenderedPage(const std::string& url, int width, int height, int seconds);

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_BROWSER_H_
