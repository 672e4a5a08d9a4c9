#include "control-server/admin/session_admin.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "control-server/admin/user_admin.h"
#include "control-server/domain/names.h"
#include "control-server/domain/penalty.h"

namespace p2p::server {

absl::StatusOr<absl::flat_hash_map<TokenHash, StartedSession>> LiveSessions(Store& store,
                                                                            WallTime now) {
  absl::flat_hash_map<TokenHash, StartedSession> out;
  P2P_ASSIGN_OR_RETURN(const auto families, store.ListFamilies());
  for (const ResumeFamily& family : families) {
    out.try_emplace(family.session, StartedSession{family.account, family.started_at});
  }
  P2P_ASSIGN_OR_RETURN(const auto tokens, store.ListTokens(now));
  for (const TokenRecord& token : tokens) {
    out.try_emplace(SessionOf(token), StartedSession{token.account, token.issued_at});
  }
  return out;
}

absl::StatusOr<std::vector<SessionEntry>> SessionAdmin::ListSessions() {
  absl::flat_hash_map<TokenHash, StartedSession> sessions;
  absl::flat_hash_map<UserId, std::string> names;
  P2P_RETURN_IF_ERROR(store_.Read([&](Store& store) -> absl::Status {
    P2P_ASSIGN_OR_RETURN(sessions, LiveSessions(store, clock_.Wall()));
    P2P_ASSIGN_OR_RETURN(const auto accounts, store.ListAccounts());
    for (const Account& account : accounts) names[account.id] = account.username;
    return absl::OkStatus();
  }));
  absl::flat_hash_map<TokenHash, std::string> addresses;
  for (const LiveServer::Attached& client : live_.ListAttached()) {
    addresses[client.session] = client.ip.ToString();
  }
  std::vector<SessionEntry> out;
  for (const auto& [session, started] : sessions) {
    const auto address = addresses.find(session);
    const bool attached = address != addresses.end();
    out.push_back({.username = names[started.account],
                   .logged_in_at = started.at,
                   .attached = attached,
                   .ip_address = attached ? address->second : std::string()});
  }
  std::sort(out.begin(), out.end(), [](const SessionEntry& a, const SessionEntry& b) {
    return std::pair(FoldUsername(a.username), a.logged_in_at) <
           std::pair(FoldUsername(b.username), b.logged_in_at);
  });
  return out;
}

absl::StatusOr<std::vector<PenaltyEntry>> SessionAdmin::ListPenalties() {
  std::vector<PenaltyEntry> out;
  const WallTime now = clock_.Wall();
  P2P_RETURN_IF_ERROR(store_.Read([&](Store& store) -> absl::Status {
    P2P_ASSIGN_OR_RETURN(const auto penalties, store.ListPenalties());
    for (const PenaltyRecord& record : penalties) {
      const size_t count = CountingStrikes(record, timing_.penalty_window, now);
      if (count == 0) continue;
      P2P_ASSIGN_OR_RETURN(const Account account, store.GetAccount(record.account));
      out.push_back({.username = account.username,
                     .reason = Describe(record.offence),
                     .start = record.start,
                     .end = record.end,
                     .next_step = NextStep(record.start, record.end),
                     .count = count});
    }
    return absl::OkStatus();
  }));
  std::sort(out.begin(), out.end(), [](const PenaltyEntry& a, const PenaltyEntry& b) {
    return FoldUsername(a.username) < FoldUsername(b.username);
  });
  return out;
}

absl::Status SessionAdmin::LiftPenalty(const std::string& username) {
  Account account;
  const absl::Status lifted = store_.Change(
      [&](Store& store) -> absl::Status {
        P2P_ASSIGN_OR_RETURN(account, FindNamed(store, username));
        const absl::Status removed = store.DeletePenalty(account.id);
        if (!absl::IsNotFound(removed)) return removed;
        return absl::NotFoundError(absl::StrCat(account.username, " has no penalty"));
      },
      [&] { live_.LiftPenalty(account.id); });
  return lifted;
}

}  // namespace p2p::server
