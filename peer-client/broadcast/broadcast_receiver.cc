#include "peer-client/broadcast/broadcast_receiver.h"

#include <asio/steady_timer.hpp>

#include "common/base/check.h"
#include "common/wire/broadcast_payload.h"
#include "peer-client/broadcast/broadcast_inbox.h"
#include "peer-client/broadcast/receiver_core.h"
#include "peer-client/broadcast/udp_driver.h"

namespace p2p::client {
namespace {

// The client's clock is all there is when the journal is opened; it may be wrong by a day.
constexpr Duration kClockTolerance = 24h;

class Receiver final : public BroadcastReceiver, private ReceiverCore::Inbox {
 public:
  Receiver(const Options& options, std::unique_ptr<LogStorage> storage,
           std::unique_ptr<BroadcastJournal> journal, asio::io_context& io, const Clock& clock,
           Random& random, BroadcastListener& listener)
      : clock_(clock),
        listener_(listener),
        storage_(std::move(storage)),
        journal_(std::move(journal)),
        inbox_(*journal_),
        core_(options.timing, random, *this),
        driver_(io, {.on_datagram =
                         [this](ByteView datagram) { core_.OnDatagram(datagram, clock_.Mono()); },
                     .on_batch_end = [this] { Pump(); }}),
        timer_(io) {}

  void EmitUnshown() override {
    for (const BroadcastMessage& message : inbox_.TakeUnshown()) listener_.OnBroadcast(message);
  }

  void Attach(AttachInfo info) override {
    const WallTime wall = clock_.Wall();
    const bool has_time = ToMs(info.server_time) != 0;
    inbox_.SetServer(info.broadcast_public_key, info.retention,
                     has_time ? Duration(info.server_time - wall) : Duration(0));
    attached_ = true;
    relay_ = info.relay;
    if (relay_) {
      core_.Start(info.conn_id, std::move(info.psk), clock_.Mono());
    } else {
      StopCore();
    }
    Pump();
  }

  void Detach() override {
    attached_ = false;
    StopCore();
    Pump();
  }

  absl::Status OnChannelBroadcast(BroadcastId id, ByteView signed_object, ByteView signature,
                                  absl::string_view text) override {
    if (!attached_) return absl::FailedPreconditionError("not attached");
    const auto verdict = inbox_.Accept(id, signed_object, signature, AsBytes(text),
                                       BroadcastVia::kChannel, clock_.Wall());
    switch (verdict) {
      case BroadcastInbox::Verdict::kForged:
        return absl::InvalidArgumentError("broadcast with a wrong signature or object");
      case BroadcastInbox::Verdict::kStale:
        return absl::InvalidArgumentError("broadcast that expired long ago");
      case BroadcastInbox::Verdict::kNew:
      case BroadcastInbox::Verdict::kDuplicate:
      case BroadcastInbox::Verdict::kFailed:
        break;
    }
    Pump();
    if (journal_->Find(id) == BroadcastJournal::State::kDurable) return absl::OkStatus();
    if (journal_->IsTakenBack(id)) return absl::FailedPreconditionError("it was taken back");
    return absl::UnavailableError("the broadcast journal cannot be written");
  }

  std::optional<BroadcastVia> Via(BroadcastId id) const override { return inbox_.Via(id); }

  std::optional<BroadcastMessage> TakeBack(BroadcastId id, bool& has) override {
    auto shown = inbox_.TakeBack(id, clock_.Wall());
    has = inbox_.Find(id) == BroadcastJournal::State::kDurable;
    return shown;
  }

  void MarkShown(BroadcastId id) override {
    if (!inbox_.MarkShown(id).ok()) return;  // Reported when a message cannot be kept.
  }

 private:
  Known Find(BroadcastId id) const override {
    switch (inbox_.Find(id)) {
      case BroadcastJournal::State::kUnknown:
        return Known::kNo;
      case BroadcastJournal::State::kUnsynced:
        return Known::kNotYetDurable;
      case BroadcastJournal::State::kDurable:
        return Known::kDurable;
    }
    return Known::kNo;
  }
  std::vector<BroadcastId> Newest(size_t max) const override { return inbox_.Newest(max); }
  void OnPayload(BroadcastId id, ByteView payload) override {
    const auto parts = wire::BroadcastPayload::Parse(payload);
    if (!parts) return;
    // A forged one is dropped in silence: the relay may be broken into, the server is not.
    (void)inbox_.Accept(id, parts->signed_object, parts->signature, parts->text, BroadcastVia::kUdp,
                        clock_.Wall());
  }

  void StopCore() {
    Datagrams out;
    core_.Stop(out);
    for (const Bytes& datagram : out) driver_.Send(datagram);
    driver_.Close();
  }

  // Journal, acknowledge, show, and wait for what comes next. The listener may call back in: then
  // the outer call goes round once more.
  void Pump() {
    if (std::exchange(pumping_, true)) {
      again_ = true;
      return;
    }
    do {
      again_ = false;
      Turn();
    } while (again_);
    pumping_ = false;
    Arm();
  }

  void Turn() {
    const MonoTime now = clock_.Mono();
    auto messages = inbox_.Commit(clock_.Wall());
    if (messages.ok()) {
      for (const BroadcastMessage& message : *messages) core_.Done(message.id, now);
    }
    Datagrams out;
    core_.Poll(now, out);
    if (core_.TakeSocketWish() && relay_) driver_.Open(*relay_);
    for (const Bytes& datagram : out) driver_.Send(datagram);
    if (const UdpState state = core_.state(); state != std::exchange(told_, state)) {
      listener_.OnUdpState(state);
    }
    if (messages.ok()) {
      for (const BroadcastMessage& message : *messages) listener_.OnBroadcast(message);
    }
    if (!inbox_.journal_status().ok() && !std::exchange(told_failure_, true)) {
      listener_.OnJournalFailed(inbox_.journal_status());
    }
  }

  void Arm() {
    const auto next = core_.NextDeadline();
    if (!next) {
      timer_.cancel();
      return;
    }
    timer_.expires_after(std::max(*next - clock_.Mono(), Duration(0)));
    // A wait that ended just before the receiver did is still delivered: it finds nobody alive.
    timer_.async_wait([this, alive = std::weak_ptr(alive_)](const asio::error_code& error) {
      if (!error && !alive.expired()) Pump();
    });
  }

  const Clock& clock_;
  BroadcastListener& listener_;
  std::unique_ptr<LogStorage> storage_;  // Used by the journal.
  std::unique_ptr<BroadcastJournal> journal_;
  BroadcastInbox inbox_;
  ReceiverCore core_;
  UdpDriver driver_;
  asio::steady_timer timer_;
  std::optional<net::SocketAddress> relay_;
  UdpState told_ = UdpState::kOff;
  bool attached_ = false;
  bool told_failure_ = false;
  bool pumping_ = false;
  bool again_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

absl::StatusOr<std::unique_ptr<BroadcastReceiver>> BroadcastReceiver::Create(
    Options options, asio::io_context& io, const Clock& clock, Random& random,
    BroadcastListener& listener) {
  auto storage = std::make_unique<DiskStorage>();
  P2P_ASSIGN_OR_RETURN(auto journal, BroadcastJournal::Open(
                                         *storage, options.journal_path, clock.Wall(),
                                         JournalKeep(options.timing.retention) + kClockTolerance));
  return std::make_unique<Receiver>(options, std::move(storage), std::move(journal), io, clock,
                                    random, listener);
}

}  // namespace p2p::client
