// An inner object that parses is within every limit and serialises to the same bytes.
#include "common/base/check.h"
#include "common/wire/broadcast_object.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const p2p::ByteView in(data, size);
  const auto parsed = p2p::wire::BroadcastObject::Parse(in);
  if (parsed) P2P_CHECK(parsed->Serialize() == p2p::ToBytes(in));
  return 0;
}
