// Our addresses as Asio's, and back.
#pragma once

#include <algorithm>
#include <asio/ip/tcp.hpp>

#include "common/net/address.h"

namespace p2p::client {

inline asio::ip::tcp::endpoint ToEndpoint(const net::SocketAddress& address) {
  const ByteView raw = address.ip.bytes();
  if (address.ip.is_v4()) {
    asio::ip::address_v4::bytes_type v4{};
    std::copy(raw.begin(), raw.end(), v4.begin());
    return {asio::ip::address_v4(v4), address.port};
  }
  asio::ip::address_v6::bytes_type v6{};
  std::copy(raw.begin(), raw.end(), v6.begin());
  return {asio::ip::address_v6(v6), address.port};
}

inline net::SocketAddress FromEndpoint(const asio::ip::tcp::endpoint& endpoint) {
  if (endpoint.address().is_v4()) {
    return {*net::IpAddress::FromBytes(endpoint.address().to_v4().to_bytes()), endpoint.port()};
  }
  return {*net::IpAddress::FromBytes(endpoint.address().to_v6().to_bytes()), endpoint.port()};
}

}  // namespace p2p::client
