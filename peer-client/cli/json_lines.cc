#include "peer-client/cli/json_lines.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/text.h"

namespace p2p::client {
namespace {

// Fields in the order in which the contract names them.
using Json = nlohmann::ordered_json;

std::string Text(absl::string_view s) { return std::string(s); }

Json Choices(const std::vector<Choice>& choices) {
  Json out = Json::array();
  for (const Choice choice : choices) out.push_back(Text(ChoiceName(choice)));
  return out;
}

double SecondsOf(Duration d) {
  const double ms = std::chrono::duration<double, std::milli>(d).count();
  return std::round(ms) / 1000;
}

Json Event(const char* name) { return Json{{"event", name}}; }

Json Render(const out::Connected& o) {
  Json j = Event("connected");
  j["choices"] = Choices(o.choices);
  j["server_name"] = o.server_name;
  j["greeting"] = o.greeting;
  return j;
}
Json Render(const out::Retry& o) {
  Json j = Event("retry");
  j["in_s"] = SecondsOf(o.in);
  j["attempt"] = o.attempt;
  j["of"] = o.of;
  j["reason"] = Text(ReasonName(o.reason));
  j["message"] = o.detail;
  return j;
}
Json Render(const out::SignedUp& o) {
  Json j = Event("signed_up");
  j["username"] = o.username;
  j["message"] = o.message;
  return j;
}
Json Render(const out::LoggedIn& o) {
  Json j = Event("logged_in");
  j["username"] = o.username;
  j["choices"] = Choices(o.choices);
  if (o.resumed) j["resumed"] = true;
  return j;
}
Json Render(const out::LoggedOut& o) {
  Json j = Event("logged_out");
  j["username"] = o.username;
  return j;
}
Json Render(const out::Active& o) {
  Json j = Event("active");
  j["clients"] = Json::array();
  for (const auto& client : o.clients) {
    j["clients"].push_back({{"username", client.username}, {"ip_address", client.ip_address}});
  }
  if (o.broadcast_life >= 1s) j["broadcast_life_s"] = static_cast<uint64_t>(o.broadcast_life / 1s);
  return j;
}
Json Render(const out::PeerRequest& o) {
  Json j = Event("peer_request");
  j["request_id"] = o.request_id;
  j["from"] = o.from;
  j["ip_address"] = o.ip_address;
  j["reason"] = o.reason;
  if (o.automatic) j["automatic"] = true;
  if (!o.identity.empty()) j["identity"] = o.identity;
  return j;
}
Json Render(const out::RequestSent& o) {
  Json j = Event("request_sent");
  j["request_id"] = o.request_id;
  j["to"] = o.to;
  return j;
}
Json Render(const out::RequestOutcome& o) {
  Json j = Event("request_outcome");
  j["request_id"] = o.request_id;
  j["peer"] = o.peer;
  j["outcome"] = o.outcome;
  return j;
}
Json Render(const out::ChatOpen& o) {
  Json j = Event("chat_open");
  j["peer"] = o.peer;
  j["path"] = o.path;
  if (o.reopened) j["reopened"] = true;
  if (!o.identity.empty()) j["identity"] = o.identity;
  return j;
}
Json Render(const out::Identity& o) {
  Json j = Event("identity");
  j["peer"] = o.peer;
  j["state"] = o.state;
  j["safety_number"] = o.safety_number;
  return j;
}
Json Render(const out::Path& o) {
  Json j = Event("path");
  j["peer"] = o.peer;
  j["open"] = o.open;
  j["path"] = o.path;
  if (o.rtt) j["rtt_ms"] = std::chrono::duration<double, std::milli>(*o.rtt).count();
  j["chat_port"] = o.chat_port;
  j["tried"] = o.tried;
  if (!o.identity.empty()) j["identity"] = o.identity;
  return j;
}
Json Render(const out::Outbox& o) {
  Json j = Event("outbox");
  j["messages"] = Json::array();
  for (const auto& entry : o.entries) {
    j["messages"].push_back({{"peer", entry.peer},
                             {"id", entry.id},
                             {"sent_at", FormatRfc3339(entry.sent_at)},
                             {"text", entry.text}});
  }
  return j;
}
Json Render(const out::Requests& o) {
  const auto list = [](const std::vector<out::Requests::Entry>& entries, const char* peer) {
    Json out = Json::array();
    for (const auto& entry : entries) {
      Json j{{"request_id", entry.request_id}, {peer, entry.peer}};
      if (!entry.ip_address.empty()) j["ip_address"] = entry.ip_address;
      if (!entry.reason.empty()) j["reason"] = entry.reason;
      j["age_s"] = SecondsOf(entry.age);
      j["left_s"] = SecondsOf(entry.left);
      out.push_back(std::move(j));
    }
    return out;
  };
  Json j = Event("requests");
  j["incoming"] = list(o.incoming, "from");
  j["outgoing"] = list(o.outgoing, "to");
  return j;
}
Json Render(const out::Blocked& o) {
  Json j = Event("blocked");
  j["peers"] = Json::array();
  for (const auto& entry : o.entries) {
    j["peers"].push_back({{"peer", entry.peer}, {"ignored", entry.ignored}});
  }
  return j;
}
Json Render(const out::Chat& o) {
  Json j = Event("chat");
  j["peer"] = o.peer;
  j["id"] = o.id;
  j["text"] = o.text;
  j["sent_at"] = FormatRfc3339(o.sent_at);
  if (o.replayed) j["replayed"] = true;
  return j;
}
Json Render(const out::Receipt& o) {
  Json j = Event("receipt");
  j["peer"] = o.peer;
  j["id"] = o.id;
  j["state"] = o.state;
  return j;
}
Json Render(const out::ChatClosed& o) {
  Json j = Event("chat_closed");
  j["peer"] = o.peer;
  j["reason"] = o.reason;
  j["for_good"] = o.for_good;
  return j;
}
Json Render(const out::FileOffer& o) {
  Json j = Event("file_offer");
  j["peer"] = o.peer;
  j["id"] = o.id;
  j["name"] = o.name;
  j["size"] = o.size;
  j["sha256"] = o.sha256;
  if (o.replayed) j["replayed"] = true;
  if (!o.identity.empty()) j["identity"] = o.identity;
  return j;
}
Json TransferFields(const out::Transfer& o) {
  Json j{{"peer", o.peer}, {"id", o.id}, {"name", o.name}};
  j["direction"] = o.incoming ? "in" : "out";
  j["state"] = o.state;
  j["bytes"] = o.bytes;
  j["size"] = o.size;
  if (o.rate > 0) j["rate"] = std::round(o.rate);
  if (o.left) j["left_s"] = SecondsOf(*o.left);
  if (!o.path.empty() && o.incoming) j["path"] = o.path;
  if (!o.reason.empty()) j["reason"] = o.reason;
  return j;
}
Json Render(const out::Transfer& o) {
  Json j = Event("transfer");
  j.update(TransferFields(o));
  return j;
}
Json Render(const out::Transfers& o) {
  Json j = Event("transfers");
  j["transfers"] = Json::array();
  for (const auto& entry : o.entries) j["transfers"].push_back(TransferFields(entry));
  return j;
}
Json Render(const out::History& o) {
  Json j = Event("history");
  j["lines"] = Json::array();
  for (const auto& entry : o.entries) {
    j["lines"].push_back({{"kind", entry.kind},
                          {"peer", entry.peer},
                          {"id", entry.id},
                          {"sent_at", FormatRfc3339(entry.at)},
                          {"text", entry.text}});
  }
  return j;
}
Json Render(const out::Exported& o) {
  Json j = Event("exported");
  j["path"] = o.path;
  j["lines"] = o.lines;
  return j;
}
Json Render(const out::Broadcast& o) {
  Json j = Event("broadcast");
  j["id"] = o.id;
  j["sender"] = o.sender;
  j["sent_at"] = FormatRfc3339(o.sent_at);
  j["expires_at"] = FormatRfc3339(o.expires_at);
  j["text"] = o.text;
  j["via"] = o.via;
  if (o.replayed) j["replayed"] = true;
  return j;
}
Json Render(const out::BroadcastRevoked& o) {
  Json j = Event("broadcast_revoked");
  j["id"] = o.id;
  j["sender"] = o.sender;
  j["sent_at"] = FormatRfc3339(o.sent_at);
  return j;
}
Json Render(const out::BroadcastSent& o) {
  Json j = Event("broadcast_sent");
  j["id"] = o.id;
  j["expires_at"] = FormatRfc3339(o.expires_at);
  return j;
}
Json Render(const out::BroadcastStatus& o) {
  Json j = Event("broadcast_status");
  j["id"] = o.id;
  j["sender"] = o.sender;
  j["sent_at"] = FormatRfc3339(o.sent_at);
  j["expires_at"] = FormatRfc3339(o.expires_at);
  j["revoked"] = o.revoked;
  j["due"] = o.due;
  j["delivered"] = o.delivered;
  j["deliveries"] = Json::array();
  for (const auto& d : o.deliveries) {
    Json delivery{{"username", d.username}, {"state", d.state}};
    if (d.at) delivery["at"] = FormatRfc3339(*d.at);
    j["deliveries"].push_back(std::move(delivery));
  }
  return j;
}
Json Render(const out::BroadcastProgress& o) {
  Json j = Event("broadcast_progress");
  j["id"] = o.id;
  j["due"] = o.due;
  j["delivered"] = o.delivered;
  j["left_s"] = std::chrono::duration<double>(o.left).count();
  return j;
}
Json Render(const out::Penalties& o) {
  Json j = Event("penalties");
  j["penalties"] = Json::array();
  for (const auto& entry : o.entries) {
    j["penalties"].push_back({{"reason", entry.reason},
                              {"start", FormatRfc3339(entry.start)},
                              {"end", FormatRfc3339(entry.end)},
                              {"next_step", entry.next_step},
                              {"count", entry.count}});
  }
  return j;
}
Json Render(const out::Doctor& o) {
  Json j = Event("doctor");
  j["checks"] = Json::array();
  for (const auto& c : o.checks) {
    j["checks"].push_back({{"check", c.check}, {"ok", c.ok}, {"detail", c.detail}});
  }
  return j;
}
Json Render(const out::Penalised& o) {
  Json j = Event("penalised");
  j["reason"] = o.reason;
  j["until"] = FormatRfc3339(o.until);
  j["next_step"] = o.next_step;
  return j;
}
Json Render(const out::Error& o) {
  Json j = Event("error");
  j["code"] = o.code;
  j["message"] = o.message;
  if (!o.fingerprint.empty()) j["fingerprint"] = o.fingerprint;
  return j;
}
Json Render(const out::Prompt& o) {
  Json j = Event("prompt");
  j["field"] = Text(FieldName(o.field));
  return j;
}
Json Render(const out::PromptDone&) { return nullptr; }
Json Render(const out::Notice&) { return nullptr; }
Json Render(const out::Help&) { return nullptr; }

constexpr uint32_t kMaxLimit = 12 * 3600;  // Seconds: an approval lasts no longer.
constexpr uint32_t kMaxTtl = 1800;         // Seconds; of proto/p2p/v1/broadcast.proto.

// Texts of a command's fields; remembers whether one was of another type or missing.
class Fields {
 public:
  explicit Fields(const Json& object) : object_(object) {}
  std::string Optional(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end() || found->is_null()) return "";
    if (found->is_string()) return found->get<std::string>();
    problem_ = absl::StrCat("field ", name, " must be a text");
    return "";
  }
  // 0 when it is not there.
  uint32_t Small(const char* name, uint32_t most) {
    const auto found = object_.find(name);
    if (found == object_.end() || found->is_null()) return 0;
    if (found->is_number_unsigned() && found->get<uint64_t>() <= most) {
      return found->get<uint32_t>();
    }
    problem_ = absl::StrCat("field ", name, " must be a whole number up to ", most);
    return 0;
  }
  std::string Required(const char* name) {
    if (!object_.contains(name) && problem_.empty()) problem_ = absl::StrCat("no field ", name);
    return Optional(name);
  }
  SecretText Secret(const char* name) { return SecretText(Optional(name)); }
  // The command, unless a field was wrong.
  Command Checked(Command command) {
    return problem_.empty() ? std::move(command) : Command(cmd::Bad{problem_});
  }

 private:
  const Json& object_;
  std::string problem_;
};

Command Build(const std::string& name, Fields& f) {
  if (name == "signup") {
    cmd::Signup signup{f.Optional("username"), f.Secret("password"), f.Secret("confirm_password")};
    return f.Checked(std::move(signup));
  }
  if (name == "login") {
    cmd::Login login{f.Optional("username"), f.Secret("password")};
    return f.Checked(std::move(login));
  }
  if (name == "logout") return cmd::Logout{};
  if (name == "list") return cmd::List{};
  if (name == "penalties") return cmd::Penalties{};
  if (name == "doctor") return cmd::Doctor{};
  if (name == "request") {
    cmd::Request request{f.Required("peer"), f.Optional("reason"), false};
    return f.Checked(std::move(request));
  }
  if (name == "approve") {
    cmd::Approve approve{f.Required("request_id"),
                         std::chrono::seconds(f.Small("limit_s", kMaxLimit))};
    return f.Checked(std::move(approve));
  }
  if (name == "path") return f.Checked(cmd::Path{f.Required("peer")});
  if (name == "outbox") return f.Checked(cmd::Outbox{f.Optional("peer")});
  if (name == "requests") return cmd::Requests{};
  if (name == "block") return f.Checked(cmd::Block{f.Required("peer"), true});
  if (name == "unblock") return f.Checked(cmd::Block{f.Required("peer"), false});
  if (name == "blocked") return cmd::Blocked{};
  if (name == "deny") return f.Checked(cmd::Deny{f.Required("request_id")});
  if (name == "cancel") return f.Checked(cmd::Cancel{f.Required("request_id")});
  if (name == "msg") {
    cmd::Msg message{f.Required("peer"), f.Required("text")};
    return f.Checked(std::move(message));
  }
  if (name == "verify") return f.Checked(cmd::Verify{f.Required("peer"), false});
  if (name == "verified") return f.Checked(cmd::Verify{f.Required("peer"), true});
  if (name == "trust") return f.Checked(cmd::Trust{f.Required("peer")});
  if (name == "hangup") return f.Checked(cmd::HangUp{f.Required("peer")});
  if (name == "broadcast") {
    cmd::Broadcast broadcast{f.Required("text"), f.Small("ttl_s", kMaxTtl)};
    return f.Checked(std::move(broadcast));
  }
  if (name == "broadcast_status") {
    return f.Checked(cmd::BroadcastStatus{f.Required("id"), false});
  }
  if (name == "broadcast_revoke") return f.Checked(cmd::BroadcastRevoke{f.Required("id")});
  if (name == "sendfile") {
    cmd::SendFile file{f.Required("peer"), f.Required("path")};
    return f.Checked(std::move(file));
  }
  if (name == "accept-file" || name == "accept_file") {
    return f.Checked(cmd::AcceptFile{f.Required("id")});
  }
  if (name == "history") {
    cmd::History history{f.Optional("peer"), f.Small("most", cmd::History::kMost)};
    if (history.most == 0) history.most = 50;
    return f.Checked(std::move(history));
  }
  if (name == "search") return f.Checked(cmd::Search{f.Required("text")});
  if (name == "export") return f.Checked(cmd::Export{f.Required("path")});
  if (name == "files") return cmd::Files{};
  using What = cmd::FileControl::What;
  if (name == "cancel_file") return f.Checked(cmd::FileControl{What::kCancel, f.Required("id")});
  if (name == "pause_file") return f.Checked(cmd::FileControl{What::kPause, f.Required("id")});
  if (name == "resume_file") return f.Checked(cmd::FileControl{What::kResume, f.Required("id")});
  if (name == "help") return cmd::Help{};
  if (name == "quit") return cmd::Quit{};
  return cmd::Bad{absl::StrCat("unknown command ", RenderUntrusted(name, TextKind::kLine))};
}

}  // namespace

absl::string_view ChoiceName(Choice choice) {
  switch (choice) {
    case Choice::kLogin:
      return "LOGIN";
    case Choice::kSignup:
      return "SIGNUP";
    case Choice::kListActive:
      return "LIST_ACTIVE";
    case Choice::kBroadcast:
      return "BROADCAST";
  }
  return "";
}

absl::string_view ReasonName(RetryReason reason) {
  switch (reason) {
    case RetryReason::kFull:
      return "full";
    case RetryReason::kUnreachable:
      return "unreachable";
    case RetryReason::kLost:
      return "lost";
    case RetryReason::kLimited:
      return "limited";
  }
  return "";
}

absl::string_view FieldName(PromptField field) {
  switch (field) {
    case PromptField::kUsername:
      return "username";
    case PromptField::kPassword:
      return "password";
    case PromptField::kConfirmPassword:
      return "confirm_password";
    case PromptField::kTrustServer:
      return "trust_server";
    case PromptField::kSendRequestAnyway:
      return "send_anyway";
    case PromptField::kKeepBroadcast:
      return "keep_broadcast";
    case PromptField::kBroadcastText:
      return "text";
  }
  return "";
}

std::optional<std::string> ToJsonLine(const Output& output, WallTime at) {
  Json j = std::visit([](const auto& o) { return Render(o); }, output);
  if (j.is_null()) return std::nullopt;
  j["at"] = FormatRfc3339(at);
  return j.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string DiagnosticText(const Output& output) {
  if (const auto* notice = std::get_if<out::Notice>(&output)) {
    return RenderUntrusted(notice->text, TextKind::kLine);
  }
  if (std::holds_alternative<out::Help>(output)) {
    return "commands: signup login logout list request approve deny cancel requests block unblock "
           "blocked msg outbox path verify verified trust hangup broadcast broadcast_status "
           "broadcast_revoke penalties doctor sendfile accept_file cancel_file pause_file "
           "resume_file files history search export help quit";
  }
  return "";
}

bool LooksLikeJson(absl::string_view line) {
  return absl::StripLeadingAsciiWhitespace(line).substr(0, 1) == "{";
}

Command ParseJsonCommand(absl::string_view line) {
  const Json object = Json::parse(line.begin(), line.end(), nullptr, false);
  if (!object.is_object()) return cmd::Bad{"not a JSON object"};
  const auto name = object.find("cmd");
  if (name == object.end() || !name->is_string()) return cmd::Bad{"no text field cmd"};
  Fields fields(object);
  return Build(name->get<std::string>(), fields);
}

}  // namespace p2p::client
