// What a user asks of conversations without the server: say something, send files, hang up, see
// how things stand, and whom to hear at all.
#pragma once

#include <map>
#include <string>

#include "peer-client/app/app_context.h"
#include "peer-client/app/command.h"
#include "peer-client/app/request_book.h"

namespace p2p::client {

// Single-threaded. `context`, `requests` and `focus` (the conversation in view) outlive it.
class TalkDesk {
 public:
  TalkDesk(const AppContext& context, const RequestBook& requests, std::string& focus)
      : context_(context), requests_(requests), focus_(focus) {}

  // False: the command is none of these.
  bool Run(const Command& command, Now now);

  // A request of a blocked user: counted here, and nothing else.
  bool Ignores(const std::string& from);
  bool AcceptsByItself(absl::string_view from) const;

 private:
  void Say(const cmd::Msg& message);
  void HangUp(const cmd::HangUp& hang_up);
  void ShowIdentity(const std::string& peer, const absl::Status& first);
  void ShowPath(const cmd::Path& path);
  void SetBlocked(const cmd::Block& block);
  void ShowBlocked();
  void SendFile(const cmd::SendFile& file);
  void ControlFile(const cmd::FileControl& control);
  void NoConversation(const std::string& peer);
  void Check(const absl::Status& status);
  template <class T>
  void ShowOrFail(absl::StatusOr<T> answer);
  void Fail(const absl::Status& status);

  const AppContext& context_;
  const RequestBook& requests_;
  std::string& focus_;
  std::map<std::string, uint64_t> ignored_;  // By lower-case name; only blocked ones.
};

}  // namespace p2p::client
