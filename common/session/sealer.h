// Seals and opens DATA datagrams of one direction and epoch.
#pragma once

#include "common/session/key_schedule.h"
#include "common/session/replay_window.h"
#include "common/wire/datagram.h"

namespace p2p::session {

// Of one thread, for all its sessions.
struct Ciphers {
  crypto::Aead seal{crypto::Aead::Use::kSeal};
  crypto::Aead open{crypto::Aead::Use::kOpen};
};

// Packet numbers start at 1 and are never reused: a sealer is not copied, saved or restored.
class Sealer {
 public:
  Sealer(SealKey key, ConnId conn_id, uint32_t epoch);
  // Where the caller writes its frames, inside the buffer that Seal() completes.
  static std::span<uint8_t> FrameArea(std::span<uint8_t> datagram) {
    return datagram.subspan(wire::kDatagramHeaderSize,
                            datagram.size() - wire::kDatagramHeaderSize - wire::kSealTagSize);
  }
  // `frame_bytes` bytes of frames lie in FrameArea(datagram). Returns the datagram's length.
  // Exhausted sealers must not be asked.
  size_t Seal(Ciphers& ciphers, std::span<uint8_t> datagram, size_t frame_bytes);
  // The number that the next Seal() uses.
  uint64_t next_packet_no() const { return next_; }
  bool exhausted() const { return next_ >= wire::kMaxPacketNumber; }

 private:
  SealKey key_;
  ConnId conn_id_;
  uint8_t epoch_;
  uint64_t next_ = 1;
};

enum class OpenError { kNone, kEpoch, kTag, kReplay };

class Opener {
 public:
  Opener(SealKey key, uint32_t epoch);
  struct Result {
    OpenError error = OpenError::kNone;
    ByteView frames{};    // Into `plain`; only when there is no error.
    bool newest = false;  // No later packet was accepted before.
  };
  // `header` was parsed from `datagram`; `plain` has room for kMaxFrameBytes.
  Result Open(Ciphers& ciphers, const wire::DataHeader& header, ByteView datagram,
              std::span<uint8_t> plain);

 private:
  SealKey key_;
  uint8_t epoch_;
  ReplayWindow window_;
};

}  // namespace p2p::session
