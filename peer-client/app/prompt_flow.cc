#include "peer-client/app/prompt_flow.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "common/base/check.h"

namespace p2p::client {
namespace {

constexpr size_t kMaxQuestions = 16;

bool IsYes(absl::string_view line) {
  const std::string word = absl::AsciiStrToLower(absl::StripAsciiWhitespace(line));
  return word == "y" || word == "yes";
}

// What the question asks for next; nullopt when it has everything.
std::optional<PromptField> Missing(const Question& question) {
  if (const auto* signup = std::get_if<cmd::Signup>(&question)) {
    if (!signup->username) return PromptField::kUsername;
    if (!signup->password) return PromptField::kPassword;
    if (!signup->confirm_password) return PromptField::kConfirmPassword;
    return std::nullopt;
  }
  if (const auto* login = std::get_if<cmd::Login>(&question)) {
    if (!login->username) return PromptField::kUsername;
    if (!login->password) return PromptField::kPassword;
    return std::nullopt;
  }
  if (std::holds_alternative<cmd::Request>(question)) return PromptField::kSendRequestAnyway;
  if (std::holds_alternative<cmd::Broadcast>(question)) return PromptField::kBroadcastText;
  if (std::holds_alternative<TrustServer>(question)) return PromptField::kTrustServer;
  return PromptField::kKeepBroadcast;
}

std::string Subject(const Question& question) {
  if (const auto* request = std::get_if<cmd::Request>(&question)) return request->peer;
  if (const auto* trust = std::get_if<TrustServer>(&question)) return trust->fingerprint;
  if (const auto* login = std::get_if<cmd::Login>(&question)) return login->username.value_or("");
  if (const auto* signup = std::get_if<cmd::Signup>(&question)) {
    return signup->username.value_or("");
  }
  return "";
}

// Puts one line into signup or login.
template <class Credentials>
void Fill(Credentials& credentials, PromptField field, absl::string_view line) {
  if (field == PromptField::kUsername) {
    credentials.username = std::string(absl::StripAsciiWhitespace(line));
  } else if (field == PromptField::kPassword) {
    credentials.password = SecretText(std::string(line));
  } else if constexpr (requires { credentials.confirm_password; }) {
    credentials.confirm_password = SecretText(std::string(line));
  }
}

bool GivesUp(PromptField field, absl::string_view line) {
  if (line.empty()) return true;
  const bool secret = field == PromptField::kPassword || field == PromptField::kConfirmPassword;
  return !secret && line[0] == '/';
}

}  // namespace

void PromptFlow::Ask(Question question) {
  P2P_CHECK(Missing(question).has_value());
  if (questions_.size() >= kMaxQuestions) {
    ++dropped_;
    return;
  }
  questions_.push_back(std::move(question));
  if (questions_.size() == 1) ShowFirst();
}

void PromptFlow::ShowFirst() {
  if (questions_.empty()) return;
  const auto field = Missing(questions_.front());
  P2P_CHECK(field.has_value());
  out_.Show(out::Prompt{*field, Subject(questions_.front())});
}

PromptFlow::Answer PromptFlow::Finish(Answer answer) {
  questions_.pop_front();
  out_.Show(out::PromptDone{});
  ShowFirst();
  return answer;
}

PromptFlow::Answer PromptFlow::OnLine(absl::string_view line) {
  P2P_CHECK(open());
  Question& question = questions_.front();
  const PromptField field = *Missing(question);
  if (std::holds_alternative<TrustServer>(question)) return Finish(TrustAnswer{IsYes(line)});
  if (GivesUp(field, line)) {
    if (line.empty()) return Finish(std::monostate());
    return Finish(ParseSlash(line));
  }
  if (auto* request = std::get_if<cmd::Request>(&question)) {
    if (!IsYes(line)) return Finish(std::monostate());
    cmd::Request confirmed = std::move(*request);
    confirmed.confirmed = true;
    return Finish(Command(std::move(confirmed)));
  }
  if (auto* keep = std::get_if<KeepBroadcast>(&question)) {
    if (!IsYes(line)) return Finish(std::monostate());
    return Finish(std::move(*keep));
  }
  if (std::holds_alternative<cmd::Broadcast>(question)) {
    return Finish(Command(cmd::Broadcast{std::string(line)}));
  }
  if (auto* signup = std::get_if<cmd::Signup>(&question)) {
    Fill(*signup, field, line);
    if (!Missing(question)) return Finish(Command(std::move(*signup)));
  } else if (auto* login = std::get_if<cmd::Login>(&question)) {
    Fill(*login, field, line);
    if (!Missing(question)) return Finish(Command(std::move(*login)));
  }
  ShowFirst();
  return std::monostate();
}

}  // namespace p2p::client
