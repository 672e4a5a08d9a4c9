#include "peer-client/state/known_peers.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/check.h"

namespace p2p::client {
namespace {

constexpr absl::string_view kHeader = "p2p-known-peers 1";
constexpr absl::string_view kNone = "-";

std::optional<wire::DeviceKey> ParseKey(absl::string_view hex) {
  const auto bytes = HexDecode(hex);
  wire::DeviceKey key;
  if (!bytes || bytes->size() != key.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), key.begin());
  return key;
}

// uid my_uid key flags offered name; offered may be KEY:COMPARED
std::optional<KnownPeer> ParseLine(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 6 || words[5].empty()) return std::nullopt;
  const auto uid = UserId::FromHex(words[0]);
  const auto my_uid = UserId::FromHex(words[1]);
  const auto key = ParseKey(words[2]);
  const std::vector<absl::string_view> keys = absl::StrSplit(words[4], ':');
  const auto offered = ParseKey(keys.front());
  const auto compared = ParseKey(keys.back());
  if (!uid || !my_uid || !key || keys.size() > 2) return std::nullopt;
  if ((!offered || !compared) && words[4] != kNone) return std::nullopt;
  KnownPeer peer{.uid = *uid, .my_uid = *my_uid, .name = std::string(words[5]), .key = *key};
  if (words[3] != "v" && words[3] != "u" && words[3] != "n") return std::nullopt;
  peer.verified = words[3] == "v";
  peer.namesake = words[3] == "n";
  peer.offered = offered;
  peer.compared = compared;
  return peer;
}

std::string OfferedText(const KnownPeer& peer) {
  if (!peer.offered) return std::string(kNone);
  std::string text = HexEncode(*peer.offered);
  if (peer.compared != peer.offered) absl::StrAppend(&text, ":", HexEncode(*peer.compared));
  return text;
}

std::string ToLine(const KnownPeer& peer) {
  return absl::StrCat(peer.uid.Hex(), " ", peer.my_uid.Hex(), " ", HexEncode(peer.key), " ",
                      peer.verified   ? "v"
                      : peer.namesake ? "n"
                                      : "u",
                      " ", OfferedText(peer), " ", peer.name, "\n");
}

}  // namespace

absl::StatusOr<KnownPeers> KnownPeers::Open(LogStorage& storage, std::string path) {
  KnownPeers known(storage, std::move(path));
  const auto content = storage.Read(known.path_);
  if (absl::IsNotFound(content.status())) return known;
  if (!content.ok()) return content.status();
  const absl::Status damaged =
      absl::DataLossError(absl::StrCat(known.path_, " is damaged; restore it or move it away"));
  std::vector<absl::string_view> lines = absl::StrSplit(*content, '\n');
  if (lines.size() < 2 || lines.front() != kHeader || !lines.back().empty()) return damaged;
  for (size_t i = 1; i + 1 < lines.size(); ++i) {
    auto peer = ParseLine(lines[i]);
    if (!peer) return damaged;
    known.peers_.push_back(*std::move(peer));
  }
  return known;
}

absl::Status KnownPeers::Save() const {
  std::string content = absl::StrCat(kHeader, "\n");
  for (const KnownPeer& peer : peers_) content += ToLine(peer);
  return storage_->Replace(path_, content);
}

absl::StatusOr<KnownPeers::Verdict> KnownPeers::Meet(const wire::IntroducedParty& peer,
                                                     const UserId& me) {
  const auto same_name = [&](const KnownPeer& other) {
    return other.uid != peer.uid && absl::EqualsIgnoreCase(other.name, peer.name);
  };
  const auto known = std::ranges::find(peers_, peer.uid, &KnownPeer::uid);
  Verdict verdict = Verdict::kFirst;
  KnownPeer entry;
  if (known == peers_.end()) {
    entry = {.uid = peer.uid, .my_uid = me, .name = peer.name, .key = peer.device_key};
    entry.namesake = std::ranges::any_of(peers_, same_name);
    if (entry.namesake) verdict = Verdict::kNamesake;
  } else {
    entry = *known;
    entry.name = peer.name;
    const bool changed = entry.key != peer.device_key;
    entry.offered = changed ? std::optional(peer.device_key) : std::nullopt;
    if (!changed) entry.compared.reset();
    if (changed && !entry.compared) entry.compared = entry.offered;
    verdict = changed ? Verdict::kChanged : Verdict::kSame;
    peers_.erase(known);
  }
  if (peers_.size() >= kMax) {
    const auto forgotten = std::ranges::find(peers_, false, &KnownPeer::verified);
    peers_.erase(forgotten == peers_.end() ? peers_.begin() : forgotten);
  }
  peers_.push_back(std::move(entry));
  P2P_RETURN_IF_ERROR(Save());
  return verdict;
}

const KnownPeer* KnownPeers::Find(absl::string_view name) const {
  const auto it = std::find_if(peers_.rbegin(), peers_.rend(), [&](const KnownPeer& peer) {
    return absl::EqualsIgnoreCase(peer.name, name);
  });
  return it == peers_.rend() ? nullptr : &*it;
}

const KnownPeer* KnownPeers::Find(const UserId& uid) const {
  const auto it = std::ranges::find(peers_, uid, &KnownPeer::uid);
  return it == peers_.end() ? nullptr : &*it;
}

absl::StatusOr<KnownPeer*> KnownPeers::Named(absl::string_view name) {
  const KnownPeer* found = Find(name);
  if (found == nullptr) {
    return absl::NotFoundError(absl::StrCat("you have never talked with ", name));
  }
  return const_cast<KnownPeer*>(found);
}

absl::Status KnownPeers::MarkVerified(absl::string_view name) {
  P2P_ASSIGN_OR_RETURN(KnownPeer * peer, Named(name));
  if (peer->offered) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the key of ", peer->name, " has changed; /trust ", peer->name, " comes first"));
  }
  peer->verified = true;
  peer->namesake = false;
  return Save();
}

absl::Status KnownPeers::NoteCompared(absl::string_view name) {
  P2P_ASSIGN_OR_RETURN(KnownPeer * peer, Named(name));
  if (peer->compared == peer->offered) return absl::OkStatus();
  peer->compared = peer->offered;
  return Save();
}

absl::Status KnownPeers::Trust(absl::string_view name) {
  P2P_ASSIGN_OR_RETURN(KnownPeer * peer, Named(name));
  if (!peer->offered) {
    return absl::FailedPreconditionError(
        absl::StrCat("the key of ", peer->name, " has not changed"));
  }
  if (peer->offered != peer->compared) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the key of ", peer->name, " has changed again; /verify ", peer->name, " comes first"));
  }
  peer->key = *peer->offered;
  peer->offered.reset();
  peer->compared.reset();
  peer->verified = false;
  return Save();
}

}  // namespace p2p::client
