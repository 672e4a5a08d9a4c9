#include "tests/bench/bare_tls.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <vector>

#include "common/base/check.h"
#include "common/crypto/certificate.h"
#include "common/crypto/openssl_ptr.h"
#include "tests/bench/own_core.h"

namespace p2p::bench {
namespace {

constexpr size_t kPiece = 16 * 1024;  // A TLS record.

MonoTime Now() { return MonoTime(std::chrono::steady_clock::now().time_since_epoch()); }

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) {
    P2P_CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void Add(const uint8_t* data, size_t size) { EVP_DigestUpdate(context_.get(), data, size); }
  std::vector<uint8_t> Finish() {
    std::vector<uint8_t> digest(32);
    EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
    return digest;
  }

 private:
  crypto::MdCtxPtr context_;
};

void UseDevice(SSL_CTX* context) {
  const auto pem = crypto::MakeDeviceCertificate(crypto::SigningKey::Generate());
  P2P_CHECK(pem.ok());
  const crypto::BioPtr certificate_text(BIO_new_mem_buf(pem->certificate.data(), -1));
  const crypto::BioPtr key_text(BIO_new_mem_buf(pem->private_key.data(), -1));
  const crypto::X509Ptr certificate(
      PEM_read_bio_X509(certificate_text.get(), nullptr, nullptr, nullptr));
  const crypto::PkeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
  P2P_CHECK(SSL_CTX_use_certificate(context, certificate.get()) == 1);
  P2P_CHECK(SSL_CTX_use_PrivateKey(context, key.get()) == 1);
}

// On a thread of its own, which is waited for.
template <class F>
void RunOn(int core, F work) {
  std::thread([&] {
    UseCore(core);
    work();
  }).join();
}

// A connected pair on loopback.
std::pair<net::UniqueFd, net::UniqueFd> Connect() {
  const net::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  P2P_CHECK(::bind(listener.get(), generic, size) == 0 && ::listen(listener.get(), 1) == 0);
  P2P_CHECK(::getsockname(listener.get(), generic, &size) == 0);
  net::UniqueFd one(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  P2P_CHECK(::connect(one.get(), generic, size) == 0);
  net::UniqueFd other(::accept(listener.get(), nullptr, nullptr));
  for (const net::UniqueFd* fd : {&one, &other}) {
    const int on = 1;
    ::setsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return {std::move(one), std::move(other)};
}

}  // namespace

// One end of the connection; each used by one thread.
class BareTls::End {
 public:
  End(net::UniqueFd fd, bool client)
      : fd_(std::move(fd)),
        context_(SSL_CTX_new(client ? TLS_client_method() : TLS_server_method())) {
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION);
    if (!client) UseDevice(context_.get());
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_.get());
  }
  void Connect() { P2P_CHECK(SSL_connect(ssl_.get()) == 1); }
  void Accept() { P2P_CHECK(SSL_accept(ssl_.get()) == 1); }
  void Send(const uint8_t* data, size_t size) {
    P2P_CHECK(SSL_write(ssl_.get(), data, static_cast<int>(size)) == static_cast<int>(size));
  }
  size_t Some(uint8_t* data, size_t size) {
    const int got = SSL_read(ssl_.get(), data, static_cast<int>(size));
    P2P_CHECK(got > 0);
    return static_cast<size_t>(got);
  }
  void All(uint8_t* data, size_t size) {
    for (size_t at = 0; at < size;) at += Some(data + at, size - at);
  }

 private:
  net::UniqueFd fd_;
  std::unique_ptr<SSL_CTX, crypto::Deleter<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, crypto::Deleter<SSL_free>> ssl_;
};

BareTls::BareTls() {
  auto [one, other] = bench::Connect();
  here_ = std::make_unique<End>(std::move(one), true);
  there_ = std::make_unique<End>(std::move(other), false);
  std::thread accepting([this] { there_->Accept(); });
  here_->Connect();
  accepting.join();
}

BareTls::~BareTls() = default;

void BareTls::PingPong(size_t rounds, size_t size, Samples& samples) {
  std::thread echo([&] {
    UseCore(1);
    std::vector<uint8_t> buffer(size);
    for (size_t i = 0; i < rounds; ++i) {
      there_->All(buffer.data(), size);
      there_->Send(buffer.data(), size);
    }
  });
  RunOn(0, [&] {
    std::vector<uint8_t> buffer(size, 'x');
    for (size_t i = 0; i < rounds; ++i) {
      const MonoTime start = Now();
      here_->Send(buffer.data(), size);
      here_->All(buffer.data(), size);
      samples.Add(Now() - start);
    }
  });
  echo.join();
}

BareTls::Copied BareTls::Copy(const std::string& from, const std::string& to) {
  const net::UniqueFd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  const net::UniqueFd sink(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  P2P_CHECK(source.valid() && sink.valid());
  struct stat info {};
  P2P_CHECK(::fstat(source.get(), &info) == 0);
  const auto size = static_cast<size_t>(info.st_size);
  const auto each_piece = [&](auto use) {
    std::vector<uint8_t> buffer(kPiece);
    for (size_t at = 0; at < size;) {
      const ssize_t got = ::pread(source.get(), buffer.data(), kPiece, static_cast<off_t>(at));
      P2P_CHECK(got > 0);
      use(buffer.data(), static_cast<size_t>(got));
      at += static_cast<size_t>(got);
    }
  };
  const MonoTime start = Now();
  Sha256 hash;
  RunOn(0, [&] { each_piece([&](const uint8_t* data, size_t n) { hash.Add(data, n); }); });
  const MonoTime hashed = Now();
  std::vector<uint8_t> received;
  std::thread receiving([&] {
    UseCore(1);
    Sha256 theirs;
    std::vector<uint8_t> buffer(kPiece);
    for (size_t at = 0; at < size;) {
      const size_t got = there_->Some(buffer.data(), std::min(kPiece, size - at));
      theirs.Add(buffer.data(), got);
      P2P_CHECK(::write(sink.get(), buffer.data(), got) == static_cast<ssize_t>(got));
      at += got;
    }
    P2P_CHECK(::fsync(sink.get()) == 0);
    received = theirs.Finish();
  });
  RunOn(0, [&] { each_piece([&](const uint8_t* data, size_t n) { here_->Send(data, n); }); });
  receiving.join();
  P2P_CHECK(received == hash.Finish());
  return {hashed - start, Now() - hashed};
}

}  // namespace p2p::bench
