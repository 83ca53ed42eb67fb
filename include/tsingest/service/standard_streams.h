// The descriptors 0, 1 and 2: what a tool does about them before anything else.
#ifndef TSINGEST_SERVICE_STANDARD_STREAMS_H_
#define TSINGEST_SERVICE_STANDARD_STREAMS_H_

#include <string_view>

#include "absl/status/status.h"

namespace tsingest {

// Puts /dev/null where standard input, output or error is closed, so that no file or socket gets
// their numbers: a log line would go into it. Opened the wrong way round: reading the input and
// writing the output fail (EBADF) as they would have. To be called first in main().
void OpenClosedStandardStreams();

// Writes `text` and all that is buffered to stdout. The error says what is wrong with stdout;
// kFailedPrecondition also when it was closed.
absl::Status PrintToStdout(std::string_view text);

// Whether it was closed when the program was started.
bool IsStdoutClosed();

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_STANDARD_STREAMS_H_
