// What the tests of CsvSource share.
#ifndef TSINGEST_TESTS_UNIT_SOURCE_CSV_READING_H_
#define TSINGEST_TESTS_UNIT_SOURCE_CSV_READING_H_

#include <zlib.h>
#include <zstd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/source_reader.h"
#include "tsingest/source/csv.h"

namespace tsingest::testing {

inline std::string Gzip(std::string_view text) {
  z_stream zlib = {};
  if (::deflateInit2(&zlib, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    std::abort();
  }
  std::string out(::deflateBound(&zlib, static_cast<uLong>(text.size())) + 32, '\0');
  std::string in(text);
  zlib.next_in = reinterpret_cast<Bytef*>(in.data());
  zlib.avail_in = static_cast<uInt>(in.size());
  zlib.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib.avail_out = static_cast<uInt>(out.size());
  if (::deflate(&zlib, Z_FINISH) != Z_STREAM_END) std::abort();
  out.resize(zlib.total_out);
  ::deflateEnd(&zlib);
  return out;
}

// With a checksum, as the zstd command makes it.
inline std::string Zstd(std::string_view text) {
  ZSTD_CCtx* const context = ::ZSTD_createCCtx();
  ::ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string out(::ZSTD_compressBound(text.size()), '\0');
  const std::size_t size =
      ::ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size());
  if (::ZSTD_isError(size) != 0) std::abort();
  ::ZSTD_freeCCtx(context);
  out.resize(size);
  return out;
}

// One run of a source, from Open() to the end or the first error.
struct CsvRun {
  struct Line {
    std::string payload;
    Position position;
    std::int64_t line = 0;
    std::size_t omitted_bytes = 0;
  };

  absl::Status status;  // of Open() or Poll()
  std::vector<Line> lines;
  std::vector<CsvHeader> headers;  // by stream; as announced last
  std::vector<std::string> log;
  std::map<std::string, StoredPosition> ends;  // what a sink would have stored
  std::int64_t total_size = 0;
  CsvProgress progress;

  std::vector<std::string> Payloads() const {
    std::vector<std::string> out;
    for (const Line& line : lines) out.push_back(line.payload);
    return out;
  }
  std::string Log() const {
    std::string out;
    for (const std::string& line : log) out += line + "\n";
    return out;
  }
};

inline CsvRun RunCsv(CsvSourceOptions options, const SourceReader::Stored& stored = {}) {
  CsvRun run;
  run.headers.resize(options.files.size());
  options.on_header = [&run](StreamId stream, const CsvHeader& header) {
    run.headers[stream] = header;
    return absl::OkStatus();
  };
  options.log = [&run](std::string_view line) { run.log.emplace_back(line); };
  CsvSource source(std::move(options));
  SourceReader reader(source, Duration::zero(), stored);
  run.status = source.Open(reader);
  run.total_size = source.TotalSize();
  for (bool more = run.status.ok(); more;) {
    const absl::StatusOr<PollState> state =
        source.Poll(SystemClock().Now() + std::chrono::seconds(1), [&](const Message& message) {
          run.lines.push_back({std::string(message.payload), message.position, message.line,
                               message.omitted_bytes});
          run.ends[std::string(source.StreamName(message.position.stream))] = {
              message.position.next, source.StreamDetail(message.position.stream)};
          return true;
        });
    run.status = state.status();
    more = state.ok() && *state != PollState::kEnd;
  }
  run.progress = source.Progress();
  run.progress.file = {};
  return run;
}

inline CsvRun RunCsv(const std::string& file, const SourceReader::Stored& stored = {}) {
  CsvSourceOptions options;
  options.files = {file};
  return RunCsv(std::move(options), stored);
}

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_UNIT_SOURCE_CSV_READING_H_
