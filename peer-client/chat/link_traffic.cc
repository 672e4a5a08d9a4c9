// The part of ChatManager that handles connections: dialling, accepting, and what they bring.
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/net/file.h"
#include "peer-client/chat/chat_manager_impl.h"
#include "peer-client/chat/durable.h"
#include "peer-client/chat/local_network.h"

namespace p2p::client {
namespace {

constexpr uint16_t kNextPorts = 31;         // Tried above the preferred one.
constexpr Duration kRedialSoon = 4s;        // For a while after the connection was lost …
constexpr Duration kSoon = 10min;           // … this long …
constexpr Duration kRedialPause = 30s;      // … then.
constexpr Duration kShortConnection = 10s;  // Such drops are followed by growing pauses.

std::string PortFile(const ChatOptions& options) {
  return absl::StrCat(options.state_dir, "/chat_port");
}

}  // namespace

std::vector<uint16_t> ChatManager::Impl::PortsToTry() const {
  std::vector<uint16_t> ports;
  const auto remembered = net::ReadFile(PortFile(options_), 16);
  uint32_t number = 0;
  if (remembered.ok() && absl::SimpleAtoi(absl::StripAsciiWhitespace(*remembered), &number) &&
      number >= wire::kMinChatPort && number <= 65535) {
    ports.push_back(static_cast<uint16_t>(number));
  }
  for (uint32_t i = 0; options_.port != 0 && i <= kNextPorts && options_.port + i <= 65535; ++i) {
    ports.push_back(static_cast<uint16_t>(options_.port + i));
  }
  ports.push_back(0);
  return ports;
}

absl::StatusOr<uint16_t> ChatManager::Impl::Listen() {
  if (listener_ != nullptr) return listener_->port();
  auto listener = std::make_shared<LinkListener>(
      io_, timing_, guard_,
      [this](asio::ip::tcp::socket socket, const RequestId& id, const net::SocketAddress& from,
             LinkListener::Ticket ticket) {
        OnKnock(std::move(socket), id, from, std::move(ticket));
      },
      [this](const KnockBytes& first) {
        const auto answer = probe_.Answer(first, clock_.Mono());
        if (answer) UpdateListener();
        return answer;
      });
  P2P_ASSIGN_OR_RETURN(const uint16_t port,
                       listener->Reserve(PortsToTry(), options_.loopback_only));
  listener_ = std::move(listener);
  P2P_RETURN_IF_ERROR(net::WriteFileAtomically(PortFile(options_), absl::StrCat(port, "\n")));
  UpdateListener();
  for (const auto& [id, link] : links_) StartDialling(*link, timing_.dial_total);
  return port;
}

// Open for approved peers and for a check that was asked for; otherwise nobody is expected.
void ChatManager::Impl::UpdateListener() {
  if (listener_ == nullptr) return;
  const auto probe_ends = probe_.ends(clock_.Mono());
  listener_->SetOpen(guard_.size() > 0 || probe_ends.has_value());
  if (!probe_ends) return;
  probe_timer_.expires_after(*probe_ends - clock_.Mono());
  probe_timer_.async_wait([weak = weak_from_this()](const asio::error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr && !self->stopped_) self->UpdateListener();
  });
}

void ChatManager::Impl::ExpectProbe(ByteView challenge) {
  probe_.Expect(challenge, clock_.Mono());
  UpdateListener();
}

LinkConnection::Setup ChatManager::Impl::SetupFor(const Link& link, bool dialler,
                                                  std::string path) const {
  return {.session = {.intro_id = link.record.id,
                      .role = link.role(),
                      .dialler = dialler,
                      .controller = link.record.we_control,
                      .link = link.record.secret.Clone(),
                      .exporter = {},
                      .files = options_.files == nullptr ? nullptr
                                                         : options_.files->Lane(link.file_peer())},
          .peer_key = link.record.peer.device_key,
          .path = std::move(path)};
}

std::shared_ptr<LinkConnection> ChatManager::Impl::AddConnection(Link& link,
                                                                 asio::ip::tcp::socket socket,
                                                                 bool dialler, std::string path) {
  auto connection = std::make_shared<LinkConnection>(std::move(socket), tls_,
                                                     SetupFor(link, dialler, std::move(path)),
                                                     timing_, clock_, link.conversation, *this);
  link.establishing.push_back(connection);
  return connection;
}

void ChatManager::Impl::SetFound(absl::string_view peer, const net::IpAddress& ip) {
  Link* link = FindPeer(peer);
  if (link == nullptr || link->found == ip) return;
  link->found = ip;
  if (link->connections() > 0 || ip == link->record.peer.observed) return;
  if (link->dialler != nullptr) link->dialler->Stop();
  StartDialling(*link, timing_.dial_total);
}

// The addresses of the introduction, and before them where the peer was seen since.
DialPlan ChatManager::Impl::PlanFor(const Link& link) const {
  const LocalView local{.addresses = LocalAddresses(), .listening_ports = {port()}};
  DialPlan plan = PlanDial(link.record.me, link.record.peer, local);
  if (!link.found || *link.found == link.record.peer.observed) return plan;
  wire::IntroducedParty moved = link.record.peer;
  moved.observed = *link.found;
  moved.candidates.clear();
  DialPlan first = PlanDial(link.record.me, moved, local);
  for (const auto& address : plan.dial) {
    if (std::ranges::find(first.dial, address) == first.dial.end()) first.dial.push_back(address);
  }
  first.refused.insert(first.refused.end(), plan.refused.begin(), plan.refused.end());
  return first;
}

void ChatManager::Impl::StartDialling(Link& link, Duration total) {
  if (link.dialling() || link.connections() > 0) return;
  link.redial.cancel();
  const RequestId id = link.record.id;
  LinkDialler::Job job{.link = id,
                       .role = link.role(),
                       .knock_key = DeriveKnockKey(link.record.secret),
                       .plan = PlanFor(link),
                       .total = total};
  // The dialler is stopped before the manager goes, so both may keep `this`.
  link.dialler = std::make_shared<LinkDialler>(
      io_, std::move(job), clock_, random_,
      [this, id](asio::ip::tcp::socket socket, const net::SocketAddress& to) {
        return EstablishDialled(id, std::move(socket), to);
      },
      [this, id](std::vector<std::string> reasons) {
        Link* failed = Find(id);
        if (failed == nullptr) return;
        const bool lost_lately = clock_.Mono() - failed->lost_at < kSoon;
        RedialLater(*failed, lost_lately ? kRedialSoon : kRedialPause);
        if (std::exchange(failed->failure_told, true) || failed->record.hanging_up) return;
        const DialFailed report{.peer = failed->record.peer.name, .reasons = std::move(reasons)};
        Emit([report](const ChatCallbacks& c) { c.on_dial_failed(report); });
      });
  link.dialler->Start();
}

void ChatManager::Impl::RedialLater(Link& link, Duration pause) {
  link.redial.expires_after(pause);
  link.redial.async_wait(
      [weak = weak_from_this(), id = link.record.id](const asio::error_code& error) {
        const auto self = weak.lock();
        if (error || self == nullptr || self->stopped_) return;
        if (Link* again = self->Find(id); again != nullptr) self->StartDialling(*again, {});
      });
}

asio::awaitable<absl::Status> ChatManager::Impl::EstablishDialled(RequestId id,
                                                                  asio::ip::tcp::socket socket,
                                                                  net::SocketAddress to) {
  const auto self = shared_from_this();
  Link* link = Find(id);
  if (link == nullptr) co_return absl::CancelledError("no longer wanted");
  const auto connection =
      AddConnection(*link, std::move(socket), true, absl::StrCat("dialled ", to.ToString()));
  const absl::Status status = co_await connection->Establish();
  if (stopped_) co_return absl::CancelledError("stopped");
  link = Find(id);
  if (link != nullptr && !status.ok()) link->Forget(*connection);
  if (status.ok()) Adopt(connection);
  co_return status;
}

void ChatManager::Impl::OnKnock(asio::ip::tcp::socket socket, const RequestId& id,
                                const net::SocketAddress& from, LinkListener::Ticket ticket) {
  Link* link = Find(id);
  if (link == nullptr || link->connections() >= wire::kMaxConnectionsPerLink) return;
  auto connection = AddConnection(*link, std::move(socket), false,
                                  absl::StrCat("accepted from ", from.ToString()));
  asio::co_spawn(
      io_,
      [self = shared_from_this(), c = std::move(connection), t = std::move(ticket)]() mutable {
        return self->EstablishAccepted(std::move(c), std::move(t));
      },
      asio::detached);
}

asio::awaitable<void> ChatManager::Impl::EstablishAccepted(
    std::shared_ptr<LinkConnection> connection, LinkListener::Ticket ticket) {
  const auto self = shared_from_this();
  const absl::Status status = co_await connection->Establish();
  ticket.reset();
  if (stopped_) co_return;
  if (status.ok()) {
    Adopt(connection);
  } else if (Link* link = Find(connection->link()); link != nullptr) {
    link->Forget(*connection);
    // Whoever wanted to dial meanwhile left it to this connection.
    if (link->connections() == 0 && !link->dialling()) RedialLater(*link, kRedialSoon);
  }
}

// A connection on which both sides are proven.
void ChatManager::Impl::Adopt(const std::shared_ptr<LinkConnection>& connection) {
  Link* link = Find(connection->link());
  if (link == nullptr) return connection->Close(SessionEnd::kReplaced);
  link->Forget(*connection);
  link->proven.push_back(connection);
  connection->Run();
}

void ChatManager::Impl::OnEvents(LinkConnection& connection, std::vector<SessionEvent> events) {
  Link* link = Find(connection.link());
  if (link == nullptr) return connection.Close(SessionEnd::kReplaced);
  const absl::Status journalled = JournalReceived(*link->journal, link->conversation, events);
  if (!journalled.ok()) {
    const ChatClosed closed{.peer = link->record.peer.name,
                            .reason = std::string(journalled.message()),
                            .for_good = true};
    Emit([closed](const ChatCallbacks& c) { c.on_closed(closed); });
    // What the disk holds is unknown until the next start: the record stays, the link does not.
    FilesClosed(*link);
    return DropLink(connection.link());
  }
  for (SessionEvent& event : events) {
    if (Find(connection.link()) == nullptr) return;
    if (std::holds_alternative<SessionProven>(event)) {
      OnProven(*link, connection);
    } else if (std::holds_alternative<SessionOpen>(event)) {
      OnOpen(*link, connection);
    } else if (const auto* received = std::get_if<SessionMessage>(&event)) {
      if (received->repeated) continue;
      const ChatReceived message{.peer = link->record.peer.name,
                                 .id = received->message.id,
                                 .text = received->message.text,
                                 .sent_at = received->message.sent_at};
      Emit([message](const ChatCallbacks& c) { c.on_message(message); });
    } else if (const auto* receipts = std::get_if<SessionReceipts>(&event)) {
      OnReceipts(*link, receipts->receipts);
    } else if (const auto* hung_up = std::get_if<SessionHungUp>(&event)) {
      OnHungUp(*link, connection, hung_up->reason);
    } else if (std::holds_alternative<SessionHangUpAcked>(event)) {
      RemoveLink(connection.link());
    }
  }
  if (Link* noted = Find(connection.link()); noted != nullptr) FlushLater(*noted);
}

void ChatManager::Impl::OnProven(Link& link, LinkConnection& connection) {
  if (!link.record.we_control) return;
  // Both dial until one is open, so another one may come late. Later than that the peer dials only
  // because it has lost the open one, whatever this side has noticed: the new one takes its place.
  if (link.open != nullptr && clock_.Mono() - link.opened_at < timing_.peer_handshake) {
    connection.Close(SessionEnd::kReplaced);
    link.Forget(connection);
    return;
  }
  SelectNext(link);
}

// The first that was proven. Others wait: without SELECTED in time the next one has its turn.
void ChatManager::Impl::SelectNext(Link& link) {
  if (link.proven.empty() || link.proven.front()->session().selecting()) return;
  link.proven.front()->session().Select(clock_.Mono());
  link.proven.front()->Wake();
}

void ChatManager::Impl::OnOpen(Link& link, LinkConnection& connection) {
  const auto it =
      std::ranges::find_if(link.proven, [&](const auto& c) { return c.get() == &connection; });
  P2P_CHECK(it != link.proven.end());
  const std::shared_ptr<LinkConnection> selected = *it;
  link.proven.erase(it);
  FilesClosed(link);
  link.Disconnect(SessionEnd::kReplaced);
  link.redial.cancel();
  link.open = selected;
  link.opened_at = clock_.Mono();
  link.failure_told = false;
  if (link.record.hanging_up) {
    connection.session().HangUp("", clock_.Mono());
    return connection.Wake();
  }
  const ChatOpened opened{.peer = link.record.peer.name,
                          .path = connection.path(),
                          .reopened = std::exchange(link.opened_before, true),
                          .identity = IdentityState(link)};
  Emit([opened](const ChatCallbacks& c) { c.on_open(opened); });
  if (options_.files != nullptr) options_.files->OnOpen(link.file_peer());
  connection.Wake();
}

// Of the connection that is open, if any.
void ChatManager::Impl::FilesClosed(const Link& link) {
  if (options_.files != nullptr && link.open != nullptr) {
    options_.files->OnClosed(link.file_peer());
  }
}

void ChatManager::Impl::OnReceipts(Link& link, const std::vector<Receipt>& receipts) {
  uint64_t delivered = 0, read = 0;
  for (const Receipt& receipt : receipts) {
    (receipt.read ? read : delivered) = receipt.seq;
    const ChatReceipt report{
        .peer = link.record.peer.name,
        .id = receipt.id,
        .state = receipt.read ? ReceiptState::kRead : ReceiptState::kDelivered};
    Emit([report](const ChatCallbacks& c) { c.on_receipt(report); });
  }
  // Receipts are cumulative, and who has read a message has got it: the last ones say it all.
  absl::Status noted = link.journal->AppendReceipt(read, true);
  if (noted.ok() && delivered > read) noted = link.journal->AppendReceipt(delivered, false);
  if (!noted.ok()) LogWarning("chat_journal_failed", {{"error", noted.message()}});
}

void ChatManager::Impl::OnHungUp(Link& link, LinkConnection& connection,
                                 const std::string& reason) {
  const ChatClosed closed{
      .peer = link.record.peer.name,
      .reason = reason.empty() ? "the peer hung up" : absl::StrCat("the peer hung up: ", reason),
      .for_good = true};
  const bool told = link.record.hanging_up;
  FilesClosed(link);
  connection.session().AckHangUp();
  link.Forget(connection);  // Or the link would close it before the answer is out.
  connection.Release();
  RemoveLink(connection.link());
  if (!told) Emit([closed](const ChatCallbacks& c) { c.on_closed(closed); });
}

void ChatManager::Impl::OnEnded(LinkConnection& connection, SessionEnd end, std::string detail) {
  Link* link = Find(connection.link());
  if (link == nullptr) return;
  if (link->open.get() == &connection) FilesClosed(*link);
  const bool was_open = link->Forget(connection);
  if (was_open) link->lost_at = clock_.Mono();
  if (was_open && !link->record.hanging_up) {
    const ChatClosed closed{.peer = link->record.peer.name,
                            .reason = detail.empty()
                                          ? std::string(SessionEndText(end))
                                          : absl::StrCat(SessionEndText(end), ": ", detail),
                            .for_good = false};
    Emit([closed](const ChatCallbacks& c) { c.on_closed(closed); });
  }
  if (link->record.we_control && link->open == nullptr) SelectNext(*link);
  if (link->connections() > 0 || link->dialling()) return;
  const bool was_short = !was_open || clock_.Mono() - link->opened_at < kShortConnection;
  link->short_connections = was_short ? link->short_connections + 1 : 0;
  if (link->short_connections <= 1) return StartDialling(*link, timing_.dial_total);
  const Duration pause = Duration(1s) * (1 << std::min(link->short_connections, 5));
  RedialLater(*link, std::min(pause, kRedialSoon));
}

}  // namespace p2p::client
