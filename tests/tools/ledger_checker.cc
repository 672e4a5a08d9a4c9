#include "tests/tools/ledger_checker.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"

namespace p2p::testing {
namespace {

// Longest time for which one stretch lies inside the broadcast's window; negative: none touches it.
int64_t LongestOverlap(const LedgerClient& client, const LedgerBroadcast& broadcast) {
  int64_t longest = -1;
  for (const auto& stretch : client.active) {
    const int64_t overlap = std::min(stretch.to_ms, broadcast.expires_at_ms) -
                            std::max(stretch.from_ms, broadcast.sent_at_ms);
    longest = std::max(longest, overlap);
  }
  return longest;
}

void CheckPair(const Ledger& ledger, const LedgerClient& client, const LedgerBroadcast& broadcast,
               int64_t shown, std::vector<std::string>& findings) {
  const int64_t overlap = LongestOverlap(client, broadcast);
  const int64_t least = overlap >= ledger.due_min_ms ? 1 : 0;
  const int64_t most = overlap > 0 ? 1 : 0;
  if (shown >= least && shown <= std::max(least, most)) return;
  const char* what = shown < least ? "lost" : most == 0 && least == 0 ? "not due" : "doubled";
  findings.push_back(absl::StrCat(what, ": ", client.name, " showed ", broadcast.id, " ", shown,
                                  " times; attached for ", std::max<int64_t>(overlap, 0),
                                  " ms at a stretch within its window"));
}

}  // namespace

std::vector<std::string> CheckLedger(const Ledger& ledger) {
  std::vector<std::string> findings;
  std::set<std::string> accepted;
  for (const auto& broadcast : ledger.broadcasts) {
    if (!accepted.insert(broadcast.id).second) {
      findings.push_back(absl::StrCat("accepted twice: ", broadcast.id));
    }
  }
  for (const LedgerClient& client : ledger.clients) {
    std::map<std::string, int64_t> shown;
    for (const auto& s : client.shown) ++shown[s.id];
    for (const auto& broadcast : ledger.broadcasts) {
      CheckPair(ledger, client, broadcast, shown[broadcast.id], findings);
    }
    for (const auto& [id, count] : shown) {
      if (count > 0 && !accepted.contains(id)) {
        findings.push_back(
            absl::StrCat("unknown: ", client.name, " showed ", id, ", which was never accepted"));
      }
    }
  }
  return findings;
}

absl::StatusOr<Ledger> ParseLedger(absl::string_view json) {
  try {
    const auto root = nlohmann::json::parse(json.begin(), json.end());
    Ledger ledger;
    ledger.due_min_ms = root.at("due_min_ms").get<int64_t>();
    for (const auto& b : root.at("broadcasts")) {
      ledger.broadcasts.push_back({b.at("id").get<std::string>(), b.at("sent_at_ms").get<int64_t>(),
                                   b.at("expires_at_ms").get<int64_t>()});
    }
    for (const auto& c : root.at("clients")) {
      LedgerClient client{.name = c.at("name").get<std::string>(), .active = {}, .shown = {}};
      for (const auto& a : c.at("active")) {
        client.active.push_back({a.at(0).get<int64_t>(), a.at(1).get<int64_t>()});
      }
      for (const auto& s : c.at("shown")) {
        client.shown.push_back({s.at("id").get<std::string>(), s.at("at_ms").get<int64_t>()});
      }
      ledger.clients.push_back(std::move(client));
    }
    return ledger;
  } catch (const nlohmann::json::exception& e) {
    return absl::InvalidArgumentError(e.what());
  }
}

}  // namespace p2p::testing
