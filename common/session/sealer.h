// Seals and opens DATA datagrams of one direction. Packet numbers go on across key epochs, so a
// number names one datagram of a session.
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
  // Goes on to the next epoch when this one's key has sealed for long or often enough.
  void Advance(MonoTime now);
  // `frame_bytes` bytes of frames lie in FrameArea(datagram). Returns the datagram's length.
  // Exhausted sealers must not be asked.
  size_t Seal(Ciphers& ciphers, std::span<uint8_t> datagram, size_t frame_bytes);
  // The number that the next Seal() uses.
  uint64_t next_packet_no() const { return next_; }
  bool exhausted() const { return next_ >= wire::kMaxPacketNumber; }
  uint32_t epoch() const { return epoch_; }

 private:
  SealKey key_;
  ConnId conn_id_;
  uint32_t epoch_;
  uint64_t next_ = 1;
  uint64_t epoch_first_ = 1;  // Packet number of its first.
  MonoTime epoch_began_{};    // Zero: not known yet.
};

enum class OpenError { kNone, kEpoch, kTag, kReplay };

// `window`: packet numbers remembered.
template <uint64_t window>
class Opener {
 public:
  Opener(SealKey key, ConnId conn_id, uint32_t epoch);
  struct Result {
    OpenError error = OpenError::kNone;
    ByteView frames{};    // Into `plain`; only when there is no error.
    bool newest = false;  // No later packet was accepted before.
  };
  // `header` was parsed from `datagram`; `plain` has room for kMaxFrameBytes.
  Result Open(Ciphers& ciphers, const wire::DataHeader& header, ByteView datagram, MonoTime now,
              std::span<uint8_t> plain);

 private:
  // The key for what is sealed in the epoch with these low bits; null: none.
  const SealKey* KeyFor(uint8_t epoch, MonoTime now);
  void EnterNext(MonoTime now);

  SealKey key_;
  ConnId conn_id_;
  uint32_t epoch_;
  // The key of one epoch beside the present one: of the one before while that is still taken, then,
  // as soon as somebody claims it, of the next. Nobody enters two epochs in kOldEpochLife, so both
  // are never needed at once; kept in place, so that a claim costs no memory.
  enum class Beside : uint8_t { kNone, kPrevious, kNext };
  Beside beside_ = Beside::kNone;
  SealKey beside_key_;
  MonoTime previous_ends_{};
  ReplayWindow<window> window_;
};

using ClientOpener = Opener<wire::kReplayWindowPackets>;
using RelayOpener = Opener<wire::kRelayReplayWindowPackets>;
extern template class Opener<wire::kReplayWindowPackets>;
extern template class Opener<wire::kRelayReplayWindowPackets>;

}  // namespace p2p::session
