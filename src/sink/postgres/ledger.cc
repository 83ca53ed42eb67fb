#include "sink/postgres/ledger.h"

#include <algorithm>
#include <map>
#include <utility>

#include "tsingest/encode/sql.h"

namespace tsingest::postgres {
namespace {

// A row that is there keeps its position, and the detail that belongs to it.
constexpr char kClaimSql[] = R"sql(
WITH before AS (
  SELECT stream, owner FROM tsingest.positions WHERE ledger = $1 AND stream = ANY ($3)),
claimed AS (
INSERT INTO tsingest.positions AS p (ledger, stream, position, detail, owner, updated_at)
SELECT $1, s.stream, NULL, s.detail, $2, clock_timestamp()
FROM unnest($3, $4) AS s(stream, detail) ORDER BY s.stream
ON CONFLICT (ledger, stream) DO UPDATE SET owner = EXCLUDED.owner,
  detail = CASE WHEN p.position IS NULL THEN EXCLUDED.detail ELSE p.detail END
RETURNING stream, position, detail)
SELECT stream, position, detail, before.owner FROM claimed LEFT JOIN before USING (stream))sql";

// The first of the two numbers of an advisory lock that marks a transaction; the second is made of
// its process's name. Two of them with one number cost the other one a repetition, no more.
constexpr char kMarkClass[] = "1953720686";

constexpr char kEndSql[] = R"sql(
SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity AS a WHERE a.pid IN (
  SELECT l.pid FROM pg_locks AS l
  JOIN unnest($1) AS o(owner) ON l.objid = (hashtext(o.owner)::bigint & 4294967295)::oid
  WHERE l.locktype = 'advisory' AND l.classid = $2::text::oid AND l.objsubid = 2
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND a.usename = current_user)sql";

constexpr char kOwnersSql[] =
    "SELECT DISTINCT owner FROM tsingest.positions WHERE ledger = $1 AND stream = ANY ($2)";

constexpr char kSetSql[] = R"sql(
UPDATE tsingest.positions SET position = $4, detail = $5, updated_at = clock_timestamp()
WHERE ledger = $1 AND owner = $2 AND stream = $3)sql";

constexpr char kLoadSql[] = R"sql(
SELECT position, detail FROM tsingest.positions
WHERE ledger = $1 AND stream = $2 AND position IS NOT NULL)sql";

constexpr char kHasTableSql[] = "SELECT to_regclass('tsingest.positions') IS NOT NULL";

constexpr char kListSql[] = R"sql(
SELECT stream, position, detail FROM tsingest.positions WHERE ledger = $1 ORDER BY stream)sql";

// In two steps, because a name may be free only when all have left theirs.
constexpr char kLeaveSql[] = R"sql(
UPDATE tsingest.positions SET stream = 'moving:' || stream
WHERE ledger = $1 AND stream = ANY ($2))sql";
constexpr char kArriveSql[] = R"sql(
UPDATE tsingest.positions AS p SET stream = m.new_name, updated_at = clock_timestamp()
FROM unnest($2, $3) AS m(old_name, new_name)
WHERE p.ledger = $1 AND p.stream = 'moving:' || m.old_name)sql";

// Division by zero is how plain SQL says no.
constexpr char kStepSql[] = R"sql(
WITH moved AS (
  UPDATE tsingest.positions AS p
  SET position = s.next, detail = s.detail, updated_at = clock_timestamp()
  FROM unnest($2, $3, $4, $5, $6) AS s(stream, first, next, detail, owner)
  WHERE p.ledger = $1 AND p.owner = s.owner AND p.stream = s.stream AND p.position = s.first
  RETURNING 1)
SELECT 1 / CASE WHEN count(*) = cardinality($2) THEN 1 ELSE 0 END FROM moved)sql";

constexpr char kLookSql[] = R"sql(
SELECT stream, owner, position FROM tsingest.positions
WHERE ledger = $1 AND stream = ANY ($2) ORDER BY stream FOR UPDATE)sql";

constexpr char kForgetSql[] =
    "DELETE FROM tsingest.positions WHERE ledger = $1 AND owner = $2 AND stream = $3";

template <class T, class Get>
void AddTexts(std::span<const T> items, Get get, Params* params) {
  params->BeginArray(kTextArrayOid, kTextOid);
  for (const T& item : items) params->AddElement(std::string_view(get(item)));
  params->EndArray();
}

template <class Get>
void AddNumbers(std::span<const LedgerStep> steps, Get get, Params* params) {
  params->BeginArray(kInt8ArrayOid, kInt8Oid);
  for (const LedgerStep& step : steps) params->AddElement(get(step));
  params->EndArray();
}

}  // namespace

std::string Ledger::OwnerOfClaim(std::int64_t claim) const {
  return process_ + "/" + std::to_string(claim);
}

std::string Ledger::ProcessOf(std::string_view owner) {
  const std::size_t at = owner.rfind('/');
  const bool has_number = at != std::string_view::npos && at + 1 < owner.size() &&
                          owner.find_first_not_of("0123456789", at + 1) == std::string_view::npos;
  return std::string(has_number ? owner.substr(0, at) : owner);
}

PgStatus Ledger::Claim(Connection& connection, const std::string& owner,
                       std::span<const Stream> streams,
                       std::vector<std::optional<StoredPosition>>* out,
                       std::set<std::string>* earlier) const {
  Params params;
  params.AddText(name_);
  params.AddText(owner);
  AddTexts(
      streams, [](const Stream& s) -> const std::string& { return s.name; }, &params);
  AddTexts(
      streams, [](const Stream& s) -> const std::string& { return s.detail; }, &params);
  Result result;
  if (PgStatus status = connection.Query(kClaimSql, params, &result); !status.ok()) return status;
  std::map<std::string_view, std::optional<StoredPosition>> found;
  for (int row = 0; row < result.rows(); ++row) {
    if (earlier != nullptr && !result.IsNull(row, 3))
      earlier->insert(ProcessOf(result.Text(row, 3)));
    if (result.IsNull(row, 1)) continue;
    found[result.Text(row, 0)] =
        StoredPosition{.next = result.Int(row, 1), .detail = std::string(result.Text(row, 2))};
  }
  if (earlier != nullptr) earlier->erase(process_);
  out->clear();
  for (const Stream& stream : streams) out->push_back(found[stream.name]);
  return {};
}

PgStatus Ledger::FindOthers(Connection& connection, std::span<const Stream> streams,
                            std::set<std::string>* others) const {
  Params params;
  params.AddText(name_);
  AddTexts(
      streams, [](const Stream& s) -> const std::string& { return s.name; }, &params);
  Result result;
  PgStatus status = connection.Query(kOwnersSql, params, &result);
  if (!status.ok()) return status;
  for (int row = 0; row < result.rows(); ++row) others->insert(ProcessOf(result.Text(row, 0)));
  others->erase(process_);
  return {};
}

std::string Ledger::MarkSql() const {
  return "SELECT pg_advisory_xact_lock_shared(" + std::string(kMarkClass) + ", hashtext(" +
         QuoteLiteral(process_) + "));";
}

PgStatus Ledger::EndTransactionsOf(Connection& connection, const std::set<std::string>& processes,
                                   std::int64_t* ended) {
  const std::vector<std::string> names(processes.begin(), processes.end());
  Params params;
  AddTexts(
      std::span<const std::string>(names),
      [](const std::string& s) -> const std::string& { return s; }, &params);
  params.AddText(kMarkClass);
  Result result;
  PgStatus status = connection.Query(kEndSql, params, &result);
  if (status.ok()) *ended = result.Int(0, 0);
  return status;
}

PgStatus Ledger::SetPosition(Connection& connection, const LedgerStep& step, bool* owned) const {
  Params params;
  params.AddText(name_);
  params.AddText(step.owner);
  params.AddText(step.stream);
  params.AddInt8(step.next);
  params.AddText(step.detail);
  Result result;
  if (PgStatus status = connection.Query(kSetSql, params, &result); !status.ok()) return status;
  *owned = result.Affected() == 1;
  return {};
}

PgStatus Ledger::List(Connection& connection, std::vector<LedgerStream>* out) const {
  out->clear();
  Result result;
  if (PgStatus status = connection.Exec(kHasTableSql, &result); !status.ok()) return status;
  if (!result.Bool(0, 0)) return {};
  Params params;
  params.AddText(name_);
  if (PgStatus status = connection.Query(kListSql, params, &result); !status.ok()) return status;
  for (int row = 0; row < result.rows(); ++row) {
    LedgerStream& stream = out->emplace_back();
    stream.name = result.Text(row, 0);
    if (!result.IsNull(row, 1)) stream.next = result.Int(row, 1);
    stream.detail = result.Text(row, 2);
  }
  return {};
}

PgStatus Ledger::Rename(Connection& connection, const std::string& begin,
                        std::span<const StreamRename> renames, bool* renamed) const {
  const auto from = [](const StreamRename& r) -> const std::string& { return r.from; };
  const auto to = [](const StreamRename& r) -> const std::string& { return r.to; };
  Params leave;
  Params arrive;
  for (Params* params : {&leave, &arrive}) {
    params->AddText(name_);
    AddTexts(renames, from, params);
  }
  AddTexts(renames, to, &arrive);
  Result result;
  PgStatus status = connection.Exec(begin);
  if (status.ok()) status = connection.Query(kLeaveSql, leave, nullptr);
  if (status.ok()) status = connection.Query(kArriveSql, arrive, &result);
  *renamed = status.ok() && result.Affected() == std::ssize(renames);
  PgStatus ended = connection.Exec(*renamed ? "COMMIT" : "ROLLBACK");
  if (!status.ok()) return status;
  return ended;
}

PgStatus Ledger::Load(Connection& connection, const std::string& stream,
                      std::optional<StoredPosition>* out) const {
  Params params;
  params.AddText(name_);
  params.AddText(stream);
  Result result;
  if (PgStatus status = connection.Query(kLoadSql, params, &result); !status.ok()) return status;
  out->reset();
  if (result.rows() == 1) {
    *out = StoredPosition{.next = result.Int(0, 0), .detail = std::string(result.Text(0, 1))};
  }
  return {};
}

const std::string& Ledger::StepSql() {
  static const std::string sql = kStepSql;
  return sql;
}

void Ledger::StepParams(std::span<const LedgerStep> steps, Params* params) const {
  params->Clear();
  params->AddText(name_);
  AddTexts(
      steps, [](const LedgerStep& s) -> const std::string& { return s.stream; }, params);
  AddNumbers(
      steps, [](const LedgerStep& s) { return s.first; }, params);
  AddNumbers(
      steps, [](const LedgerStep& s) { return s.next; }, params);
  AddTexts(
      steps, [](const LedgerStep& s) -> const std::string& { return s.detail; }, params);
  AddTexts(
      steps, [](const LedgerStep& s) -> const std::string& { return s.owner; }, params);
}

PgStatus Ledger::Look(Connection& connection, const std::string& begin,
                      std::span<const LedgerStep> steps, LedgerState* out) const {
  if (PgStatus status = connection.Exec(begin); !status.ok()) return status;
  Params params;
  params.AddText(name_);
  AddTexts(
      steps, [](const LedgerStep& s) -> const std::string& { return s.stream; }, &params);
  Result result;
  PgStatus status = connection.Query(kLookSql, params, &result);
  PgStatus ended = connection.Exec("ROLLBACK");
  if (!status.ok()) return status;
  if (!ended.ok()) return ended;

  *out = Compare(steps, result);
  return {};
}

LedgerState Ledger::Compare(std::span<const LedgerStep> steps, const Result& rows) const {
  using Kind = LedgerState::Kind;
  std::map<std::string_view, int> row_of;
  for (int row = 0; row < rows.rows(); ++row) row_of[rows.Text(row, 0)] = row;
  std::map<Kind, LedgerState> states;
  for (const LedgerStep& step : steps) {
    const auto found = row_of.find(step.stream);
    const int row = found == row_of.end() ? -1 : found->second;
    Kind kind = Kind::kElsewhere;
    if (row >= 0 && rows.Text(row, 1) != step.owner) {
      kind = Kind::kFenced;
    } else if (row >= 0 && !rows.IsNull(row, 2)) {
      if (rows.Int(row, 2) == step.first) kind = Kind::kBefore;
      if (rows.Int(row, 2) == step.next) kind = Kind::kAfter;
    }
    LedgerState& state = states[kind];
    state.kind = kind;
    if (state.streams.empty() && row >= 0) {
      state.owner = rows.Text(row, 1);
      state.position = rows.Text(row, 2);
    }
    state.streams.push_back(step.stream);
  }
  for (const Kind kind : {Kind::kFenced, Kind::kElsewhere}) {
    if (states.contains(kind)) return std::move(states[kind]);
  }
  if (states.size() == 1) return std::move(states.begin()->second);
  states[Kind::kAfter].kind = Kind::kElsewhere;  // some steps made, others not
  return std::move(states[Kind::kAfter]);
}

PgStatus Ledger::Forget(Connection& connection, const std::string& owner,
                        const std::string& stream) const {
  Params params;
  params.AddText(name_);
  params.AddText(owner);
  params.AddText(stream);
  return connection.Query(kForgetSql, params, nullptr);
}

}  // namespace tsingest::postgres
