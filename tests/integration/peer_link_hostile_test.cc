// Strangers, impostors and liars at the chat port: refused before any application byte.
#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <atomic>
#include <csignal>
#include <functional>
#include <thread>

#include "common/crypto/certificate.h"
#include "common/crypto/inbound_probe.h"
#include "common/crypto/openssl_ptr.h"
#include "common/wire/frame_reader.h"
#include "p2p/v1/chat.pb.h"
#include "peer-client/chat/link_keys.h"
#include "tests/integration/peer_link_fixture.h"

namespace p2p::client {
namespace {

using asio::ip::tcp;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A blocking connection from elsewhere, on the attacker's thread.
class RawConnection {
 public:
  explicit RawConnection(uint16_t port) : socket_(io_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
    timeval limit{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  void Send(ByteView bytes) {
    asio::error_code ignored;
    asio::write(socket_, asio::buffer(bytes.data(), bytes.size()), ignored);
  }
  // Bytes until the other side closes; -1 when it does not.
  long CountUntilClosed() {
    long count = 0;
    uint8_t buffer[512];
    while (true) {
      const ssize_t n = ::recv(socket_.native_handle(), buffer, sizeof buffer, 0);
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return -1;
      if (n <= 0) return count;
      count += n;
    }
  }
  int fd() { return socket_.native_handle(); }

 private:
  asio::io_context io_;
  tcp::socket socket_;
};

// Not of Ed25519, with a certificate signed by itself.
struct OtherIdentity {
  explicit OtherIdentity(EVP_PKEY* generated) : key(generated), certificate(X509_new()) {
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    EXPECT_GT(X509_sign(certificate.get(), key.get(), EVP_sha256()), 0);
  }
  crypto::PkeyPtr key;
  crypto::X509Ptr certificate;
};

struct TlsAttempt {
  const crypto::SigningKey* key = nullptr;  // Null: no certificate.
  const OtherIdentity* other = nullptr;     // Instead of it.
  int version = TLS1_3_VERSION;
  std::string alpn = std::string(wire::kPeerAlpn);  // Empty: none.
  Bytes knock;
  Bytes first_frame;  // Sent after the handshake.
  // Set: a HELLO with the right proof is sent instead, as by one who knows the link.
  const LinkSecret* link = nullptr;
  RequestId intro_id = {};
  LinkRole role = LinkRole::kRequester;
  std::function<void(Bytes& hello)> spoil = nullptr;  // Of the HELLO that would be right.
};

// HELLO{intro_id, mac, versions 1 to 1}.
Bytes HelloFrame(const RequestId& intro_id, ByteView mac) {
  ByteWriter out;
  out.Append(*HexDecode("0000003a0a380a10")).Append(intro_id.view());
  out.Append(*HexDecode("1220")).Append(mac).Append(*HexDecode("18012001"));
  return out.Release();
}

using SslCtxPtr = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using SslPtr = std::unique_ptr<SSL, decltype(&SSL_free)>;

void UseIdentity(SSL_CTX* ctx, const OtherIdentity& identity) {
  EXPECT_EQ(SSL_CTX_use_certificate(ctx, identity.certificate.get()), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(ctx, identity.key.get()), 1);
}

void UseKey(SSL_CTX* ctx, const crypto::SigningKey& signing_key) {
  const auto pem = *crypto::MakeDeviceCertificate(signing_key);
  const crypto::BioPtr cert_bio(BIO_new_mem_buf(pem.certificate.data(), -1));
  const crypto::BioPtr key_bio(BIO_new_mem_buf(pem.private_key.data(), -1));
  const crypto::X509Ptr cert(PEM_read_bio_X509(cert_bio.get(), nullptr, nullptr, nullptr));
  const crypto::PkeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  EXPECT_EQ(SSL_CTX_use_certificate(ctx, cert.get()), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(ctx, key.get()), 1);
}

Bytes ProvenHello(SSL* ssl, const TlsAttempt& attempt) {
  Bytes exporter(wire::kExporterSize);
  EXPECT_EQ(
      SSL_export_keying_material(ssl, exporter.data(), exporter.size(), wire::kExporterLabel.data(),
                                 wire::kExporterLabel.size(), nullptr, 0, 0),
      1);
  Bytes hello =
      HelloFrame(attempt.intro_id, HelloMac(attempt.link->view(), exporter, attempt.role));
  if (attempt.spoil) attempt.spoil(hello);
  return hello;
}

// A connection of the attacker, up to the end of the handshake.
class TlsConnection {
 public:
  TlsConnection(uint16_t port, const TlsAttempt& attempt)
      : raw_(port),
        ctx_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free),
        ssl_(nullptr, &SSL_free) {
    raw_.Send(attempt.knock);
    SSL_CTX_set_min_proto_version(ctx_.get(), attempt.version);
    SSL_CTX_set_max_proto_version(ctx_.get(), attempt.version);
    if (attempt.key != nullptr) UseKey(ctx_.get(), *attempt.key);
    if (attempt.other != nullptr) UseIdentity(ctx_.get(), *attempt.other);
    ssl_.reset(SSL_new(ctx_.get()));
    if (!attempt.alpn.empty()) {
      const std::string list =
          std::string(1, static_cast<char>(attempt.alpn.size())) + attempt.alpn;
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(list.data()),
                          static_cast<unsigned>(list.size()));
    }
    SSL_set_fd(ssl_.get(), raw_.fd());
    handshake_ = SSL_connect(ssl_.get()) == 1;
  }
  bool handshake() const { return handshake_; }
  SSL* ssl() { return ssl_.get(); }
  void Write(const Bytes& bytes) {
    if (!bytes.empty()) SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  }
  // Bytes of the next record; 0: the end.
  int Read() {
    uint8_t buffer[16 * 1024];
    return std::max(SSL_read(ssl_.get(), buffer, sizeof buffer), 0);
  }

 private:
  RawConnection raw_;
  const SslCtxPtr ctx_;
  SslPtr ssl_;
  bool handshake_ = false;
};

struct TlsResult {
  bool handshake = false;
  int application_bytes = 0;
};

TlsResult RunTls(uint16_t port, const TlsAttempt& attempt) {
  TlsConnection connection(port, attempt);
  TlsResult result{.handshake = connection.handshake()};
  if (!result.handshake) return result;
  connection.Write(attempt.link != nullptr ? ProvenHello(connection.ssl(), attempt)
                                           : attempt.first_frame);
  result.application_bytes = connection.Read();
  return result;
}

class HostileTest : public PeerLinkTest {
 protected:
  HostileTest()
      : alice_(io_, "alice", timing_),
        bob_(io_, "bob", timing_),
        introduced_(Introduce(alice_, bob_)),
        link_(DeriveLink(introduced_.introduction)) {
    std::signal(SIGPIPE, SIG_IGN);  // The attacker's plain OpenSSL sockets raise it.
    // Bob waits for alice; she does not come: the attacker does.
    EXPECT_TRUE(Give(bob_, introduced_).ok());
  }
  Bytes Knock(LinkRole dialler = LinkRole::kRequester) {
    const KnockBytes knock =
        MakeKnock(DeriveKnockKey(link_), introduced_.introduction.id, dialler, random_.Array<16>());
    return ToBytes(knock);
  }
  // Runs `attack` on a thread of its own while the clients' loop goes on.
  template <class Attack>
  void Run(Attack attack) {
    std::atomic<bool> done = false;
    std::thread thread([&] {
      attack();
      done = true;
    });
    EXPECT_TRUE(RunUntil([&] { return done.load(); }, 30s));
    thread.join();
    RunFor(50ms);
  }
  TlsResult Attack(TlsAttempt attempt) {
    TlsResult result;
    Run([&] { result = RunTls(bob_.port, attempt); });
    return result;
  }
  // Knock, HELLO and all as alice would, but for what the caller changes.
  TlsAttempt AsAlice() {
    return {.key = &alice_.key,
            .knock = Knock(),
            .first_frame = {},
            .link = &link_,
            .intro_id = introduced_.introduction.id};
  }
  long Knocking(const Bytes& bytes) {
    long count = -2;
    Run([&] {
      RawConnection connection(bob_.port);
      connection.Send(bytes);
      count = connection.CountUntilClosed();
    });
    return count;
  }
  void ExpectBobSawNothing() {
    EXPECT_THAT(bob_.opened, IsEmpty());
    EXPECT_THAT(bob_.received, IsEmpty());
    EXPECT_FALSE(bob_.manager->IsOpen("alice"));
  }
  // The link still works for who it is for.
  void ExpectAliceGetsThrough() {
    ASSERT_TRUE(Give(alice_, introduced_).ok());
    EXPECT_TRUE(RunUntil([&] { return bob_.manager->IsOpen("alice"); }));
  }

  TestPeer alice_;
  TestPeer bob_;
  Introduced introduced_;
  LinkSecret link_;
};

TEST_F(HostileTest, AWrongKnockIsClosedWithoutAByte) {
  Bytes random(wire::kKnockSize);
  random_.Fill(random);
  EXPECT_EQ(Knocking(random), 0);
  EXPECT_EQ(Knocking(Knock(LinkRole::kTarget)), 0);
  Bytes altered = Knock();
  altered[31] ^= 1;
  EXPECT_EQ(Knocking(altered), 0);
  Bytes http = ToBytes(AsBytes("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"));
  EXPECT_EQ(Knocking(http), 0);
  ExpectBobSawNothing();
  ExpectAliceGetsThrough();
}

TEST_F(HostileTest, ALateKnockIsClosedWithoutAByte) {
  const MonoTime start = clock_.Mono();
  EXPECT_EQ(Knocking({}), 0);
  EXPECT_GE(clock_.Mono() - start, timing_.knock);
  Bytes half = Knock();
  half.resize(16);
  EXPECT_EQ(Knocking(half), 0);
  ExpectBobSawNothing();
}

TEST_F(HostileTest, ARepeatedKnockIsClosedWithoutAByte) {
  const Bytes knock = Knock();
  TlsAttempt attempt = AsAlice();
  attempt.knock = knock;
  attempt.key = nullptr;
  const TlsResult first = Attack(attempt);
  EXPECT_EQ(first.application_bytes, 0);
  EXPECT_EQ(Knocking(knock), 0);
  // After that knock no ClientHello is answered either.
  attempt.key = &alice_.key;
  EXPECT_FALSE(Attack(attempt).handshake);
  ExpectBobSawNothing();
}

TEST_F(HostileTest, WhoHasEverythingIsAnswered) {
  // The control: the refusals below are for the one thing that each of them changes.
  const TlsResult result = Attack(AsAlice());
  EXPECT_TRUE(result.handshake);
  EXPECT_GT(result.application_bytes, 0);
}

TEST_F(HostileTest, AnotherDeviceKeyIsRefused) {
  const crypto::SigningKey mallory = crypto::SigningKey::Generate();
  TlsAttempt attempt = AsAlice();
  attempt.key = &mallory;
  EXPECT_EQ(Attack(attempt).application_bytes, 0);
  ExpectBobSawNothing();
  ExpectAliceGetsThrough();
}

TEST_F(HostileTest, BobsOwnStolenKeyDoesNotMakeOneAliceToHim) {
  TlsAttempt attempt = AsAlice();
  attempt.key = &bob_.key;
  EXPECT_EQ(Attack(attempt).application_bytes, 0);
  ExpectBobSawNothing();
  ExpectAliceGetsThrough();
}

TEST_F(HostileTest, NoCertificateIsRefused) {
  TlsAttempt attempt = AsAlice();
  attempt.key = nullptr;
  EXPECT_EQ(Attack(attempt).application_bytes, 0);
  ExpectBobSawNothing();
  ExpectAliceGetsThrough();
}

TEST_F(HostileTest, RsaAndP256CertificatesAreRefused) {
  const OtherIdentity rsa(EVP_RSA_gen(2048));
  const OtherIdentity p256(EVP_EC_gen("P-256"));
  for (const OtherIdentity* identity : {&rsa, &p256}) {
    TlsAttempt attempt = AsAlice();
    attempt.key = nullptr;
    attempt.other = identity;
    EXPECT_EQ(Attack(attempt).application_bytes, 0);
  }
  ExpectBobSawNothing();
  ExpectAliceGetsThrough();
}

TEST_F(HostileTest, OlderTlsIsRefused) {
  TlsAttempt attempt = AsAlice();
  attempt.version = TLS1_2_VERSION;
  EXPECT_FALSE(Attack(attempt).handshake);
  ExpectBobSawNothing();
}

TEST_F(HostileTest, AnotherProtocolNameOrNoneIsRefused) {
  TlsAttempt attempt = AsAlice();
  attempt.alpn = "h2";
  EXPECT_FALSE(Attack(attempt).handshake);
  attempt = AsAlice();
  attempt.alpn = "";
  EXPECT_EQ(Attack(attempt).application_bytes, 0);
  ExpectBobSawNothing();
  ExpectAliceGetsThrough();
}

TEST_F(HostileTest, TheRightKeyWithoutTheLinksProofIsRefused) {
  TlsAttempt attempt = AsAlice();
  attempt.link = nullptr;
  attempt.first_frame = HelloFrame(introduced_.introduction.id, Bytes(32, 0));
  const TlsResult result = Attack(attempt);
  EXPECT_TRUE(result.handshake);
  EXPECT_EQ(result.application_bytes, 0);
  ExpectBobSawNothing();
  ExpectAliceGetsThrough();
}

// A thief has alice's device key and her link record, but for one field of it.
TEST_F(HostileTest, EachFieldOfAStolenLinkRecordMustBeRight) {
  constexpr size_t kId = 8, kMac = 26;  // Where they begin in HelloFrame.
  const LinkSecret other = DeriveLink(Introduce(alice_, bob_).introduction);
  TlsAttempt secret = AsAlice();
  secret.link = &other;
  TlsAttempt role = AsAlice();
  role.role = LinkRole::kTarget;
  TlsAttempt id = AsAlice();
  random_.Fill(id.intro_id.bytes);
  std::vector<TlsAttempt> thefts = {secret, role, id};
  for (const size_t at : {kId, kId + 15, kMac, kMac + 31}) {
    thefts.push_back(AsAlice());
    thefts.back().spoil = [at](Bytes& hello) { hello[at] ^= 0x80; };
  }
  for (size_t i = 0; i < thefts.size(); ++i) {
    thefts[i].knock = Knock();  // This much is right: the handshake is reached.
    const TlsResult result = Attack(thefts[i]);
    EXPECT_TRUE(result.handshake) << i;
    EXPECT_EQ(result.application_bytes, 0) << i;
  }
  ExpectBobSawNothing();
  ExpectAliceGetsThrough();
}

// A HELLO is tied to its connection: what was heard on one is nothing on another.
TEST_F(HostileTest, AReplayedHelloIsRefused) {
  Bytes heard;
  TlsAttempt first = AsAlice();
  first.spoil = [&heard](Bytes& hello) {
    heard = hello;
    hello.back() ^= 1;  // It is not let through this time.
  };
  EXPECT_EQ(Attack(first).application_bytes, 0);
  ASSERT_FALSE(heard.empty());
  TlsAttempt replay = AsAlice();
  replay.link = nullptr;
  replay.first_frame = heard;
  const TlsResult result = Attack(replay);
  EXPECT_TRUE(result.handshake);
  EXPECT_EQ(result.application_bytes, 0);
  ExpectBobSawNothing();
}

TEST_F(HostileTest, ALinksConnectionsAndASourcesUnprovenOnesAreBounded) {
  Run([&] {
    std::vector<std::unique_ptr<RawConnection>> held;
    for (size_t i = 0; i < wire::kMaxUnprovenPerSource; ++i) {
      held.push_back(std::make_unique<RawConnection>(bob_.port));
    }
    RawConnection one_more(bob_.port);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(one_more.CountUntilClosed(), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - start, timing_.knock / 2);
  });
  RunFor(timing_.knock);
  ExpectAliceGetsThrough();
}

TEST_F(HostileTest, AnAlteredIntroductionMakesNoLink) {
  TestPeer carol(io_, "carol", timing_);
  const Introduced good = Introduce(alice_, carol);
  for (size_t i = 0; i < good.object.size(); ++i) {
    Introduced bad = good;
    bad.object[i] ^= 0x01;
    ASSERT_FALSE(Give(carol, bad).ok()) << i;
  }
  Introduced other_signer = good;
  other_signer.signature = crypto::SigningKey::Generate().Sign(good.object);
  EXPECT_FALSE(Give(carol, other_signer).ok());
  EXPECT_FALSE(Give(bob_, good).ok());  // Not for him.
  EXPECT_THAT(carol.manager->Peers(), IsEmpty());
  EXPECT_TRUE(Give(carol, good).ok());
}

TEST_F(HostileTest, ANonceServesOneIntroduction) {
  TestPeer carol(io_, "carol", timing_);
  Introduced first = Introduce(alice_, carol);
  ASSERT_TRUE(Give(carol, first).ok());
  Introduced second = first;
  random_.Fill(second.introduction.id.bytes);
  Sign(second);
  EXPECT_FALSE(Give(carol, second).ok());
}

Bytes Frame(const v1::ChatFrame& frame) {
  Bytes out;
  wire::AppendFrame(AsBytes(frame.SerializeAsString()), out);
  return out;
}

Bytes SelectFrame() {
  v1::ChatFrame frame;
  frame.mutable_select();
  return Frame(frame);
}

Bytes MessageFrame(uint64_t seq, const std::string& text) {
  v1::ChatFrame frame;
  frame.mutable_message()->set_id(std::string(16, static_cast<char>(seq)));
  frame.mutable_message()->set_seq(seq);
  frame.mutable_message()->set_text(text);
  return Frame(frame);
}

// An approved peer that controls the link speaks on two connections at once, before bob has looked
// at either.
TEST_F(HostileTest, OnlyTheConnectionThatIsOpenIsListenedTo) {
  std::unique_ptr<TlsConnection> first, second;
  TlsAttempt attempts[] = {AsAlice(), AsAlice()};
  Run([&] {
    first = std::make_unique<TlsConnection>(bob_.port, attempts[0]);
    second = std::make_unique<TlsConnection>(bob_.port, attempts[1]);
  });
  ASSERT_TRUE(first->handshake() && second->handshake());
  const auto all_at_once = [](TlsConnection& on, const TlsAttempt& attempt, const Bytes& message) {
    Bytes bytes = ProvenHello(on.ssl(), attempt);
    for (const Bytes& more : {SelectFrame(), message}) {
      bytes.insert(bytes.end(), more.begin(), more.end());
    }
    on.Write(bytes);
  };
  all_at_once(*first, attempts[0], MessageFrame(1, "one"));
  all_at_once(*second, attempts[1], MessageFrame(2, "two"));
  ASSERT_TRUE(RunUntil([&] { return !bob_.received.empty(); }));
  EXPECT_THAT(bob_.Texts(), ElementsAre("one"));
  first->Write(MessageFrame(3, "three"));  // Nobody has taken the second.
  ASSERT_TRUE(RunUntil([&] { return !bob_.closed.empty(); }));
  EXPECT_FALSE(bob_.closed[0].for_good);
  EXPECT_THAT(bob_.Texts(), ElementsAre("one"));
}

// The open connection breaks while another one is being established, and nothing comes of that one.
TEST_F(HostileTest, AConnectionThatCameToNothingIsFollowedByDialling) {
  const TlsAttempt attempt = AsAlice();
  std::unique_ptr<TlsConnection> open;
  Run([&] {
    open = std::make_unique<TlsConnection>(bob_.port, attempt);
    open->Write(ProvenHello(open->ssl(), attempt));
    open->Write(SelectFrame());
  });
  ASSERT_TRUE(RunUntil([&] { return bob_.manager->IsOpen("alice"); }));
  std::unique_ptr<RawConnection> begun;
  Run([&] {
    begun = std::make_unique<RawConnection>(bob_.port);
    begun->Send(Knock());
  });
  open.reset();
  ASSERT_TRUE(RunUntil([&] { return !bob_.manager->IsOpen("alice"); }));
  begun.reset();
  RunFor(100ms);
  // Alice cannot dial; she waits for bob.
  Introduced hers = introduced_;
  hers.introduction.target.chat_port = 0;
  Sign(hers);
  ASSERT_TRUE(Give(alice_, hers).ok());
  EXPECT_TRUE(RunUntil([&] { return bob_.manager->IsOpen("alice"); }, 6s));
}

// An introduction that was sent to somebody else, or long ago, or with the parties the other way.
TEST_F(HostileTest, AStolenOrReplayedIntroductionMakesNoLink) {
  TestPeer carol(io_, "carol", timing_);
  TestPeer eve(io_, "eve", timing_);
  const Introduced good = Introduce(alice_, carol);
  EXPECT_FALSE(Give(eve, good).ok());
  EXPECT_FALSE(eve.manager
                   ->OnIntroduction(good.object, good.signature, server_key_.public_key(),
                                    "carol")  // Her name alone does not help.
                   .ok());
  Introduced swapped = good;
  std::swap(swapped.introduction.requester, swapped.introduction.target);
  swapped.object = swapped.introduction.Serialize();
  EXPECT_FALSE(Give(carol, swapped).ok());  // Not what was signed.
  ASSERT_TRUE(Give(carol, good).ok());
  ASSERT_TRUE(carol.manager->HangUp("alice").ok());
  EXPECT_TRUE(Give(carol, good).ok());             // Acknowledged, so that it is not sent for ever,
  EXPECT_THAT(carol.manager->Peers(), IsEmpty());  // and nothing comes of it.
  carol.Start();
  EXPECT_TRUE(Give(carol, good).ok());
  EXPECT_THAT(carol.manager->Peers(), IsEmpty());
  const Introduced late = Introduce(alice_, carol);
  std::filesystem::remove(carol.directory.path() + "/state/nonces");
  carol.Start();
  EXPECT_FALSE(Give(carol, late).ok());  // A nonce that this client does not know.
  EXPECT_THAT(carol.manager->Peers(), IsEmpty());
}

// Takes connections one after the other and counts the application bytes that it gets out of them.
class Impostor {
 public:
  explicit Impostor(const OtherIdentity& identity) : Impostor() {
    UseIdentity(ctx_.get(), identity);
  }
  explicit Impostor(const crypto::SigningKey& key) : Impostor() { UseKey(ctx_.get(), key); }
  Impostor()
      : acceptor_(io_, {asio::ip::address_v4::loopback(), 0}),
        ctx_(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free) {
    const auto take_any = [](SSL*, const unsigned char** out, unsigned char* size,
                             const unsigned char* in, unsigned, void*) {
      *out = in + 1;
      *size = in[0];
      return SSL_TLSEXT_ERR_OK;
    };
    SSL_CTX_set_alpn_select_cb(ctx_.get(), take_any, nullptr);
    SSL_CTX_set_verify(ctx_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(
        ctx_.get(), [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  }
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void ServeOne() {
    tcp::socket socket(io_);
    acceptor_.accept(socket);
    Bytes knock(wire::kKnockSize);
    asio::error_code error;
    asio::read(socket, asio::buffer(knock), error);
    const SslPtr ssl(SSL_new(ctx_.get()), &SSL_free);
    SSL_set_fd(ssl.get(), socket.native_handle());
    ++served;
    if (SSL_accept(ssl.get()) != 1) return;
    uint8_t buffer[512];
    application_bytes += std::max(SSL_read(ssl.get(), buffer, sizeof buffer), 0);
  }

  int served = 0;
  int application_bytes = 0;

 private:
  asio::io_context io_;
  tcp::acceptor acceptor_;
  SslCtxPtr ctx_;
};

TEST_F(HostileTest, AListenerWithAnotherKeyIsReportedAndNotTalkedTo) {
  // Whoever answers at bob's address but does not hold his key.
  const crypto::SigningKey mallory = crypto::SigningKey::Generate();
  Impostor impostor(mallory);
  Introduced introduced = Introduce(alice_, bob_);
  introduced.introduction.target.chat_port = impostor.port();
  Sign(introduced);
  Run([&] {
    asio::post(io_, [&] { EXPECT_TRUE(Give(alice_, introduced).ok()); });
    impostor.ServeOne();
  });
  ASSERT_TRUE(RunUntil([&] { return !alice_.dial_failed.empty(); }));
  EXPECT_EQ(impostor.served, 1);
  EXPECT_EQ(impostor.application_bytes, 0);
  EXPECT_THAT(alice_.opened, IsEmpty());
  EXPECT_THAT(alice_.dial_failed[0].reasons,
              ElementsAre(absl::StrCat("127.0.0.1:", impostor.port(),
                                       ": the peer holds another device key")));
}

TEST_F(HostileTest, AListenerWithAnRsaOrP256CertificateIsNotTalkedTo) {
  const OtherIdentity rsa(EVP_RSA_gen(2048));
  const OtherIdentity p256(EVP_EC_gen("P-256"));
  for (const OtherIdentity* identity : {&rsa, &p256}) {
    Impostor impostor(*identity);
    TestPeer carol(io_, "carol", timing_);
    Introduced introduced = Introduce(carol, bob_);
    introduced.introduction.target.chat_port = impostor.port();
    Sign(introduced);
    Run([&] {
      asio::post(io_, [&] { EXPECT_TRUE(Give(carol, introduced).ok()); });
      impostor.ServeOne();
    });
    EXPECT_EQ(impostor.served, 1);
    EXPECT_EQ(impostor.application_bytes, 0);
    EXPECT_THAT(carol.opened, IsEmpty());
  }
}

TEST_F(HostileTest, AnIntroductionWithASwappedKeyMakesNoCommonLink) {
  // A lying server: alice is given bob's key, mallory a copy that names her own.
  TestPeer mallory(io_, "bob", timing_);
  Introduced lie = Introduce(alice_, bob_);
  lie.introduction.target.chat_port = mallory.port;
  Sign(lie);
  Introduced mallorys = lie;
  mallorys.introduction.target.device_key = mallory.key.public_key();
  mallorys.introduction.target.nonce = mallory.manager->MakeNonce();
  Sign(mallorys);
  ASSERT_TRUE(Give(mallory, mallorys).ok());
  ASSERT_TRUE(Give(alice_, lie).ok());
  ASSERT_TRUE(RunUntil([&] { return !alice_.dial_failed.empty(); }));
  EXPECT_THAT(alice_.opened, IsEmpty());
  EXPECT_THAT(mallory.opened, IsEmpty());
}

// The chat port while nobody is expected --------------------------------------------------------

class ChatPortTest : public HostileTest {
 protected:
  // Whether a connection to bob's port is accepted.
  bool IsOpen() {
    asio::io_context io;
    tcp::socket socket(io);
    asio::error_code error;
    socket.connect({asio::ip::address_v4::loopback(), bob_.port}, error);
    EXPECT_TRUE(!error || error == asio::error::connection_refused) << error.message();
    return !error;
  }
};

TEST_F(ChatPortTest, ItIsClosedWithTheLastLinkAndOpensWithTheNext) {
  EXPECT_TRUE(IsOpen());
  ExpectAliceGetsThrough();
  ASSERT_TRUE(bob_.manager->HangUp("alice").ok());
  const MonoTime hung_up = clock_.Mono();
  ASSERT_TRUE(RunUntil([&] { return !IsOpen(); }));
  EXPECT_LT(clock_.Mono() - hung_up, 1s);
  // What is left of the conversation does not keep the port from opening again.
  const Introduced again = Introduce(alice_, bob_);
  ASSERT_TRUE(Give(bob_, again).ok());
  EXPECT_TRUE(IsOpen());
  ASSERT_TRUE(Give(alice_, again).ok());
  EXPECT_TRUE(RunUntil([&] { return bob_.manager->IsOpen("alice"); }));
}

TEST_F(ChatPortTest, WhileItIsClosedNobodyElseGetsIt) {
  TestPeer carol(io_, "carol", timing_);
  EXPECT_FALSE([&] {
    asio::io_context io;
    tcp::acceptor thief(io);
    asio::error_code error;
    thief.open(tcp::v4(), error);
    thief.set_option(tcp::acceptor::reuse_address(true), error);
    thief.bind({asio::ip::address_v4::loopback(), carol.port}, error);
    return !error;
  }());
  const Introduced introduced = Introduce(carol, bob_);
  ASSERT_TRUE(Give(carol, introduced).ok());
  ASSERT_TRUE(Give(bob_, introduced).ok());
  EXPECT_TRUE(RunUntil([&] { return carol.manager->IsOpen("bob"); }));
}

TEST_F(ChatPortTest, WithoutALinkItOpensForTheServersCheckAlone) {
  TestPeer carol(io_, "carol", timing_);
  const auto probe = [&](const crypto::InboundChallenge& challenge, long& count) {
    count = -2;
    Run([&] {
      try {
        RawConnection connection(carol.port);
        connection.Send(crypto::MakeInboundProbe(challenge, random_.Array<16>()));
        count = connection.CountUntilClosed();
      } catch (const std::exception&) {
        count = -3;  // Refused.
      }
    });
  };
  const crypto::InboundChallenge mine{1}, wrong{2};
  long count = 0;
  probe(mine, count);
  EXPECT_EQ(count, -3);
  carol.manager->ExpectProbe(mine);
  probe(wrong, count);
  EXPECT_EQ(count, 0);
  probe(mine, count);
  EXPECT_EQ(count, 16);
  probe(mine, count);
  EXPECT_EQ(count, -3);
}

}  // namespace
}  // namespace p2p::client
