#include "common/net/tls_stream.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <asio/buffer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/ssl/context.hpp>
#include <asio/ssl/error.hpp>
#include <asio/ssl/stream.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/crypto/certificate.h"
#include "common/crypto/hash.h"
#include "common/crypto/openssl_ptr.h"

namespace p2p::net {
namespace {

using crypto::PublicKey;

// A device certificate has about 350 bytes; more than this is not read.
constexpr long kMaxCertificateBytes = 4096;

// Where an SSL object keeps the key that its peer must prove.
int PeerKeyIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

bool HoldsKey(X509* certificate, const PublicKey& expected) {
  EVP_PKEY* key = certificate == nullptr ? nullptr : X509_get0_pubkey(certificate);
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) return false;
  PublicKey raw{};
  size_t size = raw.size();
  if (EVP_PKEY_get_raw_public_key(key, raw.data(), &size) != 1 || size != raw.size()) return false;
  return crypto::ConstantTimeEqual(raw, expected);
}

// Replaces OpenSSL's chain building: the pinned key is all that counts. Possession of it is proven
// by the handshake's CertificateVerify.
int VerifyPinnedKey(X509_STORE_CTX* store, void*) {
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* expected = static_cast<const PublicKey*>(SSL_get_ex_data(ssl, PeerKeyIndex()));
  if (expected != nullptr && HoldsKey(X509_STORE_CTX_get0_cert(store), *expected)) return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  return 0;
}

// Accepts exactly our protocol among those offered.
int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
               unsigned int in_size, void* arg) {
  const auto& ours = *static_cast<const std::string*>(arg);  // Length byte and name.
  for (ByteReader offered(ByteView(in, in_size)); offered.remaining() > 0;) {
    const ByteView name = offered.Take(offered.U8());
    if (!offered.ok()) break;
    if (AsText(name) != absl::string_view(ours).substr(1)) continue;
    *out = name.data();
    *out_size = static_cast<unsigned char>(name.size());
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

absl::Status UseDeviceCertificate(SSL_CTX* ctx, const crypto::SigningKey& signing_key) {
  P2P_ASSIGN_OR_RETURN(const crypto::PemPair pem, crypto::MakeDeviceCertificate(signing_key));
  const crypto::BioPtr bio(
      BIO_new_mem_buf(pem.certificate.data(), static_cast<int>(pem.certificate.size())));
  const crypto::X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  const ByteView seed = signing_key.seed().view();
  const crypto::PkeyPtr key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  if (certificate == nullptr || key == nullptr ||
      SSL_CTX_use_certificate(ctx, certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(ctx, key.get()) != 1) {
    return crypto::OpensslError("using the device certificate");
  }
  return absl::OkStatus();
}

absl::Status FixParameters(SSL_CTX* ctx, std::string& alpn) {
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_max_cert_list(ctx, kMaxCertificateBytes);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(ctx, VerifyPinnedKey, nullptr);
  SSL_CTX_set_alpn_select_cb(ctx, SelectAlpn, &alpn);
  const auto* alpn_bytes = reinterpret_cast<const unsigned char*>(alpn.data());
  const bool ok = SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
                  SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
                  SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1 &&
                  SSL_CTX_set1_sigalgs_list(ctx, "ed25519") == 1 &&
                  SSL_CTX_set1_client_sigalgs_list(ctx, "ed25519") == 1 &&
                  SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
                  SSL_CTX_set_recv_max_early_data(ctx, 0) == 1 &&
                  SSL_CTX_set_alpn_protos(ctx, alpn_bytes, static_cast<unsigned>(alpn.size())) == 0;
  return ok ? absl::OkStatus() : crypto::OpensslError("setting TLS parameters");
}

absl::Status FromError(absl::string_view what, const asio::error_code& error) {
  if (error == asio::ssl::error::stream_truncated) {
    return absl::DataLossError(absl::StrCat(what, ": the connection ended without a goodbye"));
  }
  return absl::UnavailableError(absl::StrCat(what, ": ", error.message()));
}

}  // namespace

struct PeerTlsContext::Impl {
  asio::ssl::context context;
  std::string alpn;  // Length byte and name, as on the wire.
};

PeerTlsContext::PeerTlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PeerTlsContext::~PeerTlsContext() = default;

absl::StatusOr<std::shared_ptr<const PeerTlsContext>> PeerTlsContext::Create(
    const crypto::SigningKey& key, absl::string_view alpn) {
  P2P_CHECK(!alpn.empty() && alpn.size() < 256);
  ERR_clear_error();
  auto impl = std::make_unique<Impl>(
      Impl{.context = asio::ssl::context(asio::ssl::context::tlsv13), .alpn = {}});
  impl->alpn = absl::StrCat(std::string(1, static_cast<char>(alpn.size())), alpn);
  SSL_CTX* ctx = impl->context.native_handle();
  P2P_RETURN_IF_ERROR(FixParameters(ctx, impl->alpn));
  P2P_RETURN_IF_ERROR(UseDeviceCertificate(ctx, key));
  return std::shared_ptr<const PeerTlsContext>(new PeerTlsContext(std::move(impl)));
}

struct PeerTlsStream::Impl {
  Impl(asio::ip::tcp::socket socket, std::shared_ptr<const PeerTlsContext> ctx, TlsRole tls_role,
       const PublicKey& key)
      : context(std::move(ctx)),
        role(tls_role),
        peer_key(key),
        // Asio takes the context without const but only makes SSL objects from it.
        stream(std::move(socket), const_cast<asio::ssl::context&>(context->impl_->context)) {}

  absl::Status CheckPeer();

  std::shared_ptr<const PeerTlsContext> context;
  TlsRole role;
  PublicKey peer_key;
  asio::ssl::stream<asio::ip::tcp::socket> stream;
};

// What the callbacks enforced, looked at once more on the finished connection.
absl::Status PeerTlsStream::Impl::CheckPeer() {
  SSL* ssl = stream.native_handle();
  const crypto::X509Ptr certificate(SSL_get1_peer_certificate(ssl));
  if (SSL_get_verify_result(ssl) != X509_V_OK || !HoldsKey(certificate.get(), peer_key)) {
    return absl::PermissionDeniedError("the peer holds another device key");
  }
  const unsigned char* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
  const bool right_alpn =
      AsText({alpn, alpn_size}) == absl::string_view(context->impl_->alpn).substr(1);
  if (!right_alpn || SSL_version(ssl) != TLS1_3_VERSION || SSL_session_reused(ssl) != 0) {
    return absl::FailedPreconditionError("the peer speaks another protocol");
  }
  return absl::OkStatus();
}

PeerTlsStream::PeerTlsStream(asio::ip::tcp::socket socket,
                             std::shared_ptr<const PeerTlsContext> context, TlsRole role,
                             const PublicKey& peer_key)
    : impl_(std::make_unique<Impl>(std::move(socket), std::move(context), role, peer_key)) {
  ERR_clear_error();
  P2P_CHECK(SSL_set_ex_data(impl_->stream.native_handle(), PeerKeyIndex(), &impl_->peer_key) == 1);
}

PeerTlsStream::~PeerTlsStream() = default;

asio::awaitable<absl::Status> PeerTlsStream::Handshake() {
  asio::error_code error;
  const auto side = impl_->role == TlsRole::kClient ? asio::ssl::stream_base::client
                                                    : asio::ssl::stream_base::server;
  co_await impl_->stream.async_handshake(side, asio::redirect_error(asio::use_awaitable, error));
  if (!error) co_return impl_->CheckPeer();
  if (SSL_get_verify_result(impl_->stream.native_handle()) != X509_V_OK) {
    co_return absl::PermissionDeniedError("the peer holds another device key");
  }
  co_return FromError("TLS handshake", error);
}

asio::awaitable<absl::StatusOr<size_t>> PeerTlsStream::ReadSome(std::span<uint8_t> out) {
  asio::error_code error;
  const auto buffer = asio::buffer(out.data(), out.size());
  const size_t n = co_await impl_->stream.async_read_some(
      buffer, asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::eof) co_return size_t{0};
  if (error) co_return FromError("reading", error);
  co_return n;
}

asio::awaitable<absl::Status> PeerTlsStream::Write(ByteView data) {
  asio::error_code error;
  const auto buffer = asio::buffer(data.data(), data.size());
  co_await asio::async_write(impl_->stream, buffer,
                             asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return FromError("writing", error);
  co_return absl::OkStatus();
}

asio::awaitable<void> PeerTlsStream::Shutdown() {
  asio::error_code error;
  co_await impl_->stream.async_shutdown(asio::redirect_error(asio::use_awaitable, error));
  Close();
}

void PeerTlsStream::CancelReads() {
  asio::error_code ignored;
  impl_->stream.lowest_layer().cancel(ignored);
}

asio::any_io_executor PeerTlsStream::executor() const {
  return impl_->stream.lowest_layer().get_executor();
}

void PeerTlsStream::Close() {
  asio::error_code ignored;
  impl_->stream.lowest_layer().close(ignored);
}

absl::StatusOr<Bytes> PeerTlsStream::Exporter(absl::string_view label, size_t size) const {
  ERR_clear_error();
  Bytes out(size);
  if (SSL_export_keying_material(impl_->stream.native_handle(), out.data(), out.size(),
                                 label.data(), label.size(), nullptr, 0, 0) != 1) {
    return crypto::OpensslError("exporting keying material");
  }
  return out;
}

}  // namespace p2p::net
