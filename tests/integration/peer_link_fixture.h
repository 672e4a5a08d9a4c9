// Two (or more) chat clients on one io_context over loopback, and the server that introduces them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/crypto/os_random.h"
#include "peer-client/chat/chat_manager.h"

namespace p2p::client {

// A directory below the test's own, gone with the object.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = ::testing::TempDir() + "/peer_link.XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Introduced {
  wire::Introduction introduction;
  Bytes object;
  crypto::Signature signature;
};

class TestPeer {
 public:
  TestPeer(asio::io_context& io, std::string peer_name, const config::Timing& peer_timing)
      : name(std::move(peer_name)),
        key(crypto::SigningKey::Generate()),
        io_(io),
        timing(peer_timing) {
    random.Fill(uid.bytes);
    Start();
  }

  // (Re)starts the client on its directory.
  void Start() {
    manager.reset();
    ChatCallbacks callbacks;
    callbacks.on_open = [this](const ChatOpened& e) { opened.push_back(e); };
    callbacks.on_message = [this](const ChatReceived& e) {
      received.push_back(e);
      if (show) manager->MarkShown(e.peer, e.id);
    };
    callbacks.on_receipt = [this](const ChatReceipt& e) { receipts.push_back(e); };
    callbacks.on_closed = [this](const ChatClosed& e) { closed.push_back(e); };
    callbacks.on_dial_failed = [this](const DialFailed& e) { dial_failed.push_back(e); };
    auto created = ChatManager::Create(
        io_, key, timing, clock, random,
        {.state_dir = directory.path() + "/state", .port = 0, .loopback_only = true}, callbacks);
    ASSERT_TRUE(created.ok()) << created.status();
    manager = *std::move(created);
    const auto listening = manager->Listen();
    ASSERT_TRUE(listening.ok()) << listening.status();
    port = *listening;
  }
  void Stop() { manager.reset(); }

  wire::IntroducedParty Party() {
    wire::IntroducedParty party;
    party.uid = uid;
    party.name = name;
    party.device_key = key.public_key();
    party.observed = *net::IpAddress::Parse("127.0.0.1");
    party.chat_port = port;
    party.nonce = manager->MakeNonce();
    return party;
  }
  std::vector<std::string> Texts() const {
    std::vector<std::string> out;
    for (const auto& message : received) out.push_back(message.text);
    return out;
  }
  size_t CountReceipts(ReceiptState state) const {
    size_t n = 0;
    for (const auto& receipt : receipts) n += receipt.state == state ? 1 : 0;
    return n;
  }

  std::string name;
  crypto::SigningKey key;
  UserId uid;
  crypto::OsRandom random;
  SystemClock clock;
  ScratchDirectory directory;
  asio::io_context& io_;
  config::Timing timing;
  bool show = true;
  std::unique_ptr<ChatManager> manager;
  uint16_t port = 0;
  std::vector<ChatOpened> opened;
  std::vector<ChatReceived> received;
  std::vector<ChatReceipt> receipts;
  std::vector<ChatClosed> closed;
  std::vector<DialFailed> dial_failed;
};

class PeerLinkTest : public ::testing::Test {
 protected:
  PeerLinkTest() : server_key_(crypto::SigningKey::Generate()) {
    timing_.knock = 300ms;
    timing_.peer_handshake = 2s;
    timing_.dial_total = 2s;
  }

  Introduced Introduce(TestPeer& requester, TestPeer& target) {
    Introduced out;
    random_.Fill(out.introduction.id.bytes);
    out.introduction.issued = clock_.Wall();
    out.introduction.expires = clock_.Wall() + 60s;
    out.introduction.requester = requester.Party();
    out.introduction.target = target.Party();
    Sign(out);
    return out;
  }
  void Sign(Introduced& introduced) {
    introduced.object = introduced.introduction.Serialize();
    introduced.signature = server_key_.Sign(introduced.object);
  }
  absl::Status Give(TestPeer& peer, const Introduced& introduced) {
    return peer.manager->OnIntroduction(introduced.object, introduced.signature,
                                        server_key_.public_key(), peer.name);
  }
  // Runs the loop until `condition` holds; false after `limit`.
  template <class Condition>
  bool RunUntil(Condition condition, Duration limit = 10s) {
    const MonoTime end = clock_.Mono() + limit;
    while (!condition()) {
      if (clock_.Mono() >= end) return false;
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(20));
    }
    return true;
  }
  void RunFor(Duration time) {
    RunUntil([] { return false; }, time);
  }

  SystemClock clock_;
  crypto::OsRandom random_;
  config::Timing timing_;
  asio::io_context io_;
  crypto::SigningKey server_key_;
};

}  // namespace p2p::client
