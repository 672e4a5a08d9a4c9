#include "peer-client/chat/link_listener.h"

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/net/fd.h"
#include "peer-client/chat/asio_address.h"

namespace p2p::client {
namespace {

using asio::ip::tcp;

constexpr int kFreePortTries = 10;
constexpr Duration kAcceptPause = 100ms;  // After a failed accept.

}  // namespace

LinkListener::LinkListener(asio::io_context& io, const config::Timing& timing, KnockGuard& guard,
                           OnKnock on_knock, OnStranger on_stranger)
    : io_(io),
      timing_(timing),
      guard_(&guard),
      on_knock_(std::move(on_knock)),
      on_stranger_(std::move(on_stranger)),
      acceptor_(io) {}

absl::Status LinkListener::Bind(uint16_t port, bool loopback_only) {
  const auto try_bind = [&](const tcp::endpoint& endpoint) {
    asio::error_code error;
    acceptor_ = tcp::acceptor(io_);
    acceptor_.open(endpoint.protocol(), error);
    // For a restart while old connections linger; two listeners on one port stay impossible.
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && endpoint.protocol() == tcp::v6()) {
      acceptor_.set_option(asio::ip::v6_only(false), error);
    }
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    return error;
  };
  asio::error_code error;
  if (loopback_only) {
    error = try_bind({asio::ip::address_v4::loopback(), port});
  } else {
    error = try_bind({tcp::v6(), port});
    const bool no_v6 = error == asio::error::address_family_not_supported ||
                       error == asio::error_code(EADDRNOTAVAIL, asio::system_category());
    if (no_v6) error = try_bind({tcp::v4(), port});
  }
  if (!error) return absl::OkStatus();
  return net::ErrnoError(absl::StrCat("chat port ", port), error.value());
}

// Only a port that was asked for by its number outlasts the end of listening.
absl::Status LinkListener::BindForGood(uint16_t port, bool loopback_only) {
  for (int tries = 0; port == 0; ++tries) {
    P2P_RETURN_IF_ERROR(Bind(0, loopback_only));
    asio::error_code ignored;
    const uint16_t chosen = acceptor_.local_endpoint(ignored).port();
    const absl::Status bound = Bind(chosen, loopback_only);
    if (bound.ok() || tries == kFreePortTries) return bound;
  }
  return Bind(port, loopback_only);
}

absl::StatusOr<uint16_t> LinkListener::Reserve(const std::vector<uint16_t>& ports,
                                               bool loopback_only) {
  absl::Status last = absl::InvalidArgumentError("no chat port to try");
  for (const uint16_t port : ports) {
    last = BindForGood(port, loopback_only);
    if (absl::IsAlreadyExists(last) || absl::IsPermissionDenied(last)) continue;
    break;
  }
  if (!last.ok()) return last;
  asio::error_code ignored;
  port_ = acceptor_.local_endpoint(ignored).port();
  Pause();
  return port_;
}

// Linux takes a listening socket that is shut down for reading out of LISTEN, and it stays bound.
// Without SO_REUSEADDR nobody else can bind the port meanwhile.
void LinkListener::Pause() {
  asio::error_code ignored;
  acceptor_.set_option(tcp::acceptor::reuse_address(false), ignored);
  ::shutdown(acceptor_.native_handle(), SHUT_RD);
  acceptor_.cancel(ignored);
}

void LinkListener::SetOpen(bool open) {
  if (stopped_ || open == open_) return;
  open_ = open;
  if (!open) return Pause();
  asio::error_code error;
  // Connections of the time before, and what they leave behind, hold the port, too.
  acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) LogWarning("chat_port_not_opened", {{"port", port_}, {"error", error.message()}});
  auto loop = [self = shared_from_this(), opening = ++openings_] {
    return self->AcceptLoop(opening);
  };
  asio::co_spawn(io_, std::move(loop), asio::detached);
}

void LinkListener::Stop() {
  stopped_ = true;
  guard_ = nullptr;
  on_knock_ = nullptr;
  on_stranger_ = nullptr;
  asio::error_code ignored;
  acceptor_.close(ignored);
}

LinkListener::Ticket LinkListener::Admit(const net::IpAddress& source) {
  const auto it = per_source_.find(source);
  const size_t from_there = it == per_source_.end() ? 0 : it->second;
  if (unproven_ >= wire::kMaxUnprovenConnections || from_there >= wire::kMaxUnprovenPerSource) {
    counters_.Add(ListenerCount::kTooMany);
    return nullptr;
  }
  ++unproven_;
  ++per_source_[source];
  return Ticket(static_cast<void*>(this), [self = shared_from_this(), source](void*) {
    --self->unproven_;
    const auto entry = self->per_source_.find(source);
    if (--entry->second == 0) self->per_source_.erase(entry);
  });
}

asio::awaitable<void> LinkListener::AcceptLoop(uint64_t opening) {
  const auto self = shared_from_this();
  asio::steady_timer pause(io_);
  while (IsCurrent(opening)) {
    asio::error_code error;
    tcp::socket socket(io_);
    tcp::endpoint from;
    co_await acceptor_.async_accept(socket, from, asio::redirect_error(asio::use_awaitable, error));
    if (!IsCurrent(opening)) break;
    if (error) {
      counters_.Add(ListenerCount::kAcceptFailed);
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    counters_.Add(ListenerCount::kAccepted);
    const net::SocketAddress source = FromEndpoint(from);
    Ticket ticket = Admit(source.ip);
    if (ticket == nullptr) continue;  // Closes it.
    asio::co_spawn(
        io_,
        [self, s = std::move(socket), source, t = std::move(ticket)]() mutable {
          return self->ReadKnock(std::move(s), source, std::move(t));
        },
        asio::detached);
  }
}

void LinkListener::AnswerStranger(tcp::socket& socket, const KnockBytes& first) {
  const auto answer = on_stranger_(first);
  counters_.Add(answer ? ListenerCount::kProbed : ListenerCount::kKnockWrong);
  if (!answer) return;
  // A fresh connection takes these few bytes without waiting; if not, the server sees none.
  asio::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(*answer), ignored);
}

asio::awaitable<void> LinkListener::ReadKnock(tcp::socket socket, net::SocketAddress from,
                                              Ticket ticket) {
  const auto self = shared_from_this();
  asio::steady_timer deadline(io_, timing_.knock);
  deadline.async_wait([&socket](const asio::error_code& error) {
    asio::error_code ignored;
    if (!error) socket.close(ignored);
  });
  KnockBytes knock{};
  asio::error_code error;
  co_await asio::async_read(socket, asio::buffer(knock),
                            asio::redirect_error(asio::use_awaitable, error));
  // When the deadline has fired its handler may be queued and holds `socket`: do not use it then.
  const bool in_time = deadline.cancel() > 0;
  if (!in_time) co_await asio::post(io_, asio::use_awaitable);
  if (stopped_) co_return;
  if (error || !in_time) {
    counters_.Add(ListenerCount::kKnockLate);
    co_return;
  }
  const KnockGuard::Result result = guard_->Check(knock);
  switch (result.verdict) {
    case KnockGuard::Verdict::kWrong:
      AnswerStranger(socket, knock);
      co_return;
    case KnockGuard::Verdict::kRepeated:
      counters_.Add(ListenerCount::kKnockRepeated);
      co_return;
    case KnockGuard::Verdict::kAccepted:
      break;
  }
  counters_.Add(ListenerCount::kKnockRight);
  asio::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  on_knock_(std::move(socket), result.link, from, std::move(ticket));
}

}  // namespace p2p::client
