// Addresses as text: each reader takes what its writer writes, and nothing has two meanings.
#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/net/address.h"
#include "common/net/service_notify.h"
#include "peer-client/state/data_directory.h"

namespace {

using namespace p2p;

void CheckIp(const net::IpAddress& ip) {
  P2P_CHECK(net::IpAddress::Parse(ip.ToString()) == ip);
  P2P_CHECK(net::IpAddress::FromBytes(ip.bytes()) == ip);
  P2P_CHECK(ip.SharesPrefix(ip, ip.is_v4() ? 32 : 128));
}

void CheckSocketAddress(const net::SocketAddress& address) {
  CheckIp(address.ip);
  P2P_CHECK(net::SocketAddress::Parse(address.ToString()) == address);
  for (const bool as_v6 : {false, true}) {
    sockaddr_storage storage{};
    const uint32_t length = address.ToSockaddr(storage, as_v6);
    P2P_CHECK(length > 0 && length <= sizeof storage);
    P2P_CHECK(net::SocketAddress::FromSockaddr(storage) == address);
  }
  // As gRPC writes it.
  const std::string peer =
      address.ip.is_v4() ? absl::StrCat("ipv4:", address.ToString())
                         : absl::StrCat("ipv6:%5B", address.ip.ToString(), "%5D:", address.port);
  P2P_CHECK(net::ParseGrpcPeer(peer) == address);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view in(reinterpret_cast<const char*>(data), size);
  const auto ip = net::IpAddress::Parse(in);
  if (ip) CheckIp(*ip);
  const auto raw = net::IpAddress::FromBytes(ByteView(data, size));
  P2P_CHECK(raw.has_value() == (size == 4 || size == 16));
  if (raw) CheckIp(*raw);
  const auto address = net::SocketAddress::Parse(in);
  if (address) CheckSocketAddress(*address);
  P2P_CHECK(!ip || !address);
  if (const auto peer = net::ParseGrpcPeer(in)) CheckSocketAddress(*peer);
  if (const auto endpoint = client::ParseEndpoint(in)) {
    P2P_CHECK(!endpoint->first.empty() && endpoint->second != 0);
    const std::string text = client::EndpointText(endpoint->first, endpoint->second);
    P2P_CHECK(client::ParseEndpoint(text) == endpoint);
    // Whoever reads it as an address comes to the same one.
    if (address && address->port != 0)
      P2P_CHECK(net::IpAddress::Parse(endpoint->first) == address->ip);
  }
  if (const auto digest = client::ParseFingerprint(in)) {
    P2P_CHECK(client::ParseFingerprint(absl::StrCat("SHA256:", Base64EncodeUnpadded(*digest))) ==
              digest);
  }
  (void)net::ParseNotifySocket(in);
  return 0;
}
