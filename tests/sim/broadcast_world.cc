#include "tests/sim/broadcast_world.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/crypto/hash.h"
#include "common/wire/broadcast_object.h"
#include "common/wire/broadcast_payload.h"

namespace p2p::sim {
namespace {

constexpr uint16_t kFirstPort = 40'000;

}  // namespace

SimClient::SimClient(BroadcastWorld& world, std::string name, net::IpAddress ip, uint64_t seed)
    : world_(world), name_(std::move(name)), address_{ip, kFirstPort}, random_(seed) {
  user_ = random_.NewId<UserId>();
  Boot();
}

void SimClient::Boot() {
  auto journal = client::BroadcastJournal::Open(storage_, "broadcasts.journal", world_.net().wall(),
                                                client::JournalKeep(30min));
  P2P_CHECK(journal.ok());
  journal_ = *std::move(journal);
  inbox_ = std::make_unique<client::BroadcastInbox>(*journal_);
  core_ = std::make_unique<client::ReceiverCore>(world_.timing(), random_, *this);
  for (const auto& message : inbox_->TakeUnshown()) {
    const auto same = [&](const auto& s) { return s.id == message.id.Hex(); };
    P2P_CHECK(message.replayed);
    P2P_CHECK(inbox_->MarkShown(message.id).ok());
    if (std::any_of(shown_.begin(), shown_.end(), same)) {
      replayed_.push_back(message.id);
      continue;
    }
    shown_.push_back({message.id.Hex(), ToMs(world_.net().wall())});
    texts_.push_back(message.text);
  }
}

void SimClient::Attach() {
  P2P_CHECK(!conn_);
  conn_ = random_.NewId<ConnId>();
  active_.push_back({ToMs(world_.net().wall()), INT64_MAX});
  inbox_->SetServer(world_.broadcast_key(), 30min, Duration(0));
  core_->Start(*conn_, world_.OnAttach(*this, *conn_), world_.net().now());
  Pump();
}

void SimClient::Detach(bool say_so) {
  P2P_CHECK(conn_.has_value());
  active_.back().to_ms = ToMs(world_.net().wall());
  client::Datagrams out;
  core_->Stop(out);
  for (const Bytes& datagram : out) {
    if (say_so) world_.net().Send(address_, world_.relay_address(), datagram);
  }
  world_.OnDetach(*conn_);
  conn_.reset();
  world_.net().Unbind(address_);
}

void SimClient::Restart(End end) {
  if (conn_) Detach(false);
  if (end == End::kPowerCut) storage_.CutPower();
  Boot();
}

void SimClient::Register(Secret<32> psk) {
  core_->Start(*conn_, std::move(psk), world_.net().now());
  Pump();
}

void SimClient::OnChannel(const relay::SignedBroadcast& broadcast) {
  inbox_->Accept(broadcast.id, broadcast.signed_object, broadcast.signature,
                 AsBytes(broadcast.text), client::BroadcastVia::kChannel, world_.net().wall());
  Pump();
  if (inbox_->Find(broadcast.id) == client::BroadcastJournal::State::kDurable) {
    world_.OnChannelAck(*this, broadcast.id);
  }
}

void SimClient::OnDatagram(ByteView datagram) {
  if (on_receive) on_receive(datagram);
  core_->OnDatagram(datagram, world_.net().now());
  Pump();
}

client::ReceiverCore::Inbox::Known SimClient::Find(BroadcastId id) const {
  switch (inbox_->Find(id)) {
    case client::BroadcastJournal::State::kUnknown:
      return Known::kNo;
    case client::BroadcastJournal::State::kUnsynced:
      return Known::kNotYetDurable;
    case client::BroadcastJournal::State::kDurable:
      return Known::kDurable;
  }
  return Known::kNo;
}

void SimClient::OnPayload(BroadcastId id, ByteView payload) {
  const auto parts = wire::BroadcastPayload::Parse(payload);
  if (!parts) return;
  inbox_->Accept(id, parts->signed_object, parts->signature, parts->text,
                 client::BroadcastVia::kUdp, world_.net().wall());
}

void SimClient::Pump() {
  const auto messages = inbox_->Commit(world_.net().wall());
  P2P_CHECK(messages.ok());
  for (const auto& message : *messages) {
    core_->Done(message.id, world_.net().now());
    shown_.push_back({message.id.Hex(), ToMs(world_.net().wall())});
    texts_.push_back(message.text);
    P2P_CHECK(inbox_->MarkShown(message.id).ok());
  }
  client::Datagrams out;
  core_->Poll(world_.net().now(), out);
  if (core_->TakeSocketWish()) Rebind();
  for (const Bytes& datagram : out) {
    ++datagrams_sent_;
    if (on_send) on_send(datagram);
    world_.net().Send(address_, world_.relay_address(), datagram);
  }
  const auto next = core_->NextDeadline();
  if (!next || (wake_ && *wake_ <= *next && *wake_ > world_.net().now())) return;
  wake_ = std::max(*next, world_.net().now());
  world_.net().At(*wake_, [this, at = *wake_] {
    if (wake_ != at) return;  // Superseded by an earlier one.
    wake_.reset();
    Pump();
  });
}

void SimClient::Rebind() {
  world_.net().Unbind(address_);
  ++address_.port;
  ++sockets_opened_;
  world_.net().Bind(address_, [this](const net::SocketAddress& from, ByteView datagram) {
    if (from == world_.relay_address()) OnDatagram(datagram);
  });
}

testing::LedgerClient SimClient::ToLedger() const {
  return {.name = name_, .active = active_, .shown = shown_};
}

BroadcastWorld::BroadcastWorld(uint64_t seed, Impairment impairment, relay::RelayOptions options)
    : net_(seed, impairment),
      random_(seed + 1),
      options_(options),
      relay_address_{net::IpAddress::V4(0x0A000001), 4400},
      key_(crypto::SigningKey::FromSeed(Secret<32>(random_.Array<32>()))) {
  StartRelay();
}

BroadcastWorld::~BroadcastWorld() = default;

void BroadcastWorld::StartRelay() {
  engine_ = std::make_unique<relay::RelayEngine>(options_, random_, *this, counters_);
  relay_started_ = net_.now();
  watch_.Restarted();
  net_.Bind(relay_address_, [this](const net::SocketAddress& from, ByteView datagram) {
    if (recording_) recorded_.emplace_back(from, ToBytes(datagram));
    watch_.In(from, datagram);
    const uint64_t moved = counters_.Get(relay::RelayCount::kMoved);
    engine_->OnDatagram(datagram, {from, relay_address_.ip}, net_.now(), outbox_);
    if (counters_.Get(relay::RelayCount::kMoved) > moved) watch_.Moved();
    PumpRelay();
  });
}

void BroadcastWorld::RestartRelay() {
  StartRelay();
  for (auto& [id, live] : broadcasts_) engine_->AddBroadcast(*live.broadcast, live.expires);
  for (auto& [conn, session] : sessions_) {
    engine_->AddSession(conn, session.psk.Clone());
    Later(timing_.reconnect_first, [this, conn = conn] {
      const auto it = sessions_.find(conn);
      if (it != sessions_.end()) it->second.client->Register(it->second.psk.Clone());
    });
  }
  owner_.RelayRestarted();
  PumpRelay();
}

void BroadcastWorld::RestartServer() {
  for (const auto& client : clients_) {
    if (!client->conn()) continue;
    client->Detach(false);
    Later(3s, [&client = *client] {
      if (!client.conn()) client.Attach();
    });
  }
  std::map<BroadcastId, MonoTime> live;
  for (const auto& [id, broadcast] : broadcasts_) {
    if (broadcast.expires > net_.now()) live.emplace(id, broadcast.expires);
  }
  owner_.Restart(live);
  StartRelay();
  for (const auto& [id, expires] : live) engine_->AddBroadcast(*broadcasts_[id].broadcast, expires);
  PumpRelay();
}

void BroadcastWorld::Later(Duration at_most, std::function<void()> action) {
  net_.At(net_.now() + Duration(random_.Below(static_cast<uint64_t>(at_most.count()))),
          std::move(action));
}

bool BroadcastWorld::CarryOut() {
  auto orders = owner_.TakeOrders();
  // The owner goes through its users in an order that differs from run to run.
  const auto by_conn = [](const auto& a, const auto& b) { return a.conn < b.conn; };
  std::stable_sort(orders.relay.begin(), orders.relay.end(), by_conn);
  std::stable_sort(orders.channel.begin(), orders.channel.end(), by_conn);
  for (const auto& send : orders.relay) engine_->Queue({&send.conn, 1}, send.broadcast);
  for (const auto& send : orders.channel) {
    Later(50ms, [this, send] {
      const auto it = sessions_.find(send.conn);
      if (it != sessions_.end())
        it->second.client->OnChannel(*broadcasts_[send.broadcast].broadcast);
    });
  }
  for (const BroadcastId& id : orders.expired) engine_->RemoveBroadcast(id);
  return !orders.relay.empty() || !orders.expired.empty();
}

void BroadcastWorld::PumpRelay() {
  if (owner_.NextDeadline() && *owner_.NextDeadline() <= net_.now()) owner_.Tick();
  (void)CarryOut();
  do {
    for (size_t i = 0; i < outbox_.size(); ++i) {
      watch_.Out(outbox_[i].path.remote, outbox_[i].bytes);
      net_.Send(relay_address_, outbox_[i].path.remote, outbox_[i].bytes);
    }
    outbox_.Clear();
    engine_->Poll(net_.now(), outbox_);
  } while (!outbox_.empty() || CarryOut());
  auto next = engine_->NextDeadline();
  const auto owner = owner_.NextDeadline();
  if (!next || (owner && *owner < *next)) next = owner;
  if (!next || (wake_ && *wake_ <= *next && *wake_ > net_.now())) return;
  wake_ = std::max(*next, net_.now());
  net_.At(*wake_, [this, at = *wake_] {
    if (wake_ != at) return;
    wake_.reset();
    PumpRelay();
  });
}

SimClient& BroadcastWorld::AddClient(const std::string& name) {
  const auto ip = net::IpAddress::V4(0x0A000100 + static_cast<uint32_t>(clients_.size()));
  clients_.push_back(std::make_unique<SimClient>(*this, name, ip, random_.U64()));
  return *clients_.back();
}

BroadcastId BroadcastWorld::Publish(const std::string& text, Duration ttl,
                                    const std::string& sender) {
  const auto ttl_ms = std::chrono::duration_cast<std::chrono::milliseconds>(ttl);
  wire::BroadcastObject object{.id = random_.NewId<BroadcastId>(),
                               .sender = random_.NewId<UserId>(),
                               .sender_name = sender,
                               .sent_at = net_.wall(),
                               .expires_at = net_.wall() + ttl_ms,
                               .text_digest = crypto::Sha256(AsBytes(text))};
  auto broadcast = std::make_shared<relay::SignedBroadcast>();
  broadcast->id = object.id;
  broadcast->signed_object = object.Serialize();
  broadcast->signature = key_.Sign(broadcast->signed_object);
  broadcast->text = text;
  Live& live = broadcasts_[object.id];
  live.broadcast = broadcast;
  live.expires = net_.now() + ttl;
  live.row = {object.id.Hex(), ToMs(object.sent_at), ToMs(object.expires_at)};
  engine_->AddBroadcast(*broadcast, live.expires);
  owner_.Accept(object.id, live.expires);
  PumpRelay();
  return object.id;
}

Secret<32> BroadcastWorld::OnAttach(SimClient& client, ConnId conn) {
  Secret<32> psk(random_.Array<32>());
  sessions_.insert_or_assign(conn, Session{&client, psk.Clone()});
  engine_->AddSession(conn, psk.Clone());
  owner_.Attach(client.user(), conn);
  PumpRelay();
  return psk;
}

void BroadcastWorld::OnDetach(ConnId conn) {
  sessions_.erase(conn);
  owner_.Detach(conn);
  engine_->RemoveSession(conn);
}

void BroadcastWorld::OnChannelAck(SimClient& client, BroadcastId id) {
  owner_.ChannelAck(client.user(), *client.conn(), id);
  PumpRelay();
}

void BroadcastWorld::OnDelivered(ConnId session, BroadcastId broadcast) {
  owner_.RelayAck(session, broadcast);
}

void BroadcastWorld::OnReachable(ConnId session, bool reachable) {
  reachable_[session] = reachable;
  owner_.Reachable(session, reachable);
}

std::vector<std::string> BroadcastWorld::Check() const {
  testing::Ledger ledger;
  ledger.due_min_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(timing_.due_min).count();
  for (const auto& [id, live] : broadcasts_) ledger.broadcasts.push_back(live.row);
  for (const auto& client : clients_) {
    ledger.clients.push_back(client->ToLedger());
    for (auto& stretch : ledger.clients.back().active) {
      stretch.to_ms = std::min(stretch.to_ms, ToMs(net_.wall()));
    }
  }
  std::vector<std::string> wrong = CheckLedger(ledger);
  wrong.insert(wrong.end(), watch_.wrong().begin(), watch_.wrong().end());
  CheckThatTheLedgerKnows(wrong);
  for (const auto& client : clients_) {
    for (const auto& [key, row] : owner_.rows()) {
      if (key.second != client->user() || row.via == server::DeliveryVia::kNone) continue;
      const auto same = [&](const auto& shown) { return shown.id == row.broadcast.Hex(); };
      if (std::any_of(client->shown().begin(), client->shown().end(), same)) continue;
      wrong.push_back(absl::StrCat("the ledger says that ", client->name(), " has ",
                                   row.broadcast.Hex(), ", which was never shown"));
    }
  }
  return wrong;
}

void BroadcastWorld::CheckThatTheLedgerKnows(std::vector<std::string>& wrong) const {
  // When UDP carries no acknowledgement the channel does, that long after the attachment, the
  // broadcast or the last start of the relay.
  const Duration settle = timing_.channel_fallback + 5s;
  if (net_.now() - relay_started_ < settle) return;
  const int64_t settled = ToMs(net_.wall()) - settle / 1ms;
  for (const auto& client : clients_) {
    if (!client->conn() || client->attached_at_ms() > settled) continue;
    for (const auto& shown : client->shown()) {
      for (const auto& [id, live] : broadcasts_) {
        if (id.Hex() != shown.id || shown.at_ms > settled || live.expires <= net_.now()) continue;
        const auto row = owner_.rows().find({id, client->user()});
        if (row != owner_.rows().end() && row->second.via != server::DeliveryVia::kNone) continue;
        wrong.push_back(absl::StrCat(client->name(), " was shown ", shown.id, " at ", shown.at_ms,
                                     ", and the ledger never says so"));
      }
    }
  }
}

}  // namespace p2p::sim
