#include "control-server/store/migrations.h"

#include "control-server/store/sql/lookalikes.h"
#include "control-server/store/sql/penalties.h"
#include "control-server/store/sql/resume.h"
#include "control-server/store/sql/schema.h"

namespace p2p::server {

absl::Span<const char* const> Migrations() {
  static constexpr const char* kMigrations[] = {kSchemaSql, kPenaltiesSql, kLookalikesSql,
                                                kResumeSql};
  return kMigrations;
}

}  // namespace p2p::server
