#include "common/wire/introduction.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace p2p::wire {
namespace {

bool IsUsername(absl::string_view name) {
  if (name.size() < kMinUsername || name.size() > kMaxUsername) return false;
  if (!absl::ascii_isalpha(static_cast<unsigned char>(name[0]))) return false;
  for (const char c : name) {
    const bool legal =
        absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
    if (!legal) return false;
  }
  return true;
}

std::optional<net::IpAddress> ReadAddress(ByteReader& in) {
  const size_t size = in.U8();
  if (size != 4 && size != 16) return std::nullopt;
  const ByteView raw = in.Take(size);
  if (!in.ok()) return std::nullopt;
  const auto ip = net::IpAddress::FromBytes(raw);
  // One spelling each: a v4-mapped address has to come as IPv4.
  if (!ip || ip->bytes().size() != size) return std::nullopt;
  return ip;
}

void WriteAddress(const net::IpAddress& ip, ByteWriter& out) {
  out.U8(static_cast<uint8_t>(ip.bytes().size())).Append(ip.bytes());
}

bool IsChatPort(uint16_t port) { return port >= kMinChatPort; }

bool WithinLimits(const IntroducedParty& party) {
  if (!IsUsername(party.name) || party.candidates.size() > kMaxCandidates) return false;
  if (party.chat_port != 0 && !IsChatPort(party.chat_port)) return false;
  for (const auto& candidate : party.candidates) {
    if (!IsChatPort(candidate.port)) return false;
  }
  return true;
}

std::optional<IntroducedParty> ReadParty(ByteReader& in) {
  IntroducedParty party;
  party.uid.bytes = in.Array<UserId::kSize>();
  party.name = ToString(in.Take(in.U8()));
  party.device_key = in.Array<kDeviceKeySize>();
  const auto observed = ReadAddress(in);
  if (!observed) return std::nullopt;
  party.observed = *observed;
  party.chat_port = in.U16();
  const size_t count = in.U8();
  if (count > kMaxCandidates) return std::nullopt;
  for (size_t i = 0; i < count; ++i) {
    const auto ip = ReadAddress(in);
    if (!ip) return std::nullopt;
    party.candidates.push_back({*ip, in.U16()});
  }
  party.nonce = in.Array<kNonceSize>();
  if (!in.ok() || !WithinLimits(party)) return std::nullopt;
  return party;
}

void WriteParty(const IntroducedParty& party, ByteWriter& out) {
  P2P_CHECK(WithinLimits(party));
  out.Append(party.uid.view()).U8(static_cast<uint8_t>(party.name.size())).Append(party.name);
  out.Append(party.device_key);
  WriteAddress(party.observed, out);
  out.U16(party.chat_port).U8(static_cast<uint8_t>(party.candidates.size()));
  for (const auto& candidate : party.candidates) {
    WriteAddress(candidate.ip, out);
    out.U16(candidate.port);
  }
  out.Append(party.nonce);
}

std::optional<LinkController> ToController(uint8_t value) {
  const auto controller = static_cast<LinkController>(value);
  switch (controller) {
    case LinkController::kRequester:
    case LinkController::kTarget:
      return controller;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Introduction> Introduction::Parse(ByteView bytes) {
  if (bytes.size() > kMaxIntroductionSize) return std::nullopt;
  ByteReader in(bytes);
  if (AsText(in.Take(kIntroductionMagic.size())) != kIntroductionMagic) return std::nullopt;
  Introduction out;
  out.id.bytes = in.Array<RequestId::kSize>();
  out.issued = WallFromMs(static_cast<int64_t>(in.U64()));
  out.expires = WallFromMs(static_cast<int64_t>(in.U64()));
  auto requester = ReadParty(in);
  if (!requester) return std::nullopt;
  auto target = ReadParty(in);
  if (!target) return std::nullopt;
  const auto controller = ToController(in.U8());
  out.min_proto = in.U16();
  if (!controller || !in.done()) return std::nullopt;
  out.requester = *std::move(requester);
  out.target = *std::move(target);
  out.controller = *controller;
  return out;
}

Bytes Introduction::Serialize() const {
  ByteWriter out;
  out.Append(kIntroductionMagic).Append(id.view());
  out.U64(static_cast<uint64_t>(ToMs(issued))).U64(static_cast<uint64_t>(ToMs(expires)));
  WriteParty(requester, out);
  WriteParty(target, out);
  out.U8(static_cast<uint8_t>(controller)).U16(min_proto);
  P2P_CHECK(out.bytes().size() <= kMaxIntroductionSize);
  return out.Release();
}

std::string Introduction::ToString() const {
  const auto party = [](const IntroducedParty& p) {
    return absl::StrCat(p.name, "@", net::SocketAddress{p.observed, p.chat_port}.ToString(), "+",
                        p.candidates.size());
  };
  return absl::StrCat("introduction ", id.Hex(), " ", party(requester), " -> ", party(target));
}

}  // namespace p2p::wire
