// Keeps passwords out of logs, errors and status pages.
#ifndef TSINGEST_SERVICE_SCRUB_H_
#define TSINGEST_SERVICE_SCRUB_H_

#include <string>
#include <string_view>

namespace tsingest {

// `text` with every secret replaced by "****":
//   scheme://user:SECRET@host                  (also several in one text)
//   password=SECRET, sasl.password='SECRET', ?password=SECRET, "password": "SECRET"
// for keys that end in password, passwd, pwd, secret, token or passphrase, in any case. Text
// without a secret comes back unchanged. Thread-safe.
std::string ScrubSecrets(std::string_view text);

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_SCRUB_H_
