#include "control-server/service/login_answer.h"

#include "absl/strings/str_cat.h"
#include "common/base/text.h"
#include "control-server/service/errors.h"

namespace p2p::server {

void AdmitCaller(const AccountContext& context, const Account& account, const TokenRecord& token) {
  auto caller = std::make_shared<Caller>();
  caller->token = token;
  caller->user = account.id;
  caller->username = account.username;
  caller->admin = account.admin;
  caller->unused = token.generation > 0;
  context.sessions.Add(std::move(caller));
}

void EndDropped(const AccountContext& context, const std::vector<TokenHash>& sessions) {
  for (const TokenHash& session : sessions) {
    context.sessions.RemoveSession(session);
    context.ender.RevokeSession(session);  // Not the user's own log-out.
  }
}

void FillSession(const ServerProfile& profile, const Account& account, const TokenRecord& token,
                 const TokenPair& pair, v1::LoginResponse& response) {
  response.set_session_token(Base64UrlEncode(pair.access.view()));
  const int64_t ms = ToMs(token.expires_at);
  response.mutable_session_expires_at()->set_seconds(ms / 1000);
  response.mutable_session_expires_at()->set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
  response.add_choices(v1::LIST_ACTIVE);
  response.add_choices(v1::BROADCAST);
  response.set_user_id(ToString(account.id.view()));
  response.set_username(account.username);
  if (token.device_key == std::array<uint8_t, 32>{}) return;
  response.set_resume_token(Base64UrlEncode(pair.resume.view()));
  auto* keys = response.mutable_server_keys();
  keys->set_introducer_public_key(ToString(profile.introducer_key));
  keys->set_broadcast_public_key(ToString(profile.broadcast_key));
}

grpc::Status InCooldown(const Cooldown& cooldown, WallTime now) {
  return WithErrorInfo(
      grpc::StatusCode::PERMISSION_DENIED,
      absl::StrCat(cooldown.reason, "; you may log in again at ", FormatRfc3339(cooldown.end)),
      "PENALTY",
      {{"reason", cooldown.reason},
       {"start", FormatRfc3339(cooldown.start)},
       {"end", FormatRfc3339(cooldown.end)},
       {"next_step", cooldown.next_step}},
      cooldown.end - now);
}

grpc::Status Disabled() {
  return grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                      "this account is disabled; ask the server's operator");
}

}  // namespace p2p::server
