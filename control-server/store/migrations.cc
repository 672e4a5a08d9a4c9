#include "control-server/store/migrations.h"

#include "control-server/store/sql/schema.h"

namespace p2p::server {

absl::Span<const char* const> Migrations() {
  static constexpr const char* kMigrations[] = {kSchemaSql};
  return kMigrations;
}

}  // namespace p2p::server
