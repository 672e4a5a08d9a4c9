// A client's app model between fakes, in virtual time: what it ordered is recorded, what it said is
// kept, answers are given by the test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "peer-client/app/app_model.h"

namespace p2p::client {

class FakeControl final : public ControlPort {
 public:
  void Probe() override { calls.push_back("probe"); }
  void Pin(const std::string& fingerprint) override { calls.push_back("pin " + fingerprint); }
  void Connect() override { calls.push_back("connect"); }
  void Disconnect() override { calls.push_back("disconnect"); }
  void Signup(const std::string& username, absl::string_view password,
              absl::string_view confirm) override {
    calls.push_back(absl::StrCat("signup ", username, " ", password, " ", confirm));
  }
  void Login(const std::string& username, absl::string_view password) override {
    calls.push_back(absl::StrCat("login ", username, " ", password));
  }
  void Resume(const SecretText& value, const std::array<uint8_t, 16>&) override {
    calls.push_back(absl::StrCat("resume ", value.view()));
  }
  void UseToken(const SecretText& value) override { token = std::string(value.view()); }
  void Logout() override { calls.push_back("logout"); }
  void List() override { calls.push_back("list"); }
  void Request(const std::string& peer, bool is_address, const std::string& reason,
               const PeerOffer&) override {
    calls.push_back(absl::StrCat("request ", is_address ? "ip " : "name ", peer, " ", reason));
  }
  void RequestStatus(const std::string& id) override { calls.push_back("request-status " + id); }
  void Broadcast(const std::string& text, const std::string& key, uint32_t ttl_s) override {
    calls.push_back(absl::StrCat("broadcast ", text, ttl_s > 0 ? " for " : "",
                                 ttl_s > 0 ? absl::StrCat(ttl_s) : ""));
    keys.push_back(key);
  }
  void BroadcastStatus(const std::string& id) override { calls.push_back("status " + id); }
  void RevokeBroadcast(const std::string& id) override { calls.push_back("revoke " + id); }
  void Penalties() override { calls.push_back("penalties"); }
  void CheckInbound(const Bytes& challenge) override {
    calls.push_back(absl::StrCat("inbound ", HexEncode(challenge)));
  }
  void Attach(uint16_t port) override { calls.push_back(absl::StrCat("attach ", port)); }
  void Approve(const std::string& id, const PeerOffer&) override {
    calls.push_back("approve " + id);
  }
  void Deny(const std::string& id) override { calls.push_back("deny " + id); }
  void Cancel(const std::string& id) override { calls.push_back("cancel " + id); }
  void AckIntroduction(const std::string& id) override { calls.push_back("ack-intro " + id); }
  void AckBroadcast(const std::string& id, std::optional<BroadcastVia> via) override {
    calls.push_back("ack-broadcast " + id);
    if (via) calls.back() += *via == BroadcastVia::kUdp ? " udp" : " channel";
  }

  std::vector<std::string> calls, keys;
  std::string token;
};

class FakePeers final : public PeerPort {
 public:
  absl::StatusOr<uint16_t> Open(const Session& session) override {
    opened.push_back(session.username);
    return uint16_t{4400};
  }
  PeerOffer MakeOffer(Duration limit) override {
    limits.push_back(limit);
    return {};
  }
  absl::Status Introduce(const event::Introduction&, const Session&) override { return introduce; }
  absl::StatusOr<std::string> Send(const std::string& peer, const std::string& text) override {
    if (peer != friend_name) return absl::FailedPreconditionError("no conversation");
    sent.push_back(text);
    return std::string("id");
  }
  absl::Status HangUp(const std::string&) override { return hang_up; }
  absl::StatusOr<out::Identity> Identity(const std::string& peer) override {
    if (peer != friend_name) return absl::NotFoundError("never talked with");
    return out::Identity{peer, identity, "12345"};
  }
  std::string IdentityState(const std::string& peer) const override {
    return peer == friend_name ? identity : "";
  }
  absl::Status MarkVerified(const std::string&) override {
    identity = "verified";
    return absl::OkStatus();
  }
  absl::Status TrustKey(const std::string&) override {
    return absl::FailedPreconditionError("has not changed");
  }

  bool AnyWaiting() override { return waiting; }
  void Found(const std::vector<out::ActiveClient>& clients) override {
    for (const auto& c : clients) found.push_back(absl::StrCat(c.username, " ", c.ip_address));
  }
  absl::StatusOr<out::Path> Path(const std::string& peer) override {
    if (peer != friend_name) return absl::NotFoundError("no conversation");
    out::Path path;
    path.peer = peer;
    path.tried = {"10.0.0.7:4400: Connection refused"};
    return path;
  }
  absl::StatusOr<out::Outbox> Outbox(const std::string& peer) override {
    out::Outbox box;
    for (const auto& text : sent) box.entries.push_back({friend_name, "id", {}, text});
    if (!peer.empty() && peer != friend_name) return absl::NotFoundError("no conversation");
    return box;
  }
  absl::Status SetBlocked(const std::string& name, bool on) override {
    std::erase(blocked, name);
    if (on) blocked.push_back(name);
    return absl::OkStatus();
  }
  std::vector<std::string> Blocked() override { return blocked; }
  void ExpectProbe(const Bytes& challenge) override { expected = HexEncode(challenge); }

  bool waiting = false;
  std::string expected;
  std::vector<std::string> found;
  std::vector<Duration> limits;
  std::vector<std::string> opened, sent, blocked;
  std::string friend_name = "bob";
  std::string identity = "unverified";
  absl::Status introduce;
  absl::Status hang_up;
};

class FakeFiles final : public FilePort {
 public:
  absl::StatusOr<std::string> SendFile(const std::string& peer, const std::string& path) override {
    if (peer != "bob") return absl::FailedPreconditionError("no conversation");
    calls.push_back(absl::StrCat("send ", peer, " ", path));
    return std::string("f1");
  }
  absl::Status AcceptFile(const std::string& id) override { return Note("accept ", id); }
  absl::Status CancelFile(const std::string& id) override { return Note("cancel ", id); }
  absl::Status PauseFile(const std::string& id, bool on) override {
    return Note(on ? "pause " : "resume ", id);
  }
  out::Transfers Files() override { return {}; }
  absl::Status Note(absl::string_view what, const std::string& id) {
    calls.push_back(absl::StrCat(what, id));
    return answer;
  }
  std::vector<std::string> calls;
  absl::Status answer;
};

class FakeHistory final : public HistoryPort {
 public:
  absl::StatusOr<out::History> History(const std::string& peer, size_t most) override {
    calls.push_back(absl::StrCat("history ", peer, " ", most));
    return out::History{};
  }
  absl::StatusOr<out::History> SearchHistory(const std::string& text) override {
    calls.push_back(absl::StrCat("search ", text));
    return out::History{};
  }
  absl::StatusOr<out::Exported> ExportHistory(const std::string& path) override {
    return absl::FailedPreconditionError(absl::StrCat("history is off: ", path));
  }
  std::vector<std::string> calls;
};

class FakeBroadcasts final : public BroadcastPort {
 public:
  void Attach(const event::Attached&, const Session&) override { ++attached; }
  void RelayRestarted(const event::RelayRestarted&) override {}
  bool OnRevoked(const event::BroadcastRevoked&) override { return has; }
  std::optional<BroadcastVia> Via(const std::string&) override { return via; }
  absl::Status OnChannelBroadcast(const event::Broadcast&) override { return verdict; }
  void Detach() override { ++detached; }
  UdpPath Udp() override { return udp; }
  UdpPath udp = UdpPath::kWorks;
  int attached = 0, detached = 0;
  absl::Status verdict;
  std::optional<BroadcastVia> via;
  bool has = false;
};

class FakeState final : public StatePort {
 public:
  absl::Status TrustServer(const std::string& fingerprint) override {
    trusted = fingerprint;
    return absl::OkStatus();
  }
  absl::Status SaveSession(const Session& session) override {
    saved = std::string(session.token.view());
    return absl::OkStatus();
  }
  absl::Status ForgetSession() override {
    saved.clear();
    return absl::OkStatus();
  }
  std::string trusted, saved;
};

class RecordingSink final : public OutputSink {
 public:
  void Show(const Output& output) override { shown.push_back(output); }
  template <class T>
  std::vector<T> All() const {
    std::vector<T> out;
    for (const auto& o : shown) {
      if (const auto* t = std::get_if<T>(&o)) out.push_back(*t);
    }
    return out;
  }
  std::vector<Output> shown;
};

inline CallError NoAnswer() {
  return {absl::StatusCode::kUnavailable, "Connection refused", false, {}, {}, {}};
}
inline CallError Answered(absl::StatusCode code, std::string message) {
  return {code, std::move(message), true, {}, {}, {}};
}

struct ClientWorld {
  explicit ClientWorld(AppOptions app_options = {}, uint64_t seed = 1)
      : options(std::move(app_options)), random(seed) {
    model = std::make_unique<AppModel>(
        AppContext{control, peers, files, history, broadcasts, state, sink, random, options});
  }
  Now now() const { return {mono, wall}; }
  // Moves time, waking the model whenever it asked for it.
  void Advance(Duration d) {
    const MonoTime end = mono + d;
    while (true) {
      const auto next = model->NextDeadline();
      if (!next || *next > end) break;
      MoveTo(std::max(*next, mono));
      model->OnTimer(now());
    }
    MoveTo(end);
  }
  void MoveTo(MonoTime t) {
    wall += std::chrono::duration_cast<std::chrono::milliseconds>(t - mono);
    mono = t;
  }
  void Line(const std::string& line) { model->OnLine(line, now()); }
  void Hello() {
    model->OnHello(HelloInfo{"home", "hi", {Choice::kLogin, Choice::kSignup}, "SHA256:a"}, now());
  }
  Session MakeSession(const std::string& username = "alice") const {
    return {username,
            {},
            SecretText("token"),
            wall + 12h,
            {Choice::kListActive, Choice::kBroadcast},
            {},
            {},
            {}};
  }
  void Attached() {
    event::Attached attached;
    attached.reconnect_window = 500ms;
    attached.server_time = server_says;
    attached.broadcast_retention = broadcast_retention;
    model->OnChannelEvent(attached, now());
  }
  // Connected, logged in and attached as alice.
  void LogIn() {
    model->Start(true, std::nullopt, now());
    Hello();
    model->OnCommand(cmd::Login{"alice", SecretText("password")}, now());
    model->OnLogin(MakeSession(), now());
    Attached();
    control.calls.clear();
    sink.shown.clear();
  }
  template <class T>
  std::vector<T> Shown() const {
    return sink.All<T>();
  }

  AppOptions options;
  FakeControl control;
  FakePeers peers;
  FakeFiles files;
  FakeHistory history;
  FakeBroadcasts broadcasts;
  FakeState state;
  RecordingSink sink;
  SeededRandom random;
  MonoTime mono{1h};
  WallTime wall = WallFromMs(1'700'000'000'000);
  WallTime server_says{};  // Its time, at the next attach; not set: nothing.
  Duration broadcast_retention{};
  std::unique_ptr<AppModel> model;
};

}  // namespace p2p::client
