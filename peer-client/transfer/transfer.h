// One file on its way: frames in, frames out, and what its user is told.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "common/base/clock.h"
#include "common/wire/peer_link_limits.h"
#include "p2p/v1/chat.pb.h"
#include "peer-client/app/output.h"
#include "peer-client/transfer/disk_files.h"
#include "peer-client/transfer/sliced_hash.h"
#include "peer-client/transfer/transfer_store.h"

namespace p2p::client {

// What a peer is told of a failure here: never the words of this machine, which name its paths.
inline constexpr absl::string_view kToldChanged = "the file has changed since it was offered";
inline constexpr absl::string_view kToldUnreadable = "the file cannot be read there any more";
inline constexpr absl::string_view kToldNoRoom = "there is no room for the file there";
inline constexpr absl::string_view kToldUnwritable = "the file cannot be written there";
inline constexpr absl::string_view kToldReoffered = "it was offered again as something else";
inline constexpr absl::string_view kToldTooMuch = "more came than was announced";
inline constexpr absl::string_view kToldDiffers =
    "what came is not what was announced (SHA-256 differs)";
inline constexpr absl::string_view kToldReasons[] = {
    kToldChanged,   kToldUnreadable, kToldNoRoom,  kToldUnwritable,
    kToldReoffered, kToldTooMuch,    kToldDiffers,
};

struct TransferContext {
  asio::io_context& io;
  const Clock& clock;
  TransferStore& store;
  const std::string& folder;
  std::function<void(Output)> show;
  std::function<void(const std::string& peer)> wake;
};

// How far it is, how fast, how long still: told at most once a second. Pure.
class TransferProgress {
 public:
  // Since then bytes count for the rate.
  void Start(uint64_t at, MonoTime now);
  // True: a second has passed since the last time.
  bool Advance(uint64_t at, MonoTime now);
  double rate() const { return rate_; }  // Bytes a second.

 private:
  MonoTime told_{};
  uint64_t told_at_ = 0;
  double rate_ = 0;
};

// Of either direction. One thread.
class Transfer {
 public:
  // Of what may be on its way unacknowledged, a part is enough; a cut loses no more than that.
  static constexpr uint64_t kSendWindow = wire::kFileWindow / 2;

  static std::unique_ptr<Transfer> Make(const TransferContext& context, TransferRecord record);
  virtual ~Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  const TransferRecord& record() const { return record_; }
  out::Transfer Describe() const;

  virtual void OnOpen() = 0;  // A connection is there; frames may be asked for.
  virtual void OnClosed() = 0;
  // False: it breaks the protocol.
  virtual bool OnFrame(const v1::ChatFrame& frame) = 0;
  // Announcements and acknowledgements go before content.
  bool NextControl(v1::ChatFrame& frame);
  virtual bool NextChunk(v1::ChatFrame&) { return false; }
  virtual absl::Status Accept() { return absl::FailedPreconditionError("it is yours"); }
  // By the user of this side.
  void Cancel();
  // There is nobody any more whom it could go on with.
  void Abandon(absl::string_view reason);
  void Pause(bool on);

 protected:
  Transfer(const TransferContext& context, TransferRecord record)
      : context_(context), record_(std::move(record)) {}
  virtual uint64_t at() const = 0;  // Bytes that are over there, or here.
  virtual void LetGo() = 0;  // It is over: files are closed, and a part that is of no use removed.
  virtual void OnPause() {}

  // Waits for a connection when there is none, in place of an older one of its kind.
  void Send(v1::ChatFrame frame);
  void SendCancel();  // With what the record says for the peer.
  // Durable and told; false: the disk does not take it, which is told instead.
  bool Become(TransferState state, absl::string_view reason = "");
  // Over: `reason` is what our user reads, `told` (one of kToldReasons) what the peer does.
  void Fail(absl::string_view reason, absl::string_view told);
  void Fail(absl::string_view told) { Fail(told, told); }
  bool OnCancel(const v1::FileCancel& cancel);
  void Tell() { context_.show(Describe()); }
  void TellProgress();
  bool open() const { return open_; }

  const TransferContext& context_;
  TransferRecord record_;
  TransferProgress progress_;
  std::deque<v1::ChatFrame> control_;
  std::shared_ptr<SlicedHash> hashing_;
  bool open_ = false;
  bool running_ = false;
  bool paused_ = false;
};

std::unique_ptr<Transfer> MakeOutgoing(const TransferContext& context, TransferRecord record);
std::unique_ptr<Transfer> MakeIncoming(const TransferContext& context, TransferRecord record);

}  // namespace p2p::client
