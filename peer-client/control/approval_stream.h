// One ApprovalChannel. Its orders come from the loop's thread only, its results are posted there.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <asio/io_context.hpp>
#include <deque>
#include <functional>
#include <memory>

#include "p2p/v1/peering.grpc.pb.h"

namespace p2p::client {

// Life: Start; then until `on_end` the owner may Send, Next, CloseSend and Cancel; after `on_end`
// only destroy. A hold keeps the library from finishing the stream while the owner may still use
// it, so no lock is needed. One write is in flight; at most 256 events wait (more are dropped,
// counted).
class ApprovalStream final : public grpc::ClientBidiReactor<v1::ClientEvent, v1::ServerEvent> {
 public:
  static constexpr size_t kMaxQueued = 256;
  struct Callbacks {
    // On the loop. The next event is read only after Next(): a slow loop slows the server down.
    std::function<void(const v1::ServerEvent&)> on_event;
    // On the loop, once, last.
    std::function<void(const grpc::Status&)> on_end;
    // On a gRPC thread, after the last use of this object by the library.
    std::function<void()> on_released;
  };

  ApprovalStream(asio::io_context& loop, Callbacks callbacks);

  grpc::ClientContext& context() { return context_; }
  void Start(v1::PeeringService::Stub& stub);
  void Send(v1::ClientEvent event);
  void Next();
  void CloseSend();  // A clean end: the server ends presence at once.
  void Cancel() { context_.TryCancel(); }
  // Cancels without a loop that runs: nothing is reported but on_released.
  void Abandon();
  uint64_t dropped() const { return dropped_; }

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  void WriteDone(bool ok);
  void StopUsing();
  void WriteNext();

  asio::io_context& loop_;
  const Callbacks callbacks_;
  // Tasks on the loop that outlive this object find it expired.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  grpc::ClientContext context_;
  v1::ServerEvent incoming_;
  // The rest is touched on the loop only.
  std::deque<v1::ClientEvent> queue_;
  bool held_ = false;
  bool writing_ = false;
  bool close_when_written_ = false;
  bool closed_ = false;
  uint64_t dropped_ = 0;
};

}  // namespace p2p::client
