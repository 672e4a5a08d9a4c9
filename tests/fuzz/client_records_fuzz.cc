// The small files that a client keeps: link records, transfers, known peers, and the names it gives
// to files of strangers. What can be read is the same after it was written again.
#include "common/base/check.h"
#include "common/base/text.h"
#include "peer-client/state/known_peers.h"
#include "peer-client/state/link_records.h"
#include "peer-client/transfer/file_name.h"
#include "peer-client/transfer/transfer_store.h"
#include "tests/fakes/memory_storage.h"

namespace {

using namespace p2p;
using namespace p2p::client;

void CheckLinkRecord(ByteView in) {
  const auto record = ParseLinkRecord(in);
  if (!record) return;
  const Bytes written = SerializeLinkRecord(*record);
  const auto again = ParseLinkRecord(written);
  P2P_CHECK(again);
  P2P_CHECK(again->id == record->id && again->we_requested == record->we_requested &&
            again->we_control == record->we_control && again->hanging_up == record->hanging_up);
  P2P_CHECK(again->approval_until == record->approval_until);
  P2P_CHECK(again->talk_until == record->talk_until);
  P2P_CHECK(std::ranges::equal(again->secret.view(), record->secret.view()));
  P2P_CHECK(again->me.uid == record->me.uid && again->peer.device_key == record->peer.device_key &&
            again->peer.candidates == record->peer.candidates);
  P2P_CHECK(AllZero(again->me.nonce) && AllZero(again->peer.nonce));
  P2P_CHECK(SerializeLinkRecord(*again) == written);
}

void CheckTransfer(absl::string_view in) {
  const auto record = ParseTransfer(in);
  if (!record) return;
  const std::string written = SerializeTransfer(*record);
  const auto again = ParseTransfer(written);
  P2P_CHECK(again);
  P2P_CHECK(again->id == record->id && again->incoming == record->incoming &&
            again->state == record->state && again->path == record->path);
  P2P_CHECK(again->size == record->size && again->modified_ns == record->modified_ns &&
            again->order == record->order && again->sha256 == record->sha256);
  P2P_CHECK(again->peer == record->peer && again->name == record->name &&
            again->reason == record->reason);
  P2P_CHECK(SerializeTransfer(*again) == written);
}

// A damaged list is refused whole; one that is taken takes somebody new and keeps everybody.
void CheckKnownPeers(absl::string_view in) {
  MemoryStorage storage;
  P2P_CHECK(storage.Replace("peers", in).ok());
  auto known = KnownPeers::Open(storage, "peers");
  if (!known.ok()) {
    P2P_CHECK(absl::IsDataLoss(known.status()) && storage.Raw("peers") == in);
    return;
  }
  wire::IntroducedParty carol{.uid = UserId{{0xca, 0x01}},
                              .name = "carol",
                              .device_key = {1, 2, 3},
                              .observed = {},
                              .candidates = {},
                              .nonce = {}};
  const KnownPeer* before = known->Find(carol.uid);
  const bool pinned = before != nullptr && before->key != carol.device_key;
  const auto verdict = known->Meet(carol, UserId{{7}});
  P2P_CHECK(verdict.ok());
  P2P_CHECK((*verdict == KnownPeers::Verdict::kChanged) == pinned);
  auto again = KnownPeers::Open(storage, "peers");
  P2P_CHECK(again.ok());
  const KnownPeer* found = again->Find(carol.uid);
  P2P_CHECK(found != nullptr && found->name == "carol");
  P2P_CHECK((found->key == carol.device_key) == !pinned);
}

void CheckFileName(absl::string_view in) {
  const auto name = SafeFileName(in);
  if (!name) return;
  P2P_CHECK(!name->empty() && name->size() <= wire::kMaxFileName && IsValidUtf8(*name));
  P2P_CHECK(name->front() != '.' && name->find_first_of("/\\") == std::string::npos);
  for (const char c : *name) P2P_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  P2P_CHECK(SafeFileName(*name) == name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView in(data, size);
  CheckLinkRecord(in);
  CheckTransfer(AsText(in));
  CheckKnownPeers(AsText(in));
  CheckFileName(AsText(in));
  return 0;
}
