#include "control-server/service/first_use.h"

namespace p2p::server {

void FirstUse::Remember(const CallerPtr& caller) {
  const TokenHash session = caller->session();
  const uint32_t generation = caller->token.generation;
  sessions_.RemoveBelow(session, generation);
  store_.Submit(
      [session, generation](Store& store) { return store.UseSession(session, generation); },
      [caller](const absl::Status& used) {
        if (!used.ok()) caller->unused = true;
      });
}

}  // namespace p2p::server
