// What a user or a script can ask for, and its typed form. The JSON form is read by
// cli/json_command.h.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "common/base/secret.h"
#include "common/base/time.h"

namespace p2p::client {

namespace cmd {

// A field that is not set is asked for with a prompt.
struct Signup {
  std::optional<std::string> username;
  std::optional<SecretText> password;
  std::optional<SecretText> confirm_password;
};
struct Login {
  std::optional<std::string> username;
  std::optional<SecretText> password;
};
struct Logout {};
struct List {
  bool silent = false;  // Only refreshes what the client knows.
};
struct Request {
  std::string peer;
  std::string reason;
  bool confirmed = false;  // The person said: send it although the name is not on the list.
};
// `request_id` may also be an unambiguous beginning of an id, the other user's name, or empty when
// only one request is open.
struct Approve {
  std::string request_id;
  Duration limit{};  // So long the conversation may last; zero: as long as an approval does.
};
struct Deny {
  std::string request_id;
};
struct Cancel {
  std::string request_id;
};
struct Msg {
  std::string peer;
  std::string text;
};
// The number to compare with the peer; `confirm`: it was compared and is the same.
struct Verify {
  std::string peer;
  bool confirm = false;
};
// Takes a peer's changed key.
struct Trust {
  std::string peer;
};
struct HangUp {
  std::string peer;  // Empty: the conversation in view.
};
struct Broadcast {
  std::optional<std::string> text;  // Not set: asked for with a prompt.
  uint32_t ttl_s = 0;               // 0: as long as the server keeps it.
};
// Who has received a broadcast of one's own. Empty id: the last one sent.
struct BroadcastStatus {
  std::string id;
  bool silent = false;  // Only to tell how far it got.
};
// Takes one's own broadcast back. Empty id: the last one sent.
struct BroadcastRevoke {
  std::string id;
};
// What one was penalised for.
struct Penalties {};
// What works between this client and its server.
struct Doctor {};
// How the conversation is carried, or what was tried.
struct Path {
  std::string peer;  // Empty: the conversation in view.
};
// What waits for a peer, or for everybody.
struct Outbox {
  std::string peer;
};
// Open requests, in and out.
struct Requests {};
// Requests of this user are not shown any more, or again.
struct Block {
  std::string peer;
  bool on = true;
};
struct Blocked {};
// What was said, with one peer or with all (empty).
struct History {
  static constexpr uint32_t kMost = 1000;
  std::string peer;
  uint32_t most = 50;
};
struct Search {
  std::string text;
};
// All of the history as JSON lines, into a new file.
struct Export {
  std::string path;
};
struct SendFile {
  std::string peer;
  std::string path;
};
// The id, the beginning of one, the peer's name, or empty when only one waits.
struct AcceptFile {
  std::string id;
};
struct FileControl {
  enum class What { kCancel, kPause, kResume };
  What what = What::kCancel;
  std::string id;
};
struct Files {};
// Plain face: type to this peer, or to nobody (empty).
struct Focus {
  std::string peer;
};
struct Help {};
struct Quit {};
struct Bad {
  std::string message;
};

}  // namespace cmd

using Command =
    std::variant<cmd::Signup, cmd::Login, cmd::Logout, cmd::List, cmd::Request, cmd::Approve,
                 cmd::Deny, cmd::Cancel, cmd::Msg, cmd::Verify, cmd::Trust, cmd::HangUp, cmd::Path,
                 cmd::Outbox, cmd::Requests, cmd::Block, cmd::Blocked, cmd::Broadcast,
                 cmd::BroadcastStatus, cmd::BroadcastRevoke, cmd::Penalties, cmd::Doctor,
                 cmd::SendFile, cmd::AcceptFile, cmd::FileControl, cmd::Files, cmd::History,
                 cmd::Search, cmd::Export, cmd::Focus, cmd::Help, cmd::Quit, cmd::Bad>;

// Reads "/request bob hello". Anything that is not a known command, or lacks an argument, is Bad
// with a message that says what is expected. Pure.
Command ParseSlash(absl::string_view line);

}  // namespace p2p::client
