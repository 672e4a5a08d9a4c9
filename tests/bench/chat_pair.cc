#include "tests/bench/chat_pair.h"

#include <filesystem>

#include "common/base/check.h"
#include "tests/bench/own_core.h"

namespace p2p::bench {
namespace {

std::string Made(std::string directory) {
  std::filesystem::create_directories(directory);
  std::filesystem::permissions(directory, std::filesystem::perms::owner_all);
  return directory;
}

}  // namespace

ChatSide::ChatSide(std::string side_name, const std::string& parent, int core)
    : name(std::move(side_name)), directory(Made(parent + "/" + name)), work_(io_.get_executor()) {
  random_.Fill(uid_.bytes);
  client::TransferDesk::Hooks hooks;
  hooks.show = [this](const client::Output& output) { Show(output); };
  hooks.wake = [this](const std::string& peer) {
    asio::post(io_, [this, peer] { chats_->Wake(peer); });
  };
  auto files = client::TransferDesk::Create(io_, clock_, random_, directory + "/files",
                                            directory + "/downloads", std::move(hooks));
  P2P_CHECK(files.ok());
  files_ = *std::move(files);
  client::ChatCallbacks callbacks;
  callbacks.on_open = [this](const auto&) { on_open(); };
  callbacks.on_message = [this](const client::ChatReceived& message) {
    chats_->MarkShown(message.peer, message.id);
    on_message(message);
  };
  callbacks.on_receipt = [this](const client::ChatReceipt& receipt) { on_receipt(receipt); };
  callbacks.on_closed = [](const auto&) {};
  callbacks.on_dial_failed = [](const auto&) { P2P_CHECK(false); };
  client::ChatOptions options;
  options.state_dir = directory + "/chat";
  options.port = 0;
  options.loopback_only = true;
  options.files = files_.get();
  auto chats = client::ChatManager::Create(io_, key_, timing_, clock_, random_, std::move(options),
                                           std::move(callbacks));
  P2P_CHECK(chats.ok());
  chats_ = *std::move(chats);
  P2P_CHECK(chats_->Listen().ok());
  thread_ = std::thread([this, core] {
    UseCore(core);
    io_.run();
  });
}

ChatSide::~ChatSide() {
  Do([this] { chats_.reset(); });
  io_.stop();
  thread_.join();
}

void ChatSide::Show(const client::Output& output) {
  if (const auto* offer = std::get_if<client::out::FileOffer>(&output)) on_offer(*offer);
  if (const auto* transfer = std::get_if<client::out::Transfer>(&output)) on_transfer(*transfer);
}

wire::IntroducedParty ChatSide::Party() {
  return Do([this] {
    wire::IntroducedParty party;
    party.uid = uid_;
    party.name = name;
    party.device_key = key_.public_key();
    party.observed = *net::IpAddress::Parse("127.0.0.1");
    party.chat_port = chats_->ChatPort();
    party.nonce = chats_->MakeNonce();
    return party;
  });
}

void ChatSide::Introduce(const Bytes& object, const crypto::Signature& signature,
                         const crypto::PublicKey& introducer) {
  const absl::Status status =
      Do([&] { return chats_->OnIntroduction(object, signature, introducer, name); });
  P2P_CHECK(status.ok());
}

ChatPair::ChatPair(const std::string& directory)
    : alice_("alice", directory, 0), bob_("bob", directory, 1) {}

Duration ChatPair::IntroduceAndSpeak() {
  wire::Introduction introduction;
  random_.Fill(introduction.id.bytes);
  introduction.issued = SystemClock().Wall();
  introduction.expires = introduction.issued + 60s;
  introduction.requester = alice_.Party();
  introduction.target = bob_.Party();
  const Bytes object = introduction.Serialize();
  const auto signature = introducer_.Sign(object);
  std::promise<void> heard;
  bob_.Do([&] { bob_.on_message = [&](const auto&) { heard.set_value(); }; });
  const SystemClock clock;
  const MonoTime start = clock.Mono();
  bob_.Introduce(object, signature, introducer_.public_key());
  alice_.Introduce(object, signature, introducer_.public_key());
  P2P_CHECK(alice_.Do([&] { return alice_.chats().Send("bob", "hello").ok(); }));
  heard.get_future().get();
  const Duration took = clock.Mono() - start;
  bob_.Do([&] { bob_.on_message = [](const auto&) {}; });
  return took;
}

void ChatPair::HangUp() {
  P2P_CHECK(alice_.Do([&] { return alice_.chats().HangUp("bob").ok(); }));
  while (bob_.Do([&] { return !bob_.chats().Peers().empty(); })) std::this_thread::yield();
}

void ChatPair::Deliver(size_t rounds, size_t size, Samples& samples) {
  const std::string text(size, 'x');
  std::promise<void> done;
  const SystemClock clock;
  MonoTime sent;
  const auto send = [&] {
    sent = clock.Mono();
    P2P_CHECK(alice_.chats().Send("bob", text).ok());
  };
  alice_.Do([&] {
    alice_.on_receipt = [&](const client::ChatReceipt& receipt) {
      if (receipt.state != client::ReceiptState::kDelivered) return;
      samples.Add(clock.Mono() - sent);
      if (--rounds == 0) return done.set_value();
      send();
    };
    send();
  });
  done.get_future().get();
  alice_.Do([&] { alice_.on_receipt = [](const auto&) {}; });
}

void ChatPair::PingPong(size_t rounds, size_t size, Samples& samples) {
  const std::string text(size, 'x');
  std::promise<void> done;
  const SystemClock clock;
  MonoTime sent;
  const auto send = [&] {
    sent = clock.Mono();
    P2P_CHECK(alice_.chats().Send("bob", text).ok());
  };
  bob_.Do([&] {
    bob_.on_message = [&](const client::ChatReceived& message) {
      P2P_CHECK(bob_.chats().Send("alice", message.text).ok());
    };
  });
  alice_.Do([&] {
    alice_.on_message = [&](const auto&) {
      samples.Add(clock.Mono() - sent);
      if (--rounds == 0) return done.set_value();
      send();
    };
    send();
  });
  done.get_future().get();
  for (ChatSide* side : {&alice_, &bob_}) {
    side->Do([&] { side->on_message = [](const auto&) {}; });
  }
}

ChatPair::Copied ChatPair::Copy(const std::string& path) {
  const SystemClock clock;
  std::promise<std::string> offered;
  std::promise<std::string> done;
  bob_.Do([&] {
    bob_.on_offer = [&](const client::out::FileOffer& offer) { offered.set_value(offer.id); };
    bob_.on_transfer = [&](const client::out::Transfer& transfer) {
      P2P_CHECK(transfer.state != "failed" && transfer.state != "cancelled");
      if (transfer.state == "done") done.set_value(transfer.path);
    };
  });
  const MonoTime start = clock.Mono();
  P2P_CHECK(alice_.Do([&] { return alice_.files().Offer("bob", path).ok(); }));
  const std::string id = offered.get_future().get();
  const MonoTime accepted = clock.Mono();
  P2P_CHECK(bob_.Do([&] { return bob_.files().Accept(id).ok(); }));
  std::filesystem::remove(done.get_future().get());
  const Copied out{accepted - start, clock.Mono() - accepted};
  bob_.Do([&] { bob_.on_transfer = [](const auto&) {}; });
  return out;
}

}  // namespace p2p::bench
