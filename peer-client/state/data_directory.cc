#include "peer-client/state/data_directory.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/net/file.h"
#include "peer-client/app/request_book.h"

namespace p2p::client {
namespace {

using nlohmann::json;

constexpr size_t kMaxKnownServers = 256;
constexpr size_t kMaxSmallFile = 1 << 20;
constexpr absl::string_view kFingerprintPrefix = "SHA256:";

absl::StatusOr<crypto::SigningKey> LoadDeviceKey(const std::string& path) {
  const auto text = net::ReadFile(path, 1024);
  if (absl::IsNotFound(text.status())) {
    crypto::SigningKey key = crypto::SigningKey::Generate();
    P2P_RETURN_IF_ERROR(
        net::WriteFileAtomically(path, absl::StrCat(HexEncode(key.seed().view()), "\n")));
    return key;
  }
  if (!text.ok()) return text.status();
  auto seed = HexDecode(absl::StripAsciiWhitespace(*text));
  if (!seed || seed->size() != 32) return absl::DataLossError(absl::StrCat(path, " is damaged"));
  std::array<uint8_t, 32> raw;
  std::copy(seed->begin(), seed->end(), raw.begin());
  Wipe(seed->data(), seed->size());
  const Secret<32> secret(raw);
  Wipe(raw.data(), raw.size());
  return crypto::SigningKey::FromSeed(secret);
}

absl::Status InUse(const std::string& path) {
  const auto holder = net::ReadFile(absl::StrCat(path, "/lock"), 64);
  const std::string pid = holder.ok() ? std::string(absl::StripAsciiWhitespace(*holder)) : "";
  return absl::AlreadyExistsError(absl::StrCat(path, " is already in use",
                                               pid.empty() ? "" : absl::StrCat(" by pid ", pid),
                                               "; end that client, or choose another --data-dir"));
}

std::optional<Session> ReadSession(const std::string& text) {
  const json in = json::parse(text, nullptr, false);
  if (!in.is_object()) return std::nullopt;
  const auto field = [&in](const char* name) { return in.value(name, std::string()); };
  Session session;
  try {
    session.username = field("username");
    session.token = SecretText(field("token"));
    session.resume_token = SecretText(field("resume_token"));
    const auto expires = in.find("expires_at_ms");
    if (expires != in.end() && !expires->is_number_integer()) return std::nullopt;
    session.expires_at = WallFromMs(expires == in.end() ? 0 : expires->get<int64_t>());
    for (auto [name, out] : {std::pair{"user_id", &session.user_id},
                             std::pair{"introducer_key", &session.introducer_key},
                             std::pair{"broadcast_key", &session.broadcast_key}}) {
      auto bytes = HexDecode(field(name));
      if (!bytes) return std::nullopt;
      *out = std::move(*bytes);
    }
  } catch (const json::exception&) {  // A field of another type.
    return std::nullopt;
  }
  if (session.username.empty()) return std::nullopt;
  return session;
}

}  // namespace

std::string EndpointText(const std::string& host, uint16_t port) {
  if (absl::StrContains(host, ":")) return absl::StrCat("[", host, "]:", port);
  return absl::StrCat(host, ":", port);
}

std::optional<std::pair<std::string, uint16_t>> ParseEndpoint(absl::string_view endpoint) {
  const size_t colon = endpoint.rfind(':');
  if (colon == absl::string_view::npos) return std::nullopt;
  absl::string_view host = endpoint.substr(0, colon);
  uint32_t port = 0;
  if (!absl::SimpleAtoi(endpoint.substr(colon + 1), &port) || port == 0 || port > 65535) {
    return std::nullopt;
  }
  if (absl::ConsumePrefix(&host, "[") && !absl::ConsumeSuffix(&host, "]")) return std::nullopt;
  if (host.empty() || host.find_first_of("[]") != absl::string_view::npos) return std::nullopt;
  return std::pair{std::string(host), static_cast<uint16_t>(port)};
}

std::optional<crypto::Digest256> ParseFingerprint(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, kFingerprintPrefix)) return std::nullopt;
  const auto bytes = Base64UrlDecode(absl::StrReplaceAll(text, {{"+", "-"}, {"/", "_"}}));
  crypto::Digest256 digest;
  if (!bytes || bytes->size() != digest.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  return digest;
}

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Open(const std::string& path) {
  P2P_RETURN_IF_ERROR(net::MakePrivateDirectory(path));
  auto lock = net::LockFile(absl::StrCat(path, "/lock"));
  if (absl::IsAlreadyExists(lock.status())) return InUse(path);
  if (!lock.ok()) return lock.status();
  P2P_ASSIGN_OR_RETURN(crypto::SigningKey key, LoadDeviceKey(absl::StrCat(path, "/device.key")));
  return std::unique_ptr<DataDirectory>(new DataDirectory(path, *std::move(lock), std::move(key)));
}

absl::StatusOr<std::vector<KnownServer>> DataDirectory::KnownServers() const {
  const std::string path = absl::StrCat(path_, "/known_servers");
  const auto text = net::ReadFile(path, kMaxSmallFile);
  if (absl::IsNotFound(text.status())) return std::vector<KnownServer>();
  if (!text.ok()) return text.status();
  std::vector<KnownServer> out;
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipWhitespace())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipWhitespace());
    if (words.size() != 3 || !ParseEndpoint(words[0]) || !ParseFingerprint(words[1])) {
      return absl::DataLossError(absl::StrCat(path, " is damaged: ", line));
    }
    out.push_back({words[0], words[1], words[2] == "-" ? "" : words[2]});
  }
  return out;
}

absl::Status DataDirectory::Remember(const KnownServer& server) {
  P2P_ASSIGN_OR_RETURN(std::vector<KnownServer> servers, KnownServers());
  std::erase_if(servers, [&](const KnownServer& s) { return s.endpoint == server.endpoint; });
  servers.insert(servers.begin(), server);
  // The account's name comes from the server; only a plain one is kept.
  if (ClassifyTarget(server.account) != TargetKind::kName) servers.front().account.clear();
  if (servers.size() > kMaxKnownServers) servers.resize(kMaxKnownServers);
  std::string text;
  for (const auto& s : servers) {
    absl::StrAppend(&text, s.endpoint, " ", s.fingerprint, " ", s.account.empty() ? "-" : s.account,
                    "\n");
  }
  return net::WriteFileAtomically(absl::StrCat(path_, "/known_servers"), text);
}

absl::StatusOr<std::string> DataDirectory::ServerDirectory(const std::string& fingerprint) const {
  const auto digest = ParseFingerprint(fingerprint);
  if (!digest) return absl::InvalidArgumentError(absl::StrCat("not a fingerprint: ", fingerprint));
  const std::string path = absl::StrCat(path_, "/servers/", HexEncode(*digest));
  P2P_RETURN_IF_ERROR(net::MakePrivateDirectory(path));
  return path;
}

absl::Status DataDirectory::SaveSession(const std::string& fingerprint, const Session& session) {
  P2P_ASSIGN_OR_RETURN(const std::string directory, ServerDirectory(fingerprint));
  const json out = {{"username", session.username},
                    {"user_id", HexEncode(session.user_id)},
                    {"token", std::string(session.token.view())},
                    {"resume_token", std::string(session.resume_token.view())},
                    {"expires_at_ms", ToMs(session.expires_at)},
                    {"introducer_key", HexEncode(session.introducer_key)},
                    {"broadcast_key", HexEncode(session.broadcast_key)}};
  return net::WriteFileAtomically(absl::StrCat(directory, "/session.json"), out.dump(1));
}

absl::StatusOr<std::optional<Session>> DataDirectory::LoadSession(
    const std::string& fingerprint) const {
  P2P_ASSIGN_OR_RETURN(const std::string directory, ServerDirectory(fingerprint));
  const std::string path = absl::StrCat(directory, "/session.json");
  const auto text = net::ReadFile(path, kMaxSmallFile);
  if (absl::IsNotFound(text.status())) return std::optional<Session>();
  if (!text.ok()) return text.status();
  auto session = ReadSession(*text);
  if (!session) return absl::DataLossError(absl::StrCat(path, " is damaged"));
  return session;
}

absl::StatusOr<std::string> DataDirectory::AccountDirectory(const std::string& fingerprint,
                                                            const Session& session) const {
  P2P_ASSIGN_OR_RETURN(const std::string directory, ServerDirectory(fingerprint));
  if (session.user_id.size() != UserId::kSize) {
    return absl::InvalidArgumentError("the server gave no user id");
  }
  const std::string path = absl::StrCat(directory, "/accounts/", HexEncode(session.user_id));
  P2P_RETURN_IF_ERROR(net::MakePrivateDirectory(path));
  return path;
}

}  // namespace p2p::client
