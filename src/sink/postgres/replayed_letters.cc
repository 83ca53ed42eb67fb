#include "sink/postgres/replayed_letters.h"

#include <algorithm>
#include <string>
#include <unordered_set>

#include "sink/postgres/params.h"

namespace tsingest::postgres {
namespace {

constexpr std::size_t kMaxStatementBytes = 16 * 1024 * 1024;

// Division by zero is how plain SQL says no.
std::string MustCount(const std::string& with, std::string_view array) {
  return "WITH touched AS (" + with + " RETURNING 1) SELECT 1 / CASE WHEN count(*) = cardinality(" +
         std::string(array) + ") THEN 1 ELSE 0 END FROM touched";
}

std::string RemoveSql(const TableName& table) {
  return MustCount("DELETE FROM " + table.Quoted() + " WHERE id = ANY($1)", "$1");
}

// `original` is what the message was before its first repair.
std::string KeepSql(const TableName& table) {
  return MustCount("UPDATE " + table.Quoted() +
                       " AS l SET reason = k.reason, code = k.code, attempts = l.attempts + 1,"
                       " message_row = coalesce(nullif(k.nth, 0), l.message_row),"
                       " original = CASE WHEN l.payload = k.payload THEN l.original"
                       " ELSE coalesce(l.original, l.payload) END, payload = k.payload "
                       "FROM unnest($1, $2, $3, $4, $5) AS k(id, reason, code, nth, payload) "
                       "WHERE l.id = k.id",
                   "$1");
}

std::string AddSql(const TableName& table) {
  return MustCount("INSERT INTO " + table.Quoted() +
                       " (at, source, stream, position, line, topic, reason, code, payload, key,"
                       " message_row, original, reading, arrival) "
                       "SELECT l.at, l.source, l.stream, l.position, l.line, l.topic, k.reason,"
                       " k.code, l.payload, l.key, k.nth, l.original, l.reading, l.arrival "
                       "FROM unnest($1, $2, $3, $4) AS k(id, reason, code, nth) JOIN " +
                       table.Quoted() + " AS l ON l.id = k.id",
                   "$1");
}

}  // namespace

ReplayedLetters::ReplayedLetters(const BatchMeta& meta, std::span<const DeadLetter> again) {
  std::unordered_set<std::int64_t> failed;
  for (const DeadLetter& letter : again) {
    const bool is_first = failed.insert(letter.position).second;
    (is_first ? kept_ : more_).push_back({letter.position, &letter});
  }
  for (const MessageRecord& message : meta.messages) {
    if (!failed.contains(message.position.offset)) done_.push_back(message.position.offset);
  }
}

PgStatus ReplayedLetters::Send(Connection& connection, const TableName& table,
                               int* statements) const {
  PgStatus status;
  if (!done_.empty()) {
    Params params;
    params.BeginArray(kInt8ArrayOid, kInt8Oid);
    for (const std::int64_t id : done_) params.AddElement(id);
    params.EndArray();
    status = connection.SendQuery(RemoveSql(table), params);
    ++*statements;
  }
  if (status.ok()) status = SendInParts(connection, KeepSql(table), kept_, true, statements);
  if (status.ok()) status = SendInParts(connection, AddSql(table), more_, false, statements);
  return status;
}

PgStatus ReplayedLetters::SendInParts(Connection& connection, const std::string& sql,
                                      std::span<const Failed> letters, bool with_payload,
                                      int* statements) const {
  PgStatus status;
  for (std::size_t first = 0; status.ok() && first < letters.size(); ++*statements) {
    std::size_t last = first;
    for (std::size_t bytes = 0; last < letters.size() && bytes < kMaxStatementBytes; ++last) {
      const DeadLetter& letter = *letters[last].letter;
      bytes += letter.reason.size() + 64 + (with_payload ? letter.payload.size() : 0);
    }
    status = SendPart(connection, sql, letters.subspan(first, last - first), with_payload);
    first = last;
  }
  return status;
}

PgStatus ReplayedLetters::SendPart(Connection& connection, const std::string& sql,
                                   std::span<const Failed> part, bool with_payload) const {
  Params params;
  const auto array = [&](std::uint32_t array_oid, std::uint32_t element_oid, auto get) {
    params.BeginArray(array_oid, element_oid);
    for (const Failed& failed : part) params.AddElement(get(failed));
    params.EndArray();
  };
  array(kInt8ArrayOid, kInt8Oid, [](const Failed& f) { return f.id; });
  array(kTextArrayOid, kTextOid, [](const Failed& f) { return f.letter->reason; });
  array(kTextArrayOid, kTextOid, [](const Failed& f) { return f.letter->code; });
  array(kInt8ArrayOid, kInt8Oid, [](const Failed& f) { return f.letter->row; });
  if (with_payload) {
    array(kByteaArrayOid, kByteaOid, [](const Failed& f) { return f.letter->payload; });
  }
  return connection.SendQuery(sql, params);
}

}  // namespace tsingest::postgres
