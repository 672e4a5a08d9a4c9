#include "peer-client/app/request_book.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/net/address.h"
#include "common/wire/limits.h"

namespace p2p::client {
namespace {

constexpr size_t kMost = 64;  // In each direction.
// The server tells an outcome again at the next attach at most; of each of its at most 64 and 64.
constexpr size_t kMostClosed = 2 * kMost;
constexpr size_t kMinIdPrefix = 4;
constexpr Duration kFresh = 10s;
constexpr Duration kFreshForAbsent = 1s;

bool IsNameChar(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
}

// One of `open` (id -> name) that `text` means.
absl::StatusOr<std::string> Find(const std::vector<std::pair<std::string, std::string>>& open,
                                 absl::string_view text, absl::string_view command) {
  if (open.empty()) return absl::NotFoundError("no request is open");
  if (text.empty()) {
    if (open.size() == 1) return open.front().first;
    return absl::FailedPreconditionError(
        absl::StrCat(open.size(), " requests are open; say which: ", command, " NAME"));
  }
  std::vector<std::string> hits;
  for (const auto& [id, name] : open) {
    if (id == text) return id;
    if (absl::EqualsIgnoreCase(name, text) ||
        (text.size() >= kMinIdPrefix && absl::StartsWith(id, text))) {
      hits.push_back(id);
    }
  }
  if (hits.size() == 1) return hits.front();
  if (hits.empty()) return absl::NotFoundError("no such request is open");
  return absl::FailedPreconditionError("several requests fit; give the whole id");
}

}  // namespace

bool LooksLikeAddress(absl::string_view target) {
  if (net::IpAddress::Parse(target)) return true;
  const bool dotted = std::all_of(target.begin(), target.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '.';
  });
  return dotted || absl::StrContains(target, ':');
}

TargetKind ClassifyTarget(absl::string_view target) {
  if (net::IpAddress::Parse(target)) return TargetKind::kAddress;
  const bool name = target.size() >= wire::kMinUsername && target.size() <= wire::kMaxUsername &&
                    absl::ascii_isalpha(static_cast<unsigned char>(target[0])) &&
                    std::all_of(target.begin(), target.end(), IsNameChar);
  return name ? TargetKind::kName : TargetKind::kMalformed;
}

bool RequestBook::AddIncoming(const event::PeerRequest& request, MonoTime now) {
  return Add(incoming_, request.request_id,
             {request.from, now, now + request.expires_in, next_order_++, request.ip_address,
              request.reason});
}

bool RequestBook::AddOutgoing(const RequestInfo& request, Duration expires_in, MonoTime now) {
  return Add(outgoing_, request.request_id,
             {request.peer, now, now + expires_in, next_order_++, "", ""});
}

bool RequestBook::Add(Entries& to, const std::string& id, Entry entry) {
  if (ClosedPeer(id) != nullptr) return false;
  if (const auto known = to.find(id); known != to.end()) {
    known->second.expires = entry.expires;
    known->second.doubtful = false;
    return false;
  }
  if (to.size() >= kMost) {
    to.erase(std::min_element(to.begin(), to.end(), [](const auto& a, const auto& b) {
      return a.second.order < b.second.order;
    }));
  }
  to[id] = std::move(entry);
  return true;
}

void RequestBook::NoteAnswer(const std::string& request_id, Answer answer) {
  if (const auto it = incoming_.find(request_id); it != incoming_.end()) it->second.answer = answer;
}

std::optional<RequestBook::Answer> RequestBook::AnswerOf(const std::string& request_id) const {
  const auto it = incoming_.find(request_id);
  return it == incoming_.end() ? std::nullopt : it->second.answer;
}

out::Requests RequestBook::Open(MonoTime now) const {
  return {List(incoming_, now), List(outgoing_, now)};
}

std::vector<out::Requests::Entry> RequestBook::List(const Entries& entries, MonoTime now) {
  std::vector<out::Requests::Entry> out;
  for (const auto& [id, entry] : entries) {
    if (entry.expires <= now) continue;
    out.push_back(
        {id, entry.peer, entry.ip_address, entry.reason, now - entry.since, entry.expires - now});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.age > b.age; });
  return out;
}

const std::string* RequestBook::ClosedPeer(const std::string& request_id) const {
  const auto it = std::find_if(closed_.begin(), closed_.end(),
                               [&](const auto& closed) { return closed.first == request_id; });
  return it == closed_.end() ? nullptr : &it->second;
}

std::string RequestBook::PeerOf(const std::string& request_id) const {
  for (const Entries* entries : {&incoming_, &outgoing_}) {
    if (const auto it = entries->find(request_id); it != entries->end()) return it->second.peer;
  }
  const std::string* closed = ClosedPeer(request_id);
  return closed == nullptr ? "" : *closed;
}

bool RequestBook::Close(const std::string& request_id, const std::string& peer) {
  Drop(request_id);
  if (ClosedPeer(request_id) != nullptr) return false;
  closed_.emplace_back(request_id, peer);
  if (closed_.size() > kMostClosed) closed_.pop_front();
  return true;
}

void RequestBook::Drop(const std::string& request_id) {
  incoming_.erase(request_id);
  outgoing_.erase(request_id);
}

void RequestBook::DropAll() {
  incoming_.clear();
  outgoing_.clear();
}

void RequestBook::DoubtAll() {
  for (Entries* entries : {&incoming_, &outgoing_}) {
    for (auto& [id, entry] : *entries) entry.doubtful = true;
  }
}

void RequestBook::Confirm(const std::string& request_id) {
  for (Entries* entries : {&incoming_, &outgoing_}) {
    if (const auto it = entries->find(request_id); it != entries->end()) {
      it->second.doubtful = false;
    }
  }
}

std::optional<RequestBook::Doubtful> RequestBook::NextDoubtful() const {
  const Entries::value_type* oldest = nullptr;
  for (const Entries* entries : {&incoming_, &outgoing_}) {
    for (const auto& entry : *entries) {
      if (!entry.second.doubtful) continue;
      if (oldest == nullptr || entry.second.order < oldest->second.order) oldest = &entry;
    }
  }
  if (oldest == nullptr) return std::nullopt;
  return Doubtful{oldest->first, oldest->second.peer};
}

absl::StatusOr<std::string> RequestBook::FindIncoming(absl::string_view text, MonoTime now) const {
  std::vector<std::pair<std::string, std::string>> open;
  for (const auto& [id, request] : incoming_) {
    if (request.expires > now) open.emplace_back(id, request.peer);
  }
  return Find(open, text, "/approve");
}

absl::StatusOr<std::string> RequestBook::FindOutgoing(absl::string_view text) const {
  std::vector<std::pair<std::string, std::string>> open;
  for (const auto& [id, request] : outgoing_) open.emplace_back(id, request.peer);
  return Find(open, text, "/cancel");
}

bool RequestBook::AnyIncoming(MonoTime now) const {
  return std::any_of(incoming_.begin(), incoming_.end(),
                     [now](const auto& entry) { return entry.second.expires > now; });
}

void RequestBook::SetActive(std::vector<out::ActiveClient> clients, MonoTime now) {
  active_ = std::move(clients);
  list_at_ = now;
}

bool RequestBook::ListIsFreshFor(absl::string_view target, MonoTime now) const {
  return list_at_ && now - *list_at_ < (IsListed(target) ? kFresh : kFreshForAbsent);
}

bool RequestBook::IsListed(absl::string_view target) const {
  return std::any_of(active_.begin(), active_.end(), [target](const out::ActiveClient& client) {
    return absl::EqualsIgnoreCase(client.username, target) || client.ip_address == target;
  });
}

}  // namespace p2p::client
