#include "control-server/store/memory_store.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "common/base/check.h"

namespace p2p::server {

// ---- Undo ---------------------------------------------------------------------------------------

template <class Map>
void MemoryStore::Remember(Map& map, const typename Map::key_type& key) {
  if (!in_group_) return;
  const auto it = map.find(key);
  if (it == map.end()) {
    undo_.push_back([&map, key] { map.erase(key); });
  } else {
    undo_.push_back([&map, key, old = it->second] { map.insert_or_assign(key, old); });
  }
}

template <class Map>
void MemoryStore::Set(Map& map, const typename Map::key_type& key,
                      typename Map::mapped_type value) {
  Remember(map, key);
  map.insert_or_assign(key, std::move(value));
}

template <class Map>
void MemoryStore::Erase(Map& map, const typename Map::key_type& key) {
  Remember(map, key);
  map.erase(key);
}

template <class Map, class Predicate>
void MemoryStore::EraseWhere(Map& map, Predicate gone) {
  std::vector<typename Map::key_type> keys;
  for (const auto& [key, value] : map) {
    if (gone(key, value)) keys.push_back(key);
  }
  for (const auto& key : keys) Erase(map, key);
}

void MemoryStore::UndoTo(size_t mark) {
  while (undo_.size() > mark) {
    undo_.back()();
    undo_.pop_back();
  }
}

absl::Status MemoryStore::Group(absl::FunctionRef<absl::Status()> work) {
  P2P_CHECK(!in_group_);
  in_group_ = true;
  absl::Status status = work();
  if (!status.ok()) UndoTo(0);
  undo_.clear();
  in_group_ = false;
  return status;
}

absl::Status MemoryStore::Step(absl::FunctionRef<absl::Status()> work) {
  P2P_CHECK(in_group_ && !in_step_);
  in_step_ = true;
  const size_t mark = undo_.size();
  absl::Status status = work();
  if (!status.ok()) UndoTo(mark);
  in_step_ = false;
  return status;
}

// ---- Accounts -----------------------------------------------------------------------------------

bool MemoryStore::ClaimIsTaken(const Account& account) const {
  if (account.skeleton.empty()) return false;
  return std::any_of(accounts_.begin(), accounts_.end(), [&](const auto& entry) {
    return entry.first != account.id && entry.second.skeleton == account.skeleton;
  });
}

absl::Status MemoryStore::CreateAccount(const Account& account) {
  const std::string name = absl::AsciiStrToLower(account.username);
  if (accounts_.contains(account.id) || ids_by_name_.contains(name) || ClaimIsTaken(account)) {
    return absl::AlreadyExistsError("account exists");
  }
  Set(accounts_, account.id, account);
  Set(ids_by_name_, name, account.id);
  return absl::OkStatus();
}

absl::StatusOr<Account> MemoryStore::FindAccount(absl::string_view username) {
  const auto it = ids_by_name_.find(absl::AsciiStrToLower(username));
  if (it == ids_by_name_.end()) return absl::NotFoundError("no such account");
  return accounts_.at(it->second);
}

absl::StatusOr<Account> MemoryStore::GetAccount(UserId id) {
  const auto it = accounts_.find(id);
  if (it == accounts_.end()) return absl::NotFoundError("no such account");
  return it->second;
}

absl::StatusOr<Account> MemoryStore::FindLookalike(absl::string_view skeleton) {
  for (const auto& [id, account] : accounts_) {
    if (account.skeleton == skeleton) return account;
  }
  return absl::NotFoundError("no such account");
}

absl::Status MemoryStore::UpdateAccount(const Account& account) {
  const auto it = accounts_.find(account.id);
  if (it == accounts_.end()) return absl::NotFoundError("no such account");
  const std::string old_name = absl::AsciiStrToLower(it->second.username);
  const std::string new_name = absl::AsciiStrToLower(account.username);
  if (const auto taken = ids_by_name_.find(new_name);
      taken != ids_by_name_.end() && taken->second != account.id) {
    return absl::AlreadyExistsError("account exists");
  }
  if (ClaimIsTaken(account)) return absl::AlreadyExistsError("account exists");
  Erase(ids_by_name_, old_name);
  Set(ids_by_name_, new_name, account.id);
  Set(accounts_, account.id, account);
  return absl::OkStatus();
}

absl::Status MemoryStore::DeleteAccount(UserId id) {
  const auto it = accounts_.find(id);
  if (it == accounts_.end()) return absl::NotFoundError("no such account");
  P2P_RETURN_IF_ERROR(DeleteTokensOf(id).status());
  std::vector<LedgerKey> rows;
  for (const auto& [key, row] : ledger_) {
    if (key.second == id) rows.push_back(key);
  }
  for (const LedgerKey& key : rows) Erase(ledger_, key);
  Erase(penalties_, id);
  Erase(ids_by_name_, absl::AsciiStrToLower(it->second.username));
  Erase(accounts_, id);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Account>> MemoryStore::ListAccounts() {
  std::vector<Account> out;
  for (const auto& [name, id] : ids_by_name_) out.push_back(accounts_.at(id));
  return out;
}

// ---- Tokens -------------------------------------------------------------------------------------

absl::StatusOr<std::vector<TokenHash>> MemoryStore::PutToken(const TokenRecord& token,
                                                             size_t max_per_account) {
  if (max_per_account == 0) return absl::InvalidArgumentError("max_per_account is 0");
  if (!accounts_.contains(token.account)) return absl::NotFoundError("no such account");
  if (tokens_.contains(token.hash)) return absl::AlreadyExistsError("token exists");
  // Every other session's newest token, the oldest first.
  std::map<TokenHash, WallTime> newest;
  for (const auto& [hash, record] : tokens_) {
    if (record.account != token.account || SessionOf(record) == SessionOf(token)) continue;
    WallTime& issued = newest[SessionOf(record)];
    issued = std::max(issued, record.issued_at);
  }
  std::vector<std::pair<WallTime, TokenHash>> others;
  for (const auto& [session, issued] : newest) others.emplace_back(issued, session);
  std::sort(others.begin(), others.end());
  std::vector<TokenHash> dropped;
  for (size_t i = 0; i + max_per_account <= others.size(); ++i) {
    dropped.push_back(others[i].second);
    EraseSession(others[i].second);
  }
  Set(tokens_, token.hash, token);
  return dropped;
}

absl::Status MemoryStore::DeleteToken(TokenHash hash) {
  Erase(tokens_, hash);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TokenHash>> MemoryStore::DeleteTokensOf(UserId account) {
  std::vector<TokenHash> out;
  for (const auto& [hash, record] : tokens_) {
    if (record.account == account) out.push_back(hash);
  }
  for (const TokenHash& hash : out) Erase(tokens_, hash);
  (void)DeleteOtherSessions(account, TokenHash{});
  return out;
}

absl::StatusOr<std::vector<TokenRecord>> MemoryStore::ListTokens(WallTime now) {
  std::vector<TokenRecord> out;
  for (const auto& [hash, record] : tokens_) {
    if (now < record.expires_at) out.push_back(record);
  }
  return out;
}

// ---- Penalties ----------------------------------------------------------------------------------

absl::Status MemoryStore::PutPenalty(const PenaltyRecord& penalty) {
  if (!accounts_.contains(penalty.account)) return absl::NotFoundError("no such account");
  Set(penalties_, penalty.account, penalty);
  return absl::OkStatus();
}

absl::Status MemoryStore::DeletePenalty(UserId account) {
  if (!penalties_.contains(account)) return absl::NotFoundError("no penalty");
  Erase(penalties_, account);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PenaltyRecord>> MemoryStore::ListPenalties() {
  std::vector<PenaltyRecord> out;
  for (const auto& [account, penalty] : penalties_) out.push_back(penalty);
  return out;
}

// ---- Resume tokens ------------------------------------------------------------------------------

void MemoryStore::EraseSession(TokenHash session) {
  EraseWhere(tokens_,
             [&](const TokenHash&, const TokenRecord& t) { return SessionOf(t) == session; });
  EraseWhere(resume_tokens_,
             [&](const TokenHash&, const ResumeTokenRow& r) { return r.session == session; });
  Erase(families_, session);
}

absl::StatusOr<std::vector<TokenHash>> MemoryStore::PutResume(const ResumeFamily& family,
                                                              TokenHash token,
                                                              size_t max_per_account) {
  if (max_per_account == 0) return absl::InvalidArgumentError("max_per_account is 0");
  if (!accounts_.contains(family.account)) return absl::NotFoundError("no such account");
  if (resume_tokens_.contains(token)) return absl::AlreadyExistsError("resume token exists");
  const int64_t newest = family.generation;
  EraseWhere(resume_tokens_, [&](const TokenHash&, const ResumeTokenRow& row) {
    return row.session == family.session &&
           (row.generation >= newest || row.generation <= newest - kMaxResumeTokens);
  });
  EraseWhere(tokens_, [&](const TokenHash&, const TokenRecord& t) {
    return SessionOf(t) == family.session && t.generation >= newest;
  });
  Set(families_, family.session, family);
  Set(resume_tokens_, token, ResumeTokenRow{family.session, family.generation});
  std::vector<std::pair<WallTime, TokenHash>> others;
  for (const auto& [session, other] : families_) {
    if (other.account == family.account && session != family.session) {
      others.emplace_back(other.renewed_at, session);
    }
  }
  std::sort(others.begin(), others.end());
  std::vector<TokenHash> dropped;
  for (size_t i = 0; i + max_per_account <= others.size(); ++i) {
    dropped.push_back(others[i].second);
    EraseSession(others[i].second);
  }
  return dropped;
}

absl::StatusOr<PresentedResume> MemoryStore::FindResume(TokenHash token) {
  const auto it = resume_tokens_.find(token);
  if (it == resume_tokens_.end()) return absl::NotFoundError("no such resume token");
  return PresentedResume{families_.at(it->second.session), it->second.generation};
}

absl::StatusOr<std::vector<ResumeFamily>> MemoryStore::ListFamilies() {
  std::vector<ResumeFamily> out;
  for (const auto& [session, family] : families_) out.push_back(family);
  return out;
}

absl::Status MemoryStore::UseSession(TokenHash session, uint32_t generation) {
  const auto it = families_.find(session);
  if (it != families_.end() && it->second.generation == generation) {
    ResumeFamily family = it->second;
    family.newest_used = true;
    Set(families_, session, family);
  }
  EraseWhere(tokens_, [&](const TokenHash&, const TokenRecord& t) {
    return SessionOf(t) == session && t.generation < generation;
  });
  return absl::OkStatus();
}

absl::Status MemoryStore::DeleteSession(TokenHash session) {
  EraseSession(session);
  return absl::OkStatus();
}

absl::Status MemoryStore::DeleteOtherSessions(UserId account, TokenHash kept) {
  std::vector<TokenHash> sessions;
  for (const auto& [hash, token] : tokens_) {
    if (token.account == account) sessions.push_back(SessionOf(token));
  }
  for (const auto& [session, family] : families_) {
    if (family.account == account) sessions.push_back(session);
  }
  std::erase(sessions, kept);
  for (const TokenHash& session : sessions) EraseSession(session);
  return absl::OkStatus();
}

absl::Status MemoryStore::DropResumesBefore(WallTime renewed, WallTime started) {
  std::vector<TokenHash> old;
  for (const auto& [session, family] : families_) {
    if (family.renewed_at <= renewed || family.started_at <= started) old.push_back(session);
  }
  for (const TokenHash& session : old) {
    EraseWhere(resume_tokens_,
               [&](const TokenHash&, const ResumeTokenRow& r) { return r.session == session; });
    Erase(families_, session);
  }
  return absl::OkStatus();
}

// ---- Introductions and addresses ----------------------------------------------------------------

absl::Status MemoryStore::PutIntroduction(const IntroductionRecord& introduction) {
  if (introductions_.contains(introduction.id)) {
    return absl::AlreadyExistsError("introduction exists");
  }
  Set(introductions_, introduction.id, introduction);
  return absl::OkStatus();
}

absl::Status MemoryStore::AckIntroduction(RequestId id, UserId party) {
  const auto it = introductions_.find(id);
  if (it == introductions_.end()) return absl::OkStatus();
  IntroductionRecord record = it->second;
  if (record.requester == party) record.requester_acked = true;
  if (record.target == party) record.target_acked = true;
  if (record.requester_acked && record.target_acked) {
    Erase(introductions_, id);
  } else {
    Set(introductions_, id, std::move(record));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<IntroductionRecord>> MemoryStore::ListIntroductions() {
  std::vector<IntroductionRecord> out;
  for (const auto& [id, record] : introductions_) out.push_back(record);
  return out;
}

absl::Status MemoryStore::DropIntroductionsBefore(WallTime created_before) {
  std::vector<RequestId> old;
  for (const auto& [id, record] : introductions_) {
    if (record.created_at < created_before) old.push_back(id);
  }
  for (const RequestId& id : old) Erase(introductions_, id);
  return absl::OkStatus();
}

absl::Status MemoryStore::PutAddresses(const std::vector<AddressRecord>& addresses) {
  for (const AddressRecord& record : addresses) {
    Set(addresses_, std::pair(record.ip, record.account), record);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AddressRecord>> MemoryStore::ListAddresses(WallTime active_since) {
  std::vector<AddressRecord> out;
  for (const auto& [key, record] : addresses_) {
    if (record.last_active >= active_since) out.push_back(record);
  }
  return out;
}

absl::Status MemoryStore::DropAddressesBefore(WallTime active_before) {
  std::vector<std::pair<net::IpAddress, UserId>> old;
  for (const auto& [key, record] : addresses_) {
    if (record.last_active < active_before) old.push_back(key);
  }
  for (const auto& key : old) Erase(addresses_, key);
  return absl::OkStatus();
}

// ---- Broadcasts ---------------------------------------------------------------------------------

absl::Status MemoryStore::PutBroadcast(const BroadcastRecord& broadcast) {
  if (broadcasts_.contains(broadcast.id)) return absl::AlreadyExistsError("broadcast exists");
  if (!broadcast.idempotency_key.empty() &&
      FindBroadcastByKey(broadcast.sender, broadcast.idempotency_key).ok()) {
    return absl::AlreadyExistsError("idempotency key was used");
  }
  Set(broadcasts_, broadcast.id, broadcast);
  return absl::OkStatus();
}

absl::StatusOr<BroadcastRecord> MemoryStore::FindBroadcastByKey(UserId sender,
                                                                absl::string_view idempotency_key) {
  for (const auto& [id, record] : broadcasts_) {
    if (record.sender == sender && !idempotency_key.empty() &&
        record.idempotency_key == idempotency_key) {
      return record;
    }
  }
  return absl::NotFoundError("no such broadcast");
}

absl::StatusOr<BroadcastRecord> MemoryStore::GetBroadcast(BroadcastId id) {
  const auto it = broadcasts_.find(id);
  if (it == broadcasts_.end()) return absl::NotFoundError("no such broadcast");
  return it->second;
}

absl::StatusOr<std::vector<BroadcastRecord>> MemoryStore::ListLiveBroadcasts(WallTime now) {
  std::vector<BroadcastRecord> out;
  for (const auto& [id, record] : broadcasts_) {
    if (now < record.expires_at && !record.revoked) out.push_back(record);
  }
  std::stable_sort(out.begin(), out.end(), [](const BroadcastRecord& a, const BroadcastRecord& b) {
    return a.sent_at < b.sent_at;
  });
  return out;
}

absl::StatusOr<std::vector<BroadcastRecord>> MemoryStore::ListBroadcasts(
    std::optional<UserId> sender, WallTime sent_since, size_t limit) {
  std::vector<BroadcastRecord> out;
  for (const auto& [id, record] : broadcasts_) {
    if (record.sent_at < sent_since || (sender && record.sender != *sender)) continue;
    out.push_back(record);
    out.back().text.clear();
  }
  std::stable_sort(out.begin(), out.end(), [](const BroadcastRecord& a, const BroadcastRecord& b) {
    return a.sent_at > b.sent_at;
  });
  if (out.size() > limit) out.resize(limit);
  return out;
}

absl::Status MemoryStore::RevokeBroadcast(BroadcastId id) {
  P2P_ASSIGN_OR_RETURN(BroadcastRecord record, GetBroadcast(id));
  record.revoked = true;
  Set(broadcasts_, id, std::move(record));
  return absl::OkStatus();
}

// ---- Ledger -------------------------------------------------------------------------------------

absl::Status MemoryStore::PutDue(const std::vector<DeliveryRecord>& rows) {
  for (const DeliveryRecord& row : rows) {
    if (!broadcasts_.contains(row.broadcast) || !accounts_.contains(row.user)) continue;
    const LedgerKey key(row.broadcast, row.user);
    if (!ledger_.contains(key)) Set(ledger_, key, row);
  }
  return absl::OkStatus();
}

absl::Status MemoryStore::MarkDelivered(BroadcastId broadcast, UserId user, DeliveryVia via,
                                        WallTime at) {
  if (via == DeliveryVia::kNone) return absl::InvalidArgumentError("delivered by nothing");
  const auto it = ledger_.find({broadcast, user});
  if (it == ledger_.end()) return absl::NotFoundError("not due");
  if (it->second.via != DeliveryVia::kNone) return absl::OkStatus();
  DeliveryRecord row = it->second;
  row.via = via;
  row.delivered_at = at;
  Set(ledger_, it->first, row);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DeliveryRecord>> MemoryStore::ListDeliveries(BroadcastId broadcast) {
  std::vector<DeliveryRecord> out;
  for (auto it = ledger_.lower_bound({broadcast, UserId{}});
       it != ledger_.end() && it->first.first == broadcast; ++it) {
    out.push_back(it->second);
  }
  return out;
}

absl::StatusOr<DeliveryCounts> MemoryStore::CountDeliveries(BroadcastId broadcast) {
  P2P_ASSIGN_OR_RETURN(const auto rows, ListDeliveries(broadcast));
  DeliveryCounts counts{.due = rows.size()};
  for (const auto& row : rows) counts.delivered += row.via != DeliveryVia::kNone ? 1 : 0;
  return counts;
}

absl::Status MemoryStore::PurgeBroadcasts(WallTime now, WallTime details_before) {
  std::vector<BroadcastId> silent;
  std::vector<BroadcastId> gone;
  for (const auto& [id, record] : broadcasts_) {
    if (record.sent_at < details_before && record.expires_at < now) {
      gone.push_back(id);
    } else if (record.expires_at < now && !record.text.empty()) {
      silent.push_back(id);
    }
  }
  for (const BroadcastId& id : silent) {
    BroadcastRecord record = broadcasts_.at(id);
    record.text.clear();
    Set(broadcasts_, id, std::move(record));
  }
  for (const BroadcastId& id : gone) {
    std::vector<LedgerKey> rows;
    for (auto it = ledger_.lower_bound({id, UserId{}});
         it != ledger_.end() && it->first.first == id; ++it) {
      rows.push_back(it->first);
    }
    for (const LedgerKey& key : rows) Erase(ledger_, key);
    Erase(broadcasts_, id);
  }
  return absl::OkStatus();
}

}  // namespace p2p::server
