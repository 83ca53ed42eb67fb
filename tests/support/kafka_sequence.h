// Numbered messages for iot_measurements, and what the table must then hold.
#ifndef TSINGEST_TESTS_SUPPORT_KAFKA_SEQUENCE_H_
#define TSINGEST_TESTS_SUPPORT_KAFKA_SEQUENCE_H_

#include <string>
#include <vector>

#include "support/postgres_server.h"

namespace tsingest::testing {

// Message `sequence` of producer `producer`, as the decoders of connectors send it. Every field
// follows from the two numbers.
std::string SequenceMessage(int producer, long sequence);

// The seed's table without its key: there a row that comes twice is there twice.
void CreateKeylessTable(const PostgresServer& server, const std::string& database = "postgres");

// What is wrong with the table when it should hold the messages 0 to `count` - 1 of each of
// `producers` producers: "" or one line per fault (missing, twice, other values).
std::string SequenceFaults(const PostgresServer& server, int producers, long count,
                           const std::string& database = "postgres");

// Everything that is read has come this far: the sum of the stored positions of a ledger.
long StoredPositions(const PostgresServer& server, const std::string& ledger,
                     const std::string& database = "postgres");

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_KAFKA_SEQUENCE_H_
