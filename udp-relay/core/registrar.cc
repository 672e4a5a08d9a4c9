#include "udp-relay/core/registrar.h"

namespace p2p::relay {
namespace {

Bytes EncodeAddress(const net::SocketAddress& address) {
  ByteWriter out;
  out.Append(address.ip.bytes()).U16(address.port);
  return out.Release();
}

}  // namespace

Registrar::Registrar(const RelayOptions& options, Random& random, Egress& egress,
                     RelayCounters& counters)
    : options_(options),
      random_(random),
      egress_(egress),
      counters_(counters),
      limiter_(options, random),
      cookies_(random, options.cookie_rotation) {}

std::optional<wire::RegisterBody> Registrar::OnRegister(RelaySession& session,
                                                        const wire::RegisterPacket& packet,
                                                        ByteView datagram, const Path& path,
                                                        MonoTime now, Outbox& out) {
  if (!Proved(session, datagram, path, now)) return std::nullopt;
  const Bytes address = EncodeAddress(path.remote);
  const bool cookie_right =
      packet.with_cookie &&
      cookies_.Check(packet.cookie, address, packet.conn_id, packet.client_random, now);
  if (!cookie_right) {
    if (packet.with_cookie) counters_.Add(RelayCount::kBadCookie);
    const auto cookie = cookies_.Make(address, packet.conn_id, packet.client_random, now);
    counters_.Add(RelayCount::kChallenges);
    Answer(session::MakeChallenge(session.psk(), packet.conn_id, packet.client_random, cookie),
           path, now, out);
    return std::nullopt;
  }
  auto body = session::OpenRegisterBody(session.psk(), packet);
  if (!body) {
    counters_.Add(RelayCount::kBadRegisterBody);
    return std::nullopt;
  }
  const auto* reply = session.Accept(packet, *body, path, now, random_, options_);
  if (reply == nullptr) {
    counters_.Add(RelayCount::kOldRegister);
    return std::nullopt;
  }
  Answer(*reply, path, now, out);
  return body;
}

bool Registrar::Proved(RelaySession& session, ByteView datagram, const Path& path, MonoTime now) {
  if (limiter_.SourceExhausted(path.remote.ip, now)) {
    counters_.Add(RelayCount::kRegisterLimited);
    return false;
  }
  if (!session.VerifyMac(datagram)) {
    limiter_.ChargeSource(path.remote.ip, now);
    counters_.Add(RelayCount::kBadMac);
    return false;
  }
  if (!session.TakeRegisterAllowance(now) || !limiter_.TakeAnswer(now)) {
    counters_.Add(RelayCount::kRegisterLimited);
    return false;
  }
  return true;
}

void Registrar::Answer(ByteView bytes, const Path& path, MonoTime now, Outbox& out) {
  const auto buffer = out.Begin();
  if (buffer.empty() || !egress_.TakeAnswer(bytes.size(), now)) {
    counters_.Add(RelayCount::kReplyDropped);
    return;
  }
  std::copy(bytes.begin(), bytes.end(), buffer.begin());
  out.Commit(bytes.size(), path);
}

}  // namespace p2p::relay
