// RapidJSON, the oracle for our own JSON scanner. It adds to null pointers, which clang's sanitizer
// would report as ours.
#ifndef TSINGEST_TESTS_SUPPORT_RAPIDJSON_H_
#define TSINGEST_TESTS_SUPPORT_RAPIDJSON_H_

// Before the attribute, which is not for them.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <locale>
#include <sstream>
#include <string>

#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("undefined"))), apply_to = function)
#endif

#include "rapidjson/document.h"
#include "rapidjson/encodedstream.h"
#include "rapidjson/memorystream.h"
#include "rapidjson/reader.h"

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif  // TSINGEST_TESTS_SUPPORT_RAPIDJSON_H_
