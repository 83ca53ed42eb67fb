// Instants as text for logs and status pages.
#ifndef TSINGEST_SERVICE_TIME_TEXT_H_
#define TSINGEST_SERVICE_TIME_TEXT_H_

#include <string>

#include "tsingest/base/clock.h"

namespace tsingest {

// RFC 3339, UTC, six fraction digits: "2024-01-15T10:30:00.123456Z". For years 0 to 9999.
std::string Rfc3339(Timestamp time);

// Whole seconds as S2 shows an uptime: "2h15m30s", "15m0s", "42s".
std::string UptimeText(Duration length);

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_TIME_TEXT_H_
