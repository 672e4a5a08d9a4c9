// Two clients' conversations and files, each on a thread of its own, and the introduction between
// them: everything of a peer-client but its face and its server.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "common/base/clock.h"
#include "common/crypto/os_random.h"
#include "peer-client/chat/chat_manager.h"
#include "peer-client/transfer/transfer_desk.h"
#include "tests/bench/samples.h"

namespace p2p::bench {

class ChatSide {
 public:
  // State and downloads in `directory`; its thread runs on that core (own_core.h).
  ChatSide(std::string name, const std::string& directory, int core);
  ~ChatSide();

  // Runs `work` on the side's thread and waits for it.
  template <class F>
  auto Do(F work) {
    std::packaged_task<std::invoke_result_t<F>()> task(std::move(work));
    auto result = task.get_future();
    asio::post(io_, [&task] { task(); });
    return result.get();
  }

  wire::IntroducedParty Party();
  void Introduce(const Bytes& object, const crypto::Signature& signature,
                 const crypto::PublicKey& introducer);

  const std::string name;
  const std::string directory;
  // On the side's thread; set in Do.
  std::function<void()> on_open = [] {};
  std::function<void(const client::ChatReceived&)> on_message = [](const auto&) {};
  std::function<void(const client::ChatReceipt&)> on_receipt = [](const auto&) {};
  std::function<void(const client::out::FileOffer&)> on_offer = [](const auto&) {};
  std::function<void(const client::out::Transfer&)> on_transfer = [](const auto&) {};
  client::ChatManager& chats() { return *chats_; }
  client::TransferDesk& files() { return *files_; }

 private:
  void Show(const client::Output& output);

  SystemClock clock_;
  crypto::OsRandom random_;
  const config::Timing timing_;
  const crypto::SigningKey key_ = crypto::SigningKey::Generate();
  UserId uid_;
  asio::io_context io_{1};  // As in the client: one thread.
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::unique_ptr<client::TransferDesk> files_;
  std::unique_ptr<client::ChatManager> chats_;
  std::thread thread_;
};

class ChatPair {
 public:
  // Two clients that do not know each other yet.
  explicit ChatPair(const std::string& directory);

  // Both hear of each other, as after an approval, and alice says something; how long until bob has
  // it. Again after HangUp.
  Duration IntroduceAndSpeak();
  void HangUp();
  // A message of `size` bytes until its receipt is here: it is on both disks.
  void Deliver(size_t rounds, size_t size, Samples& samples);
  // A message of `size` bytes and its answer, one after the other.
  void PingPong(size_t rounds, size_t size, Samples& samples);
  struct Copied {
    Duration prepared{};  // The hash that the offer carries.
    Duration moved{};     // From the acceptance to the file under its name.
  };
  Copied Copy(const std::string& path);

 private:
  crypto::OsRandom random_;
  const crypto::SigningKey introducer_ = crypto::SigningKey::Generate();
  ChatSide alice_, bob_;
};

}  // namespace p2p::bench
