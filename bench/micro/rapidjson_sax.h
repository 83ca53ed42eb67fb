// RapidJSON at its best: one parser, alone in its file. Where several stand in one file g++ 12
// gives up inlining them, and each takes two to three times as long.
#ifndef TSINGEST_BENCH_MICRO_RAPIDJSON_SAX_H_
#define TSINGEST_BENCH_MICRO_RAPIDJSON_SAX_H_

namespace tsingest::bench {

// Reads the NUL-terminated text, which it changes, and does nothing with it: in situ, numbers as
// strings, iterative, the flags that make it safe on untrusted input. False: not JSON. One thread.
bool ParseRapidSax(char* text);

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_MICRO_RAPIDJSON_SAX_H_
