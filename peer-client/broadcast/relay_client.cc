#include "peer-client/broadcast/relay_client.h"

#include <algorithm>

namespace p2p::client {
namespace {

constexpr int kLostPings = 3;
constexpr int kFailedRegistrations = 3;
constexpr uint16_t kCloseDetached = 0;
constexpr Duration kPingMin = 100ms;
constexpr Duration kPingMax = 60s;

template <size_t N>
Bytes Copy(const std::array<uint8_t, N>& bytes) {
  return Bytes(bytes.begin(), bytes.end());
}

}  // namespace

RelayClientOptions RelayOptionsFromTiming(const config::Timing& timing) {
  RelayClientOptions out;
  out.pto = {.initial = timing.pto_initial, .min = timing.pto_min, .max = timing.pto_max};
  out.ping = timing.relay_ping;
  out.registration_life = timing.channel_fallback / kFailedRegistrations;
  out.unusable_pause = 2 * timing.relay_ping;
  return out;
}

RelayClient::RelayClient(RelayClientOptions options, Random& random, Have have)
    : options_(options),
      random_(random),
      have_(std::move(have)),
      ping_(options.ping),
      pto_(options.pto) {}

void RelayClient::Start(ConnId conn_id, Secret<32> psk, MonoTime now) {
  conn_id_ = conn_id;
  psk_ = std::move(psk);
  keys_.reset();
  reg_seq_ = 0;
  failures_ = 0;
  ping_ = options_.ping;
  state_ = UdpState::kRegistering;
  BeginAttempt(now);
}

void RelayClient::Stop(Datagrams& out) {
  Seal([](wire::SpanWriter& frames) { wire::CloseFrame{kCloseDetached}.SerializeTo(frames); }, out);
  keys_.reset();
  psk_ = Secret<32>();
  phase_ = Phase::kIdle;
  state_ = UdpState::kOff;
}

void RelayClient::BeginAttempt(MonoTime now) {
  attempt_ = Attempt{};
  attempt_.client_random = random_.Array<wire::kRandomSize>();
  attempt_.reg_seq = ++reg_seq_;
  attempt_.sealed = session::SealRegisterBody(
      psk_, conn_id_, attempt_.client_random,
      {.reg_seq = attempt_.reg_seq, .have = have_(wire::kMaxRegisterHave)});
  attempt_.resend = Copy(session::MakeHello(psk_, conn_id_, attempt_.client_random));
  attempt_.ends = now + options_.registration_life;
  phase_ = Phase::kHello;
  socket_wish_ = true;
  next_ = now;
}

void RelayClient::OnAttemptFailed(MonoTime now) {
  ++failures_;
  if (failures_ < kFailedRegistrations) return BeginAttempt(now);
  state_ = UdpState::kUnusable;
  phase_ = Phase::kPause;
  next_ = now + Spread(options_.unusable_pause);
}

std::optional<RelayClient::Received> RelayClient::OnDatagram(ByteView datagram, MonoTime now,
                                                             std::span<uint8_t> plain) {
  const auto kind = wire::PeekKind(datagram);
  if (!kind || phase_ == Phase::kIdle) return std::nullopt;
  switch (*kind) {
    case wire::DatagramKind::kData:
      return OnData(datagram, now, plain);
    case wire::DatagramKind::kChallenge:
      OnChallenge(datagram, now);
      return std::nullopt;
    case wire::DatagramKind::kRegistered:
      OnRegistered(datagram, now);
      return std::nullopt;
    case wire::DatagramKind::kRegister:
      return std::nullopt;
  }
  return std::nullopt;
}

void RelayClient::OnChallenge(ByteView datagram, MonoTime now) {
  const auto packet = wire::ChallengePacket::Parse(datagram);
  if (phase_ != Phase::kHello && phase_ != Phase::kCookie) return;
  if (!packet || packet->conn_id != conn_id_ || packet->client_random != attempt_.client_random) {
    return;
  }
  if (!session::VerifyChallengeMac(psk_, datagram)) return;
  auto next = Copy(session::MakeRegister(psk_, conn_id_, attempt_.client_random, packet->cookie,
                                         attempt_.sealed));
  if (next == attempt_.resend) return;  // A late or doubled CHALLENGE.
  attempt_.resend = std::move(next);
  attempt_.tries = 0;
  phase_ = Phase::kCookie;
  next_ = now;
}

void RelayClient::OnRegistered(ByteView datagram, MonoTime now) {
  if (phase_ != Phase::kCookie) return;
  const auto packet = wire::RegisteredPacket::Parse(datagram);
  if (!packet || packet->conn_id != conn_id_ || packet->client_random != attempt_.client_random) {
    return;
  }
  const auto body = session::OpenRegistered(psk_, *packet);
  if (!body || body->reg_seq != attempt_.reg_seq) return;
  const auto key = [&](session::Direction direction) {
    return session::DeriveSessionKey(psk_, packet->client_random, packet->server_random, conn_id_,
                                     direction, body->epoch);
  };
  keys_ = std::make_unique<Keys>(
      Keys{session::Sealer(key(session::Direction::kToRelay), conn_id_, body->epoch),
           session::ClientOpener(key(session::Direction::kToClient), conn_id_, body->epoch)});
  ++generation_;
  if (body->ping_ms > 0) {
    ping_ = std::clamp<Duration>(std::chrono::milliseconds(body->ping_ms), kPingMin, kPingMax);
  }
  phase_ = Phase::kConfirming;
  attempt_.tries = 0;
  next_ = now;
}

std::optional<RelayClient::Received> RelayClient::OnData(ByteView datagram, MonoTime now,
                                                         std::span<uint8_t> plain) {
  const auto header = wire::DataHeader::Parse(datagram);
  if (!keys_ || !header || header->conn_id != conn_id_) return std::nullopt;
  const auto opened = keys_->opener.Open(ciphers_, *header, datagram, now, plain);
  if (opened.error != session::OpenError::kNone) return std::nullopt;
  heard_since_ping_ = true;
  if (phase_ == Phase::kConfirming) {
    phase_ = Phase::kUp;
    state_ = UdpState::kWorking;
    failures_ = 0;
    lost_pings_ = 0;
    next_ = now + Spread(ping_);
  }
  return Received{header->packet_no, opened.frames};
}

void RelayClient::Poll(MonoTime now, Datagrams& out) {
  if (keys_) keys_->sealer.Advance(now);
  if (phase_ == Phase::kIdle || now < next_) return;
  switch (phase_) {
    case Phase::kIdle:
      return;
    case Phase::kHello:
    case Phase::kCookie:
    case Phase::kConfirming:
      return PollAttempt(now, out);
    case Phase::kUp:
      return PollPing(now, out);
    case Phase::kPause:
      BeginAttempt(now);
      return PollAttempt(now, out);
  }
}

void RelayClient::PollAttempt(MonoTime now, Datagrams& out) {
  if (now >= attempt_.ends) {
    OnAttemptFailed(now);
    if (phase_ == Phase::kPause) return;
  }
  if (phase_ == Phase::kConfirming) {
    SendPing(out);
  } else {
    out.push_back(attempt_.resend);
  }
  ++attempt_.tries;
  next_ = std::min(attempt_.ends, now + Spread(pto_.Pto(attempt_.tries)));
}

void RelayClient::PollPing(MonoTime now, Datagrams& out) {
  lost_pings_ = heard_since_ping_ ? 0 : lost_pings_ + 1;
  if (lost_pings_ >= kLostPings || (keys_ && keys_->sealer.exhausted())) {
    lost_pings_ = 0;
    failures_ = 0;
    state_ = UdpState::kRegistering;
    BeginAttempt(now);
    return PollAttempt(now, out);
  }
  heard_since_ping_ = false;
  SendPing(out);
  next_ = now + Spread(ping_);
}

std::optional<MonoTime> RelayClient::NextDeadline() const {
  if (phase_ == Phase::kIdle) return std::nullopt;
  return next_;
}

bool RelayClient::Seal(const std::function<void(wire::SpanWriter&)>& write, Datagrams& out) {
  if (!keys_ || keys_->sealer.exhausted()) return false;
  std::array<uint8_t, wire::kMaxDatagram> buffer;
  wire::SpanWriter frames(session::Sealer::FrameArea(buffer));
  write(frames);
  if (frames.size() == 0) return false;
  const size_t size = keys_->sealer.Seal(ciphers_, buffer, frames.size());
  out.emplace_back(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(size));
  return true;
}

void RelayClient::SendPing(Datagrams& out) {
  // From an address that the relay does not know a PING must be worth a challenge.
  static constexpr std::array<uint8_t, wire::kPathTokenSize> kPadding{};
  const wire::PingFrame ping{random_.Array<wire::kPingTokenSize>()};
  Seal(
      [&](wire::SpanWriter& frames) {
        ping.SerializeTo(frames);
        wire::WriteFrame(frames, wire::FrameType::kPad, kPadding);
      },
      out);
}

Duration RelayClient::Spread(Duration d) {
  return d / 1000 * static_cast<int64_t>(800 + random_.Below(401));
}

}  // namespace p2p::client
