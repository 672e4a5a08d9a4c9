// Where datagrams go and come from, and the batch in which the engine leaves what is to be sent.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "common/base/check.h"
#include "common/net/address.h"
#include "common/wire/datagram_limits.h"

namespace p2p::relay {

// A client's address, and the own one it used: answers come from where the question went, so that a
// host with several addresses works.
struct Path {
  net::SocketAddress remote;
  net::IpAddress local;  // Unspecified: the kernel chooses.
  bool operator==(const Path&) const = default;
};

// A batch of datagrams of fixed capacity, allocated once. One thread. The engine appends, the rim
// sends from the front.
class Outbox {
 public:
  struct Item {
    Path path;
    ByteView bytes;
  };
  explicit Outbox(size_t capacity) : slots_(capacity) {}

  // The buffer for one more datagram (kMaxDatagram bytes); empty when the batch is full.
  std::span<uint8_t> Begin() {
    return full() ? std::span<uint8_t>() : std::span<uint8_t>(slots_[end_].bytes);
  }
  // Keeps the first `size` bytes of what Begin() gave.
  void Commit(size_t size, const Path& path) {
    P2P_CHECK(!full() && size > 0 && size <= wire::kMaxDatagram);
    slots_[end_].size = size;
    slots_[end_++].path = path;
  }

  bool full() const { return end_ == slots_.size(); }
  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  Item operator[](size_t i) const {
    const Slot& slot = slots_[begin_ + i];
    return {slot.path, ByteView(slot.bytes).first(slot.size)};
  }
  void DropFront(size_t n) {
    P2P_CHECK(n <= size());
    begin_ += n;
    if (begin_ == end_) Clear();
  }
  void Clear() { begin_ = end_ = 0; }

 private:
  struct Slot {
    std::array<uint8_t, wire::kMaxDatagram> bytes;
    size_t size = 0;
    Path path;
  };
  std::vector<Slot> slots_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace p2p::relay
