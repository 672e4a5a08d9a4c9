// Fragments back to broadcasts, within bounds: hostile or broken input costs at most
// kMaxPartials * kMaxBroadcastPayload bytes.
#pragma once

#include <optional>
#include <vector>

#include "common/base/time.h"
#include "common/wire/delivery_frames.h"

namespace p2p::reliable {

class Reassembler {
 public:
  enum class Result {
    kStored,        // New piece, not complete yet.
    kDuplicate,     // Had it.
    kComplete,      // Last missing piece: Take() it.
    kInconsistent,  // Total differs from earlier fragments, or other bytes for one index: the
                    // partial is dropped.
  };
  explicit Reassembler(Duration life) : life_(life) {}

  // A new message beyond kMaxPartials takes the place of the one that has been silent longest: the
  // sender learns of the loss from the next ACK and sends its fragments again.

  Result OnFragment(const wire::FragmentFrame& fragment, MonoTime now);
  // Which fragments of it are here; 0 when nothing is known.
  uint64_t Bitmap(BroadcastId id) const;
  // The payload; only after kComplete. Forgets the partial.
  Bytes Take(BroadcastId id);
  // Drops partials not completed within their life; returns how many.
  size_t Expire(MonoTime now);
  std::optional<MonoTime> NextDeadline() const;
  size_t evicted() const { return evicted_; }
  size_t partials() const { return partials_.size(); }
  void Clear() { partials_.clear(); }

 private:
  struct Partial {
    BroadcastId id;
    uint16_t count = 0;
    uint64_t have = 0;
    MonoTime started;
    MonoTime touched;
    Bytes bytes;
  };
  Partial* Find(BroadcastId id);
  void Drop(BroadcastId id);

  void EvictOldest();

  Duration life_;
  size_t evicted_ = 0;
  std::vector<Partial> partials_;  // At most kMaxPartials: a scan is the fastest lookup.
};

}  // namespace p2p::reliable
