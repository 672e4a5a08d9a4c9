#include "control-server/server_identity.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/net/address.h"
#include "common/net/file.h"

namespace p2p::server {
namespace {

constexpr size_t kMaxPem = 1 << 20;

bool IsDnsName(absl::string_view name) {
  return !name.empty() && name.size() <= 253 && name.front() != '-' && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.';
         });
}

// Every address of this host that a certificate can name (link-local ones need a zone).
std::set<std::string> InterfaceAddresses() {
  std::set<std::string> out = {"127.0.0.1", "::1"};
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return out;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    const int family = one->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    sockaddr_storage storage{};
    std::memcpy(&storage, one->ifa_addr,
                family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    const auto address = net::SocketAddress::FromSockaddr(storage);
    if (address && !address->ip.IsLinkLocal()) out.insert(address->ip.ToString());
  }
  ::freeifaddrs(all);
  return out;
}

absl::StatusOr<crypto::PemPair> MakeCertificate(const std::vector<std::string>& extra_names,
                                                const Clock& clock) {
  std::set<std::string> dns = {"localhost"};
  std::set<std::string> ips = InterfaceAddresses();
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) == 0 && IsDnsName(host)) dns.insert(host);
  for (const std::string& name : extra_names) {
    if (const auto ip = net::IpAddress::Parse(name)) {
      ips.insert(ip->ToString());
    } else if (IsDnsName(name)) {
      dns.insert(name);
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("--tls-name ", name, " is neither a DNS name nor an address"));
    }
  }
  return crypto::MakeServerCertificate({dns.begin(), dns.end()}, {ips.begin(), ips.end()},
                                       clock.Wall());
}

absl::StatusOr<crypto::PemPair> ReadCertificate(const std::string& cert_path,
                                                const std::string& key_path) {
  crypto::PemPair pair;
  P2P_ASSIGN_OR_RETURN(pair.certificate, net::ReadFile(cert_path, kMaxPem));
  P2P_ASSIGN_OR_RETURN(pair.private_key, net::ReadFile(key_path, kMaxPem));
  const absl::Status matches = crypto::CheckKeyMatches(pair);
  if (!matches.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(cert_path, " and ", key_path, ": ", matches.message()));
  }
  return pair;
}

absl::StatusOr<crypto::PemPair> OwnCertificate(const IdentityOptions& options, const Clock& clock) {
  const std::string cert_path = absl::StrCat(options.data_dir, "/server.crt");
  const std::string key_path = absl::StrCat(options.data_dir, "/server.key");
  if (::access(cert_path.c_str(), F_OK) == 0) return ReadCertificate(cert_path, key_path);
  P2P_ASSIGN_OR_RETURN(auto pair, MakeCertificate(options.tls_names, clock));
  // The certificate last: it is what says that both are there.
  P2P_RETURN_IF_ERROR(net::WriteFileAtomically(key_path, pair.private_key));
  P2P_RETURN_IF_ERROR(net::WriteFileAtomically(cert_path, pair.certificate));
  return pair;
}

// One line of 64 hex digits: the seed of RFC 8032.
absl::StatusOr<crypto::SigningKey> LoadOrMakeKey(const std::string& path) {
  auto text = net::ReadFile(path, 4096);
  if (absl::IsNotFound(text.status())) {
    crypto::SigningKey key = crypto::SigningKey::Generate();
    std::string line = absl::StrCat(HexEncode(key.seed().view()), "\n");
    const absl::Status written = net::WriteFileAtomically(path, line);
    Wipe(line.data(), line.size());
    if (!written.ok()) return written;
    return key;
  }
  if (!text.ok()) return text.status();
  auto seed = HexDecode(absl::StripSuffix(*text, "\n"));
  Wipe(text->data(), text->size());
  if (!seed || seed->size() != 32) {
    return absl::InvalidArgumentError(absl::StrCat(path, " does not hold a key of 64 hex digits"));
  }
  Secret<32> secret;
  std::copy(seed->begin(), seed->end(), secret.mutable_view().begin());
  Wipe(seed->data(), seed->size());
  return crypto::SigningKey::FromSeed(secret);
}

}  // namespace

absl::StatusOr<ServerIdentity> LoadOrMakeIdentity(const IdentityOptions& options,
                                                  const Clock& clock) {
  P2P_ASSIGN_OR_RETURN(auto certificate, options.tls_cert.empty()
                                             ? OwnCertificate(options, clock)
                                             : ReadCertificate(options.tls_cert, options.tls_key));
  P2P_ASSIGN_OR_RETURN(const auto digest, crypto::SpkiDigest(certificate.certificate));
  P2P_ASSIGN_OR_RETURN(auto introducer,
                       LoadOrMakeKey(absl::StrCat(options.data_dir, "/introducer.key")));
  P2P_ASSIGN_OR_RETURN(auto broadcaster,
                       LoadOrMakeKey(absl::StrCat(options.data_dir, "/broadcast.key")));
  return ServerIdentity{std::move(certificate), crypto::FingerprintText(digest), digest,
                        std::move(introducer), std::move(broadcaster)};
}

}  // namespace p2p::server
