#include "tests/bench/event_tls.h"

#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/use_future.hpp>
#include <thread>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/net/tls_stream.h"
#include "tests/bench/own_core.h"

namespace p2p::bench {

class EventTls::End {
 public:
  explicit End(int core)
      : work_(io_.get_executor()), thread_([this, core] {
          UseCore(core);
          io_.run();
        }) {}
  ~End() {
    // On its own thread, like every use of the stream.
    asio::post(io_, [this] { stream_.reset(); });
    work_.reset();
    thread_.join();
  }

  // Runs the coroutine on the end's thread.
  template <class F>
  std::future<void> Start(F coroutine) {
    return asio::co_spawn(io_, std::move(coroutine), asio::use_future);
  }
  asio::awaitable<void> Handshake(asio::ip::tcp::socket socket, net::TlsRole role,
                                  const crypto::PublicKey& peer) {
    socket.set_option(asio::ip::tcp::no_delay(true));
    auto context = net::PeerTlsContext::Create(key, "bench");
    P2P_CHECK(context.ok());
    stream_ = std::make_unique<net::PeerTlsStream>(std::move(socket), *context, role, peer);
    const absl::Status done = co_await stream_->Handshake();
    P2P_CHECK(done.ok());
  }
  asio::awaitable<void> Send(const Bytes& data) {
    const absl::Status sent = co_await stream_->Write(data);
    P2P_CHECK(sent.ok());
  }
  asio::awaitable<void> Receive(Bytes& data) {
    for (size_t at = 0; at < data.size();) {
      const auto got = co_await stream_->ReadSome(std::span(data).subspan(at));
      P2P_CHECK(got.ok() && *got > 0);
      at += *got;
    }
  }

  asio::io_context& io() { return io_; }
  const crypto::SigningKey key = crypto::SigningKey::Generate();

 private:
  asio::io_context io_;
  std::unique_ptr<net::PeerTlsStream> stream_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

EventTls::EventTls() : here_(std::make_unique<End>(0)), there_(std::make_unique<End>(1)) {
  using asio::ip::tcp;
  tcp::acceptor acceptor(there_->io(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  tcp::socket one(here_->io());
  one.connect(acceptor.local_endpoint());
  tcp::socket other = acceptor.accept();
  auto accepted = there_->Start([&] {
    return there_->Handshake(std::move(other), net::TlsRole::kServer, here_->key.public_key());
  });
  here_
      ->Start([&] {
        return here_->Handshake(std::move(one), net::TlsRole::kClient, there_->key.public_key());
      })
      .get();
  accepted.get();
}

EventTls::~EventTls() = default;

void EventTls::PingPong(size_t rounds, size_t size, Samples& samples) {
  auto echo = there_->Start([&]() -> asio::awaitable<void> {
    Bytes buffer(size);
    for (size_t i = 0; i < rounds; ++i) {
      co_await there_->Receive(buffer);
      co_await there_->Send(buffer);
    }
  });
  here_
      ->Start([&]() -> asio::awaitable<void> {
        const SystemClock clock;
        Bytes buffer(size, 'x');
        for (size_t i = 0; i < rounds; ++i) {
          const MonoTime start = clock.Mono();
          co_await here_->Send(buffer);
          co_await here_->Receive(buffer);
          samples.Add(clock.Mono() - start);
        }
      })
      .get();
  echo.get();
}

}  // namespace p2p::bench
