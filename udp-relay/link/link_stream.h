// One RelayLink call of the relay. Its orders come from the loop's thread only, its results are
// posted there.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <asio/io_context.hpp>
#include <functional>
#include <memory>

#include "p2p/v1/relay_link.grpc.pb.h"

namespace p2p::relay {

// Life: Start; then until `on_end` the owner may Write, Next, CloseSend and Cancel; after `on_end`
// only destroy. A hold keeps the library from finishing the stream while the owner may still use
// it, so no lock is needed.
class LinkStream final : public grpc::ClientBidiReactor<v1::RelayReports, v1::RelayOrders> {
 public:
  struct Callbacks {
    // On the loop. The next message is read only after Next(): a slow relay slows the server down.
    std::function<void(const v1::RelayOrders&)> on_orders;
    // On the loop: the message of the last Write has left.
    std::function<void()> on_written;
    // On the loop, once, last.
    std::function<void(const grpc::Status&)> on_end;
    // On a gRPC thread, after the last use of this object by the library.
    std::function<void()> on_released;
  };

  LinkStream(asio::io_context& loop, Callbacks callbacks);

  grpc::ClientContext& context() { return context_; }
  void Start(v1::RelayLink::Stub& stub);
  // Write and CloseSend may be called: nothing is being written, and the end was not said.
  bool writable() const { return !writing_ && !closed_; }
  // Only when writable(). Nothing happens once the stream broke: its end is on the way.
  void Write(v1::RelayReports message);
  void Next();
  // The clean end; only when writable().
  void CloseSend();
  void Cancel() { context_.TryCancel(); }
  // Cancels without a loop that runs: nothing is reported but on_released.
  void Abandon();

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  void StopUsing();
  template <class F>
  void Post(F work);

  asio::io_context& loop_;
  const Callbacks callbacks_;
  // Tasks on the loop that outlive this object find it expired.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  grpc::ClientContext context_;
  v1::RelayOrders incoming_;
  v1::RelayReports outgoing_;
  // The rest is touched on the loop only.
  bool held_ = false;
  bool writing_ = false;
  bool closed_ = false;
};

}  // namespace p2p::relay
