#include "tests/bench/relay_town.h"

#include <unistd.h>

#include "absl/memory/memory.h"
#include "common/crypto/hash.h"
#include "common/crypto/os_random.h"
#include "common/wire/broadcast_object.h"
#include "common/wire/broadcast_payload.h"
#include "common/wire/delivery_frames.h"

namespace p2p::bench {

relay::SignedBroadcastPtr MakeBroadcast(size_t text_bytes, Random& random) {
  auto out = std::make_shared<relay::SignedBroadcast>();
  out->id = random.NewId<BroadcastId>();
  out->text = std::string(text_bytes, 'x');
  const wire::BroadcastObject object{.id = out->id,
                                     .sender = random.NewId<UserId>(),
                                     .sender_name = "alice",
                                     .sent_at = WallFromMs(1'700'000'000'000),
                                     .expires_at = WallFromMs(1'700'001'800'000),
                                     .text_digest = crypto::Sha256(AsBytes(out->text))};
  out->signed_object = object.Serialize();
  return out;
}

size_t PayloadBytes(const relay::SignedBroadcast& broadcast) {
  return wire::BroadcastPayload{.signed_object = broadcast.signed_object,
                                .signature = broadcast.signature,
                                .text = AsBytes(broadcast.text)}
      .Serialize()
      .size();
}

size_t FragmentsOf(const relay::SignedBroadcast& broadcast) {
  return (PayloadBytes(broadcast) + wire::kFragmentBytes - 1) / wire::kFragmentBytes;
}

MonoTime WatchingClock::Mono() const {
  const MonoTime now = clock_.Mono();
  const auto* counters = counters_.load(std::memory_order_relaxed);
  if (counters != nullptr && reached_.load(std::memory_order_relaxed) == MonoTime{} &&
      counters->Get(relay::RelayCount::kFragmentsOut) >= fragments_) {
    reached_ = now;
  }
  return now;
}

void WatchingClock::Watch(const relay::RelayCounters& counters, uint64_t fragments) {
  fragments_ = fragments;
  reached_ = MonoTime{};
  counters_ = &counters;
}

absl::StatusOr<std::unique_ptr<RelayTown>> RelayTown::Start(const relay::RelayOptions& options) {
  P2P_ASSIGN_OR_RETURN(net::UniqueFd socket,
                       relay::OpenRelaySocket({net::IpAddress::V4(0x7F000001), 0}));
  auto town = absl::WrapUnique(new RelayTown);
  town->socket_ = net::UniqueFd(::dup(socket.get()));
  P2P_ASSIGN_OR_RETURN(
      town->worker_,
      relay::RelayWorker::Start(std::move(socket), options, town->clock_, town->random_, *town));
  return town;
}

void RelayTown::Admit(const RelayFleet& fleet) {
  for (size_t i = 0; i < fleet.size(); ++i) {
    admitted_.push_back(fleet.conn(i));
    worker_->AddSession(fleet.conn(i), fleet.psk(i));
  }
}

void RelayTown::Publish(const relay::SignedBroadcastPtr& broadcast) {
  worker_->AddBroadcast(broadcast, clock_.Mono() + 30min);
  worker_->QueueForAll(admitted_, broadcast->id);
}

}  // namespace p2p::bench
