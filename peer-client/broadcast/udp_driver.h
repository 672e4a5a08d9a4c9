// The client's UDP socket on its io_context.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>

#include "common/base/bytes.h"
#include "common/net/address.h"

namespace p2p::client {

// One thread: the io_context's. Destroying it cancels everything; no callback comes after that.
class UdpDriver {
 public:
  struct Callbacks {
    std::function<void(ByteView)> on_datagram;
    std::function<void()> on_batch_end;  // After the datagrams that were there together.
  };
  UdpDriver(asio::io_context& io, Callbacks callbacks);
  ~UdpDriver();

  // Replaces the socket by a fresh one, connected to `remote`: the kernel drops datagrams from
  // anybody else. False when there is no route or no socket: then Send does nothing.
  bool Open(const net::SocketAddress& remote);
  void Close();
  // Losses, refusals and full buffers are the network's: nothing is reported, the protocol repeats.
  void Send(ByteView datagram);

 private:
  struct Socket;
  void Wait(const std::shared_ptr<Socket>& socket);
  void Receive(const std::shared_ptr<Socket>& socket);

  asio::io_context& io_;
  Callbacks callbacks_;
  std::shared_ptr<Socket> socket_;  // Handlers hold it too and compare: stale ones do nothing.
};

}  // namespace p2p::client
