// The hub's thread: one loop for everything that must not need locks.
#pragma once

#include <future>
#include <thread>

#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/post.hpp"

namespace p2p::server {

class HubThread {
 public:
  ~HubThread() { Stop(); }
  asio::io_context& io() { return io_; }
  // Runs what was posted, and what will be. Once.
  void Start() {
    thread_ = std::thread([this] { io_.run(); });
  }
  // Runs `work` on the thread and waits for it; runs it here while the thread does not run.
  template <class F>
  void Call(F work) {
    if (!thread_.joinable()) return work();
    std::promise<void> done;
    asio::post(io_, [&work, &done] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  // What is posted afterwards, and what waits, is not run. Idempotent; not from the thread itself.
  void Stop() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  std::thread thread_;
};

}  // namespace p2p::server
