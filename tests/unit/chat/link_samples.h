// An introduction of alice (requester) and bob (target), and what follows from it.
#pragma once

#include "peer-client/chat/introduction_check.h"

namespace p2p::client {

template <size_t N>
std::array<uint8_t, N> Filled(uint8_t first) {
  std::array<uint8_t, N> out;
  for (size_t i = 0; i < N; ++i) out[i] = static_cast<uint8_t>(first + i);
  return out;
}

inline crypto::SigningKey SampleKey(uint8_t seed) {
  return crypto::SigningKey::FromSeed(Secret<32>(Filled<32>(seed)));
}

inline wire::IntroducedParty SampleParty(const std::string& name, uint8_t seed) {
  wire::IntroducedParty party;
  party.uid.bytes = Filled<16>(seed);
  party.name = name;
  party.device_key = SampleKey(seed).public_key();
  party.observed = *net::IpAddress::Parse("127.0.0.1");
  party.chat_port = 4400;
  party.nonce = Filled<16>(static_cast<uint8_t>(seed + 0x40));
  return party;
}

inline wire::Introduction SampleIntroduction() {
  wire::Introduction intro;
  intro.id.bytes = Filled<16>(1);
  intro.issued = WallFromMs(1'700'000'000'000);
  intro.expires = WallFromMs(1'700'000'060'000);
  intro.requester = SampleParty("alice", 0x20);
  intro.target = SampleParty("bob", 0x80);
  return intro;
}

}  // namespace p2p::client
