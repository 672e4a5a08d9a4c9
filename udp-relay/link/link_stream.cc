#include "udp-relay/link/link_stream.h"

#include <asio/post.hpp>
#include <utility>

#include "common/base/check.h"

namespace p2p::relay {

LinkStream::LinkStream(asio::io_context& loop, Callbacks callbacks)
    : loop_(loop), callbacks_(std::move(callbacks)) {}

void LinkStream::Start(v1::RelayLink::Stub& stub) {
  stub.async()->Link(&context_, this);
  AddHold();  // After the call is bound, before it starts.
  held_ = true;
  StartRead(&incoming_);
  StartCall();
}

void LinkStream::Write(v1::RelayReports message) {
  P2P_CHECK(writable());
  if (!held_) return;
  outgoing_ = std::move(message);
  writing_ = true;
  StartWrite(&outgoing_);
}

void LinkStream::Next() {
  if (held_) StartRead(&incoming_);
}

void LinkStream::CloseSend() {
  P2P_CHECK(writable());
  if (!held_) return;
  closed_ = true;
  StartWritesDone();
}

template <class F>
void LinkStream::Post(F work) {
  asio::post(loop_, [weak = std::weak_ptr<bool>(alive_), work = std::move(work)] {
    if (!weak.expired()) work();
  });
}

void LinkStream::OnReadDone(bool ok) {
  Post([this, ok] {
    if (!ok) return StopUsing();
    if (held_) callbacks_.on_orders(incoming_);
  });
}

void LinkStream::OnWriteDone(bool ok) {
  Post([this, ok] {
    writing_ = false;
    if (ok && held_) callbacks_.on_written();
  });
}

// No operation is started from here on: the library may finish the stream.
void LinkStream::StopUsing() {
  if (!held_) return;
  held_ = false;
  RemoveHold();
}

void LinkStream::Abandon() {
  Cancel();
  StopUsing();
}

void LinkStream::OnDone(const grpc::Status& status) {
  // The posted end may destroy this object at once.
  const auto released = callbacks_.on_released;
  asio::post(loop_, [on_end = callbacks_.on_end, status] { on_end(status); });
  released();
}

}  // namespace p2p::relay
