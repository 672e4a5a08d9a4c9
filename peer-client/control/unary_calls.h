// Unary calls under way: they are started on the loop, answered on the loop, and can be dropped all
// together. The library's threads only post.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace p2p::client {

// How many operations the library still holds; the owner waits for zero before it goes.
class InFlight {
 public:
  void Add() ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::MutexLock lock(&mu_);
    ++count_;
  }
  void Remove() ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::MutexLock lock(&mu_);
    --count_;
  }
  void AwaitNone() ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(this, &InFlight::IsNone));
  }

 private:
  bool IsNone() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return count_ == 0; }
  absl::Mutex mu_;
  int count_ ABSL_GUARDED_BY(mu_) = 0;
};

// Used on the loop's thread only.
class UnaryCalls {
 public:
  explicit UnaryCalls(asio::io_context& loop) : loop_(loop), state_(std::make_shared<State>()) {}
  // Waits until the library has let go of every call; answers not given yet never come.
  ~UnaryCalls() {
    DropAll();
    in_flight_->AwaitNone();
  }
  UnaryCalls(const UnaryCalls&) = delete;
  UnaryCalls& operator=(const UnaryCalls&) = delete;

  // `start(context, &request, &response, callback)` begins the call; `done(context, status,
  // response)` runs on the loop unless the call was dropped first.
  template <class Request, class Response, class Start, class Finish>
  void Run(std::unique_ptr<grpc::ClientContext> context, Request request, Start start,
           Finish done) {
    struct Call final : CallBase {
      Request request;
      Response response;
    };
    auto owned = std::make_unique<Call>();
    Call* call = owned.get();
    call->context = std::move(context);
    call->request = std::move(request);
    const uint64_t id = state_->next_id++;
    state_->calls.emplace(id, std::move(owned));
    in_flight_->Add();
    // `call` stays alive until the posted task removes it on the loop; the context, and with it
    // perhaps the last reference to the channel, is never destroyed on the library's thread.
    start(call->context.get(), &call->request, &call->response,
          [&loop = loop_, state = state_, in_flight = in_flight_, call, id,
           done = std::move(done)](const grpc::Status& status) {
            asio::post(loop, [state, call, id, done, status] {
              if (!call->dropped) done(*call->context, status, call->response);
              state->calls.erase(id);
            });
            in_flight->Remove();
          });
  }

  // Cancels everything under way; its answers never come.
  void DropAll() {
    for (auto& [id, call] : state_->calls) {
      call->dropped = true;
      call->context->TryCancel();
    }
  }

 private:
  struct CallBase {
    virtual ~CallBase() = default;
    std::unique_ptr<grpc::ClientContext> context;
    bool dropped = false;
  };
  // Outlives this object in tasks that the loop has not run yet.
  struct State {
    std::map<uint64_t, std::unique_ptr<CallBase>> calls;
    uint64_t next_id = 1;
  };
  asio::io_context& loop_;
  std::shared_ptr<State> state_;
  const std::shared_ptr<InFlight> in_flight_ = std::make_shared<InFlight>();
};

}  // namespace p2p::client
