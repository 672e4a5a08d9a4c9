// The peer link's TLS: 1.3 only, mutual, device keys pinned on both sides (proto/PEER_LINK.md). The
// only Asio TLS stream of the project; hides OpenSSL.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/bytes.h"
#include "common/crypto/sign.h"

namespace p2p::net {

enum class TlsRole { kClient, kServer };

// Our certificate and the fixed parameters, shared by all connections. Immutable after creation.
class PeerTlsContext {
 public:
  // Makes a device certificate for `key`. `alpn` is offered and required.
  static absl::StatusOr<std::shared_ptr<const PeerTlsContext>> Create(const crypto::SigningKey& key,
                                                                      absl::string_view alpn);
  ~PeerTlsContext();

 private:
  friend class PeerTlsStream;
  struct Impl;
  explicit PeerTlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One connection. One read and one write at a time may be under way, on the socket's executor. The
// object outlives its coroutines.
class PeerTlsStream {
 public:
  // `peer_key` is the only key whose owner gets through the handshake.
  PeerTlsStream(asio::ip::tcp::socket socket, std::shared_ptr<const PeerTlsContext> context,
                TlsRole role, const crypto::PublicKey& peer_key);
  ~PeerTlsStream();

  // OK: version, protocol name and the peer's key are as required. PermissionDenied: the peer holds
  // another key, or none. In TLS 1.3 the client's OK says nothing about the server's view of it.
  asio::awaitable<absl::Status> Handshake();
  // At least one byte, or 0 after the peer's close_notify. An end without it is DataLoss
  // (truncated).
  asio::awaitable<absl::StatusOr<size_t>> ReadSome(std::span<uint8_t> out);
  asio::awaitable<absl::Status> Write(ByteView data);
  // Sends close_notify, waits for the peer's, closes. Bounded by the caller's Close.
  asio::awaitable<void> Shutdown();
  // A pending read or write ends with an error; the connection stays.
  void CancelReads();
  // At once; pending operations end with an error.
  void Close();
  asio::any_io_executor executor() const;

  // Keying material of this connection (RFC 8446 §7.5, empty context). After Handshake.
  absl::StatusOr<Bytes> Exporter(absl::string_view label, size_t size) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace p2p::net
