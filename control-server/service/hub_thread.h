// The hub's thread: one loop for everything that must not need locks.
#pragma once

#include <thread>

#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"

namespace p2p::server {

class HubThread {
 public:
  ~HubThread() { Stop(); }
  asio::io_context& io() { return io_; }
  // Runs what was posted, and what will be. Once.
  void Start() {
    thread_ = std::thread([this] { io_.run(); });
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
