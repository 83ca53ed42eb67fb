// PgType<> of every type in types.h.
#ifndef TSINGEST_MODEL_PG_TYPES_H_
#define TSINGEST_MODEL_PG_TYPES_H_

#include "tsingest/model/pg_types/array.h"
#include "tsingest/model/pg_types/inet.h"
#include "tsingest/model/pg_types/json.h"
#include "tsingest/model/pg_types/numeric.h"
#include "tsingest/model/pg_types/scalar.h"
#include "tsingest/model/pg_types/text.h"
#include "tsingest/model/pg_types/time.h"
#include "tsingest/model/pg_types/uuid.h"

#endif  // TSINGEST_MODEL_PG_TYPES_H_
