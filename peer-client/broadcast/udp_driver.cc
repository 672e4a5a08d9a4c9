#include "peer-client/broadcast/udp_driver.h"

#include <array>
#include <asio/ip/udp.hpp>

#include "common/wire/datagram_limits.h"

namespace p2p::client {
namespace {

constexpr int kBatch = 64;  // Datagrams answered together.

asio::ip::udp::endpoint ToEndpoint(const net::SocketAddress& address) {
  const ByteView bytes = address.ip.bytes();
  if (address.ip.is_v4()) {
    asio::ip::address_v4::bytes_type raw;
    std::copy(bytes.begin(), bytes.end(), raw.begin());
    return {asio::ip::address_v4(raw), address.port};
  }
  asio::ip::address_v6::bytes_type raw;
  std::copy(bytes.begin(), bytes.end(), raw.begin());
  return {asio::ip::address_v6(raw), address.port};
}

}  // namespace

struct UdpDriver::Socket {
  explicit Socket(asio::io_context& io) : socket(io) {}
  asio::ip::udp::socket socket;
  bool closed = false;
};

UdpDriver::UdpDriver(asio::io_context& io, Callbacks callbacks)
    : io_(io), callbacks_(std::move(callbacks)) {}

UdpDriver::~UdpDriver() { Close(); }

bool UdpDriver::Open(const net::SocketAddress& remote) {
  Close();
  auto fresh = std::make_shared<Socket>(io_);
  const auto endpoint = ToEndpoint(remote);
  asio::error_code error;
  fresh->socket.open(endpoint.protocol(), error);
  if (!error) fresh->socket.non_blocking(true, error);
  if (!error) fresh->socket.connect(endpoint, error);
  if (error) return false;
  socket_ = fresh;
  Wait(fresh);
  return true;
}

void UdpDriver::Close() {
  if (!socket_) return;
  asio::error_code ignored;
  socket_->closed = true;
  socket_->socket.close(ignored);
  socket_.reset();
}

void UdpDriver::Send(ByteView datagram) {
  if (!socket_) return;
  asio::error_code ignored;
  socket_->socket.send(asio::buffer(datagram.data(), datagram.size()), 0, ignored);
}

void UdpDriver::Wait(const std::shared_ptr<Socket>& socket) {
  socket->socket.async_wait(asio::ip::udp::socket::wait_read,
                            [this, socket](const asio::error_code& error) {
                              // `this` may be gone when the socket is closed.
                              if (socket->closed || error == asio::error::operation_aborted) return;
                              Receive(socket);
                            });
}

void UdpDriver::Receive(const std::shared_ptr<Socket>& socket) {
  // One byte more than the largest: a longer datagram is seen as too long.
  std::array<uint8_t, wire::kMaxDatagram + 1> buffer;
  for (int i = 0; i < kBatch; ++i) {
    asio::error_code error;
    const size_t n = socket->socket.receive(asio::buffer(buffer), 0, error);
    if (error == asio::error::would_block) break;
    if (error) continue;  // "Connection refused" and its like report an earlier loss.
    callbacks_.on_datagram(ByteView(buffer).first(n));
    if (socket->closed) return;
  }
  callbacks_.on_batch_end();
  if (!socket->closed) Wait(socket);
}

}  // namespace p2p::client
