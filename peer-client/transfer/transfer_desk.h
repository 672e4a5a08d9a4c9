// The files of an account: what is offered, accepted and on its way, in both directions and with
// several peers. Frames 20 to 25 of proto/PEER_LINK.md.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/counters.h"
#include "common/base/random.h"
#include "peer-client/app/output.h"
#include "peer-client/chat/file_lane.h"
#include "peer-client/transfer/transfer.h"
#include "peer-client/transfer/transfer_store.h"

namespace p2p::client {

// What peers did that a desk drops.
enum class FileCount {
  kOfferOverRate,   // Refused, and nothing kept of it.
  kOfferOverBound,  // Refused: kMostOpen wait already.
  kRefusalDropped,  // Not even answered.
  kCount,
};

// One thread: the loop's. Nothing of it blocks for longer than a slice of a file.
class TransferDesk final : public FileExchange {
 public:
  static constexpr size_t kMostOpen = 32;  // Not over, of one peer and direction.
  // New offers that a peer may make at once, then one a second: whoever keeps to kMostOpen and one
  // a second, as this side does, may also come back with all of them.
  static constexpr size_t kOfferBurst = 2 * kMostOpen;

  struct Hooks {
    std::function<void(Output)> show;
    std::function<void(const std::string& peer)> wake;  // There is a frame to send.
  };
  // Loads what is known from `state_dir`; downloads go to `folder`. Everything outlives it.
  static absl::StatusOr<std::unique_ptr<TransferDesk>> Create(asio::io_context& io,
                                                              const Clock& clock, Random& random,
                                                              const std::string& state_dir,
                                                              std::string folder, Hooks hooks);
  ~TransferDesk() override;

  // Shows the offers that wait for an answer, and what cannot go on; at the start.
  void ShowWaiting();
  // Prepares, then offers the file as soon as there is a connection. Its id. FailedPrecondition: no
  // conversation with that peer.
  absl::StatusOr<std::string> Offer(const std::string& peer, const std::string& path);
  // `id` may be the beginning of one (4 characters), or empty when only one fits.
  absl::Status Accept(const std::string& id);
  absl::Status Cancel(const std::string& id);
  absl::Status Pause(const std::string& id, bool on);
  out::Transfers List() const;
  const Counters<FileCount>& counters() const { return counters_; }

  // FileExchange.
  FileLane* Lane(const FilePeer& peer) override;
  void OnOpen(const FilePeer& peer) override;
  void OnClosed(const FilePeer& peer) override;

 private:
  class PeerLane;
  TransferDesk(asio::io_context& io, const Clock& clock, Random& random, TransferStore store,
               std::string folder, Hooks hooks);
  Transfer* Find(const FileId& id);
  absl::StatusOr<Transfer*> Resolve(const std::string& text, bool to_accept);
  void Add(TransferRecord record);
  void RefuseNobodys(TransferRecord& record);
  PeerLane& LaneOf(const FilePeer& peer);
  void Forget();

  asio::io_context& io_;
  const Clock& clock_;
  Random& random_;
  TransferStore store_;
  const std::string folder_;
  const Hooks hooks_;
  TransferContext context_;
  std::map<uint64_t, std::unique_ptr<Transfer>> transfers_;  // By order.
  std::map<std::string, std::unique_ptr<PeerLane>> lanes_;   // By account and device key.
  std::map<std::string, PeerLane*> named_;                   // By lower-case name: who has it now.
  std::vector<FileId> nobodys_;                              // Refused at the start, to be shown.
  uint64_t next_order_ = 1;
  Counters<FileCount> counters_;
};

}  // namespace p2p::client
