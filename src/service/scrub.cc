#include "tsingest/service/scrub.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

namespace tsingest {
namespace {

constexpr std::string_view kMask = "****";
constexpr std::array<std::string_view, 6> kSecretKeys = {"password", "passwd", "pwd",
                                                         "secret",   "token",  "passphrase"};

bool IsKeyCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
}

bool EndsWithSecretKey(std::string_view key) {
  return std::ranges::any_of(kSecretKeys, [&](std::string_view word) {
    return key.size() >= word.size() &&
           std::ranges::equal(key.substr(key.size() - word.size()), word, {}, [](char c) {
             return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
           });
  });
}

// Where the value that starts at `begin` ends. `closer` is its quote (with backslash escapes, as in
// conninfo strings and JSON), '&' in a URI's query, or '\0'; the latter two also end at whitespace.
std::size_t ValueEnd(std::string_view text, std::size_t begin, char closer) {
  std::size_t i = begin;
  for (; i < text.size(); ++i) {
    const bool quoted = closer == '"' || closer == '\'';
    if (quoted && text[i] == '\\' && i + 1 < text.size()) {
      ++i;
    } else if (closer != '\0' && text[i] == closer) {
      break;
    } else if (!quoted && std::isspace(static_cast<unsigned char>(text[i])) != 0) {
      break;
    }
  }
  return i;
}

// `text[i]` is '=' or ':' behind a key. Finds the span of its value; false: no value to hide.
bool SecretValueAt(std::string_view text, std::size_t i, std::size_t* begin, std::size_t* end) {
  std::size_t key_end = i;
  while (key_end > 0 && text[key_end - 1] == ' ') --key_end;
  if (key_end > 0 && (text[key_end - 1] == '"' || text[key_end - 1] == '\'')) --key_end;
  std::size_t key_begin = key_end;
  while (key_begin > 0 && IsKeyCharacter(text[key_begin - 1])) --key_begin;
  if (!EndsWithSecretKey(text.substr(key_begin, key_end - key_begin))) return false;
  std::size_t value = i + 1;
  while (value < text.size() && text[value] == ' ') ++value;
  // "password: " in running text is prose unless something quoted or key-like follows "=".
  if (text[i] == ':' && (value >= text.size() || (text[value] != '"' && text[value] != '\''))) {
    return false;
  }
  char closer = '\0';
  if (value < text.size() && (text[value] == '\'' || text[value] == '"')) {
    closer = text[value++];
  } else if (key_begin > 0 && (text[key_begin - 1] == '?' || text[key_begin - 1] == '&')) {
    closer = '&';
  }
  *begin = value;
  *end = ValueEnd(text, value, closer);
  return *end > *begin;
}

// Behind "://" at `i`: the span between the first ':' and the last '@' of the authority.
bool UriPasswordAt(std::string_view text, std::size_t authority, std::size_t* begin,
                   std::size_t* end) {
  std::size_t stop = authority;
  while (stop < text.size() && std::isspace(static_cast<unsigned char>(text[stop])) == 0 &&
         text[stop] != '"' && text[stop] != '\'') {
    ++stop;
  }
  std::string_view rest = text.substr(authority, stop - authority);
  // A password may hold an unescaped '/' or '?': the '@' decides, but not one behind a query.
  std::size_t at = rest.substr(0, rest.find('?')).rfind('@');
  if (at == std::string_view::npos) at = rest.substr(0, rest.find('/')).rfind('@');
  if (at == std::string_view::npos) return false;
  const std::size_t colon = rest.substr(0, at).find(':');
  if (colon == std::string_view::npos || colon + 1 == at) return false;
  *begin = authority + colon + 1;
  *end = authority + at;
  return true;
}

}  // namespace

std::string ScrubSecrets(std::string_view text) {
  std::string out;
  std::size_t copied = 0;
  const auto hide = [&](std::size_t begin, std::size_t end) {
    out.append(text.substr(copied, begin - copied)).append(kMask);
    copied = end;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::size_t begin = 0;
    std::size_t end = 0;
    if (text.substr(i).starts_with("://")) {
      if (UriPasswordAt(text, i + 3, &begin, &end)) {
        hide(begin, end);
        i = end - 1;
      }
    } else if ((text[i] == '=' || text[i] == ':') && SecretValueAt(text, i, &begin, &end)) {
      hide(begin, end);
      i = end - 1;
    }
  }
  out.append(text.substr(copied));
  return out;
}

}  // namespace tsingest
