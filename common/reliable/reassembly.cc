#include "common/reliable/reassembly.h"

#include <algorithm>

#include "common/base/check.h"

namespace p2p::reliable {
namespace {

uint64_t FullMap(size_t count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }

}  // namespace

Reassembler::Partial* Reassembler::Find(BroadcastId id) {
  const auto it = std::find_if(partials_.begin(), partials_.end(),
                               [&](const Partial& p) { return p.id == id; });
  return it == partials_.end() ? nullptr : &*it;
}

void Reassembler::Drop(BroadcastId id) {
  std::erase_if(partials_, [&](const Partial& p) { return p.id == id; });
}

void Reassembler::EvictOldest() {
  partials_.erase(
      std::min_element(partials_.begin(), partials_.end(),
                       [](const Partial& a, const Partial& b) { return a.touched < b.touched; }));
  ++evicted_;
}

Reassembler::Result Reassembler::OnFragment(const wire::FragmentFrame& fragment, MonoTime now) {
  Partial* partial = Find(fragment.id);
  if (partial == nullptr) {
    if (partials_.size() >= wire::kMaxPartials) EvictOldest();
    partials_.push_back({.id = fragment.id,
                         .count = fragment.count,
                         .started = now,
                         .touched = now,
                         .bytes = Bytes(fragment.total)});
    partial = &partials_.back();
  }
  if (partial->bytes.size() != fragment.total || partial->count != fragment.count) {
    Drop(fragment.id);
    return Result::kInconsistent;
  }
  partial->touched = now;
  const uint64_t bit = uint64_t{1} << fragment.index;
  const auto place =
      partial->bytes.begin() + static_cast<ptrdiff_t>(fragment.index * wire::kFragmentBytes);
  if ((partial->have & bit) != 0) {
    if (std::equal(fragment.bytes.begin(), fragment.bytes.end(), place)) return Result::kDuplicate;
    Drop(fragment.id);
    return Result::kInconsistent;
  }
  std::copy(fragment.bytes.begin(), fragment.bytes.end(), place);
  partial->have |= bit;
  return partial->have == FullMap(partial->count) ? Result::kComplete : Result::kStored;
}

uint64_t Reassembler::Bitmap(BroadcastId id) const {
  for (const Partial& p : partials_) {
    if (p.id == id) return p.have;
  }
  return 0;
}

Bytes Reassembler::Take(BroadcastId id) {
  Partial* partial = Find(id);
  P2P_CHECK(partial != nullptr && partial->have == FullMap(partial->count));
  Bytes out = std::move(partial->bytes);
  Drop(id);
  return out;
}

size_t Reassembler::Expire(MonoTime now) {
  return std::erase_if(partials_, [&](const Partial& p) { return p.started + life_ <= now; });
}

std::optional<MonoTime> Reassembler::NextDeadline() const {
  std::optional<MonoTime> next;
  for (const Partial& p : partials_) {
    if (!next || p.started + life_ < *next) next = p.started + life_;
  }
  return next;
}

}  // namespace p2p::reliable
