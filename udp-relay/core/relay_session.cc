#include "udp-relay/core/relay_session.h"

namespace p2p::relay {
namespace {

constexpr int kSilentPings = 3;
constexpr uint32_t kFirstEpoch = 0;

uint32_t Milliseconds(Duration d) {
  return static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

}  // namespace

Duration Jitter::Spread(Duration d) {
  uint64_t x = state_ += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  const auto permille = static_cast<int64_t>(800 + (x ^ (x >> 31)) % 401);
  return d / 1000 * permille;
}

RelaySession::RelaySession(ConnId id, Secret<32> psk, const RelayOptions& options,
                           session::Ciphers& ciphers)
    : ciphers_(ciphers),
      id_(id),
      pacer_(options.client_rate, options.client_burst),
      rtt_(options.pto),
      silent_after_(options.ping * kSilentPings),
      psk_(std::move(psk)),
      mac_key_(session::DeriveRegisterMacKey(psk_)),
      longest_first_rtt_(options.pto.initial * 4 / 5),
      register_bucket_(options.register_source_rate, options.register_source_burst) {}

void RelaySession::Prefetch() const {
  constexpr size_t kLine = 64;
  const auto* begin = reinterpret_cast<const char*>(this);
  const auto* end = reinterpret_cast<const char*>(&current_) + offsetof(Keys, client_random);
  for (const char* line = begin; line < end; line += kLine) __builtin_prefetch(line, 1);
}

bool RelaySession::VerifyMac(ByteView datagram) const {
  return session::VerifyRegisterMac(mac_key_, datagram);
}

const session::RegisteredBytes* RelaySession::Accept(const wire::RegisterPacket& packet,
                                                     const wire::RegisterBody& body,
                                                     const Path& path, MonoTime now, Random& random,
                                                     const RelayOptions& options) {
  if (pending_ && pending_->client_random == packet.client_random) {
    pending_->path = path;
    pending_->replied_at.reset();
    return &pending_->reply;
  }
  if (current_ && current_->client_random == packet.client_random) return &current_->reply;
  if (body.reg_seq <= reg_seq_) return nullptr;
  reg_seq_ = body.reg_seq;
  const auto server_random = random.Array<wire::kRandomSize>();
  const auto key = [&](session::Direction direction) {
    return session::DeriveSessionKey(psk_, packet.client_random, server_random, id_, direction,
                                     kFirstEpoch);
  };
  const wire::RegisteredBody answer{.epoch = kFirstEpoch,
                                    .retention_ms = Milliseconds(options.retention),
                                    .ping_ms = Milliseconds(options.ping),
                                    .reg_seq = body.reg_seq};
  pending_ = std::make_unique<Keys>(
      Keys{.sealer = session::Sealer(key(session::Direction::kToClient), id_, kFirstEpoch),
           .path = path,
           .opener = session::RelayOpener(key(session::Direction::kToRelay), id_, kFirstEpoch),
           .client_random = packet.client_random,
           .reply = session::MakeRegistered(psk_, id_, packet.client_random, server_random, answer),
           .replied_at = now});
  return &pending_->reply;
}

void RelaySession::SampleRegistration(const Keys& keys, MonoTime now) {
  if (!keys.replied_at || rtt_.smoothed()) return;
  const Duration took = now - *keys.replied_at;
  if (took < longest_first_rtt_) rtt_.OnSample(took, Duration(0));
}

RelaySession::Opened RelaySession::Open(const wire::DataHeader& header, ByteView datagram,
                                        MonoTime now, std::span<uint8_t> plain) {
  if (pending_) {
    const auto result = pending_->opener.Open(ciphers_, header, datagram, now, plain);
    if (result.error == session::OpenError::kNone) {
      const bool moved = current_ && !(current_->path == pending_->path);
      current_ = std::move(*std::exchange(pending_, nullptr));
      if (moved) rtt_.Reset();
      SampleRegistration(*current_, now);
      queue_.SendAllAgain();
      probe_.Forget();
      told_window_ = Duration(0);
      return {session::OpenError::kNone, result.frames, true, result.newest};
    }
    if (!current_) return {result.error};
  }
  if (!current_) return {};
  const auto result = current_->opener.Open(ciphers_, header, datagram, now, plain);
  return {result.error, result.frames, false, result.newest};
}

bool RelaySession::OnSource(const Path& path, size_t bytes, bool newest, MonoTime now,
                            Random& random, Egress& egress, Outbox& out) {
  if (!newest || !current_) return false;
  if (current_->path.remote == path.remote) {
    probe_.Forget();
    return false;
  }
  const auto challenge = probe_.OnOther(path, bytes, rtt_.Pto(1), now, random);
  return challenge && SendFrame(*challenge, path, now, egress, out);
}

bool RelaySession::OnPathResponse(const wire::PathResponseFrame& response, const Path& path,
                                  MonoTime now) {
  if (!current_ || !probe_.OnResponse(response, path, now)) return false;
  current_->path = path;
  rtt_.Reset();
  queue_.SendAllAgain();
  return true;
}

bool RelaySession::MarkReachable() {
  if (reachable_) return false;
  reachable_ = true;
  queue_.SendAllAgain();
  return true;
}

bool RelaySession::MarkSilent() { return std::exchange(reachable_, false); }

std::optional<MonoTime> RelaySession::SilentAt() const {
  if (!reachable_) return std::nullopt;
  return last_heard_ + silent_after_;
}

std::optional<MonoTime> RelaySession::Transmit(MonoTime now, SendContext& context, Outbox& out) {
  if (current_) current_->sealer.Advance(now);
  while (reachable_ && current_) {
    const auto due = NextDue(now);
    if (!due) return queue_.NextDeadline();
    if (!pacer_.Has(1, now)) return pacer_.ReadyAt(1, now);
    if (!context.egress.Allows(now)) return context.egress.ReadyAt(now);
    if (out.full()) return now;
    if (current_->sealer.exhausted()) {
      current_.reset();  // The client notices the silence and registers anew.
      break;
    }
    SendOne(*due, now, context, out);
  }
  return std::nullopt;
}

std::optional<TransmitQueue::Due> RelaySession::NextDue(MonoTime now) {
  while (const auto due = queue_.NextDue(now)) {
    if (due->tries == 0 || due->at_once) return due;
    const MonoTime at = due->sent + rtt_.Pto(due->tries) * 4 / 5 + told_window_;
    if (at <= now) return due;
    queue_.Postpone(*due, at);
  }
  return std::nullopt;
}

// One datagram, with as many of the due fragments as fit.
void RelaySession::SendOne(TransmitQueue::Due due, MonoTime now, SendContext& context,
                           Outbox& out) {
  const auto buffer = out.Begin();
  wire::SpanWriter frames(session::Sealer::FrameArea(buffer));
  const uint64_t packet_no = current_->sealer.next_packet_no();
  std::optional<TransmitQueue::Due> next = due;
  TellWindow(due, context.ack_window, frames);
  while (next && next->FrameSize() <= frames.room()) {
    next->Frame().SerializeTo(frames);
    context.counters.Add(RelayCount::kFragmentsOut);
    if (next->tries > 0) context.counters.Add(RelayCount::kFragmentsRepeated);
    const Duration patience = rtt_.Pto(next->tries + 1) + told_window_;
    queue_.OnSent(*next, packet_no, now, now + context.jitter.Spread(patience));
    next = NextDue(now);
  }
  const size_t size = current_->sealer.Seal(ciphers_, buffer, frames.size());
  (void)pacer_.Take(1, now);
  context.egress.Charge(size, now);
  context.counters.Add(RelayCount::kDatagramsOut);
  out.Commit(size, current_->path);
}

void RelaySession::TellWindow(const TransmitQueue::Due& next, Duration window,
                              wire::SpanWriter& frames) {
  if (!AckWindow::WorthTelling(told_window_, window)) return;
  if (frames.room() < wire::kAckWindowSize + next.FrameSize()) return;
  wire::AckWindowFrame{static_cast<uint16_t>(window / 1ms)}.SerializeTo(frames);
  told_window_ = window;
}

template <class Frame>
bool RelaySession::SendFrame(const Frame& frame, const Path& path, MonoTime now, Egress& egress,
                             Outbox& out) {
  const auto buffer = out.Begin();
  if (buffer.empty() || !current_ || current_->sealer.exhausted()) return false;
  wire::SpanWriter frames(session::Sealer::FrameArea(buffer));
  frame.SerializeTo(frames);
  const size_t size = wire::kDatagramHeaderSize + frames.size() + wire::kSealTagSize;
  if (!egress.TakeAnswer(size, now)) return false;
  out.Commit(current_->sealer.Seal(ciphers_, buffer, frames.size()), path);
  return true;
}

bool RelaySession::SendPong(const wire::PongFrame& pong, MonoTime now, Egress& egress,
                            Outbox& out) {
  return current_ && SendFrame(pong, current_->path, now, egress, out);
}

}  // namespace p2p::relay
