#include "peer-client/app/talk_desk.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "peer-client/app/model_parts.h"

namespace p2p::client {

bool TalkDesk::Run(const Command& command, Now now) {
  return std::visit(
      Overload{
          [&](const cmd::Msg& c) { return Say(c), true; },
          [&](const cmd::HangUp& c) { return HangUp(c), true; },
          [&](const cmd::Verify& c) {
            ShowIdentity(c.peer,
                         c.confirm ? context_.peers.MarkVerified(c.peer) : absl::OkStatus());
            return true;
          },
          [&](const cmd::Trust& c) {
            return ShowIdentity(c.peer, context_.peers.TrustKey(c.peer)), true;
          },
          [&](const cmd::Path& c) { return ShowPath(c), true; },
          [&](const cmd::Outbox& c) { return ShowOrFail(context_.peers.Outbox(c.peer)), true; },
          [&](const cmd::Requests&) { return context_.out.Show(requests_.Open(now.mono)), true; },
          [&](const cmd::Block& c) { return SetBlocked(c), true; },
          [&](const cmd::Blocked&) { return ShowBlocked(), true; },
          [&](const cmd::SendFile& c) { return SendFile(c), true; },
          [&](const cmd::AcceptFile& c) { return Check(context_.files.AcceptFile(c.id)), true; },
          [&](const cmd::FileControl& c) { return ControlFile(c), true; },
          [&](const cmd::History& c) {
            return ShowOrFail(context_.history.History(c.peer, c.most)), true;
          },
          [&](const cmd::Search& c) {
            return ShowOrFail(context_.history.SearchHistory(c.text)), true;
          },
          [&](const cmd::Export& c) {
            return ShowOrFail(context_.history.ExportHistory(c.path)), true;
          },
          [&](const cmd::Files&) { return context_.out.Show(context_.files.Files()), true; },
          [](const auto&) { return false; }},
      command);
}

void TalkDesk::Fail(const absl::Status& status) {
  context_.out.Show(out::Error{CodeName(status.code()), std::string(status.message()), ""});
}

template <class T>
void TalkDesk::ShowOrFail(absl::StatusOr<T> answer) {
  if (!answer.ok()) return Fail(answer.status());
  context_.out.Show(*std::move(answer));
}

void TalkDesk::Say(const cmd::Msg& message) {
  const auto id = context_.peers.Send(message.peer, message.text);
  if (id.ok()) return;  // The receipt says the rest.
  if (absl::IsNotFound(id.status()) || absl::IsFailedPrecondition(id.status())) {
    return NoConversation(message.peer);
  }
  Fail(id.status());
}

void TalkDesk::NoConversation(const std::string& peer) {
  context_.out.Show(out::Error{
      "NO_CONVERSATION",
      absl::StrCat("there is no conversation with ", peer, "; ask with /request ", peer), ""});
}

void TalkDesk::Check(const absl::Status& status) {
  if (!status.ok()) Fail(status);
}

void TalkDesk::SendFile(const cmd::SendFile& file) {
  const auto id = context_.files.SendFile(file.peer, file.path);
  if (absl::IsFailedPrecondition(id.status())) return NoConversation(file.peer);
  Check(id.status());
}

void TalkDesk::ControlFile(const cmd::FileControl& control) {
  switch (control.what) {
    case cmd::FileControl::What::kCancel:
      return Check(context_.files.CancelFile(control.id));
    case cmd::FileControl::What::kPause:
      return Check(context_.files.PauseFile(control.id, true));
    case cmd::FileControl::What::kResume:
      return Check(context_.files.PauseFile(control.id, false));
  }
}

void TalkDesk::HangUp(const cmd::HangUp& hang_up) {
  const std::string peer = hang_up.peer.empty() ? focus_ : hang_up.peer;
  if (peer.empty()) {
    return context_.out.Show(out::Error{"BAD_COMMAND", "usage: /hangup NAME", ""});
  }
  const absl::Status status = context_.peers.HangUp(peer);
  if (absl::IsNotFound(status)) {
    return context_.out.Show(
        out::Error{"NO_CONVERSATION", absl::StrCat("there is no conversation with ", peer), ""});
  }
  Check(status);  // It is over all the same.
  if (absl::EqualsIgnoreCase(peer, focus_)) focus_.clear();
}

void TalkDesk::ShowIdentity(const std::string& peer, const absl::Status& first) {
  if (!first.ok()) return Fail(first);
  ShowOrFail(context_.peers.Identity(peer));
}

void TalkDesk::ShowPath(const cmd::Path& path) {
  const std::string peer = path.peer.empty() ? focus_ : path.peer;
  if (peer.empty()) {
    return context_.out.Show(out::Error{"BAD_COMMAND", "usage: /path NAME", ""});
  }
  auto found = context_.peers.Path(peer);
  if (found.ok()) found->identity = context_.peers.IdentityState(found->peer);
  ShowOrFail(std::move(found));
}

void TalkDesk::SetBlocked(const cmd::Block& block) {
  if (ClassifyTarget(block.peer) != TargetKind::kName) {
    return Fail(absl::InvalidArgumentError(absl::StrCat("'", block.peer, "' is not a username")));
  }
  if (const auto status = context_.peers.SetBlocked(block.peer, block.on); !status.ok()) {
    return Fail(status);
  }
  if (!block.on) ignored_.erase(absl::AsciiStrToLower(block.peer));
  // Who is not to be heard is not talked with either; without a conversation there is nothing to
  // end.
  if (block.on && context_.peers.HangUp(block.peer).ok() &&
      absl::EqualsIgnoreCase(block.peer, focus_)) {
    focus_.clear();
  }
  ShowBlocked();
}

void TalkDesk::ShowBlocked() {
  out::Blocked out;
  for (const std::string& name : context_.peers.Blocked()) {
    const auto it = ignored_.find(absl::AsciiStrToLower(name));
    out.entries.push_back({name, it == ignored_.end() ? 0 : it->second});
  }
  context_.out.Show(out);
}

bool TalkDesk::Ignores(const std::string& from) {
  const auto blocked = context_.peers.Blocked();
  const bool is = std::any_of(blocked.begin(), blocked.end(), [&](const std::string& name) {
    return absl::EqualsIgnoreCase(name, from);
  });
  if (is) ++ignored_[absl::AsciiStrToLower(from)];
  return is;
}

bool TalkDesk::AcceptsByItself(absl::string_view from) const {
  const auto& names = context_.options.auto_accept;
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return absl::EqualsIgnoreCase(name, from); });
}

}  // namespace p2p::client
