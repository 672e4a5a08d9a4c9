// Tokens as they come: the header of a call, base64url, the file of a relay token. Only the very
// token finds its caller.
#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/relay/relay_token.h"
#include "control-server/service/session_table.h"

namespace p2p::server {
namespace {

constexpr std::array<uint8_t, 32> kToken = {1, 2, 3, 4, 5, 6, 7, 8};

const SessionTable& Table() {
  static const SystemClock clock;
  static const SessionTable* const table = [] {
    auto* made = new SessionTable(clock);
    auto caller = std::make_shared<Caller>();
    caller->token.hash = HashToken(kToken);
    caller->token.expires_at = clock.Wall() + std::chrono::hours(1000);
    made->Add(std::move(caller));
    return made;
  }();
  return *table;
}

void Check(absl::string_view in) {
  const auto bytes = Base64UrlDecode(in);
  if (bytes) P2P_CHECK(Base64UrlEncode(*bytes) == in);  // One text for each value.
  const bool is_the_token = bytes && bytes->size() == kToken.size() &&
                            std::equal(kToken.begin(), kToken.end(), bytes->begin());
  P2P_CHECK((Table().FindByHeader(absl::StrCat("Bearer ", in)) != nullptr) == is_the_token);
  const CallerPtr bare = Table().FindByHeader(in);
  P2P_CHECK(bare == nullptr || absl::StartsWithIgnoreCase(in, "bearer "));
  const auto relay = relay::ParseRelayToken(in);
  P2P_CHECK(relay.ok() || relay.status().message().find(in) == std::string::npos || in.size() < 8);
}

}  // namespace
}  // namespace p2p::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  p2p::server::Check(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
