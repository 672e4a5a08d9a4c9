#include "peer-client/cli/plain_face.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace p2p::client {

PlainFace::PlainFace(asio::io_context& loop, const Clock& clock, Terminal& terminal,
                     std::string server, bool colour)
    : timer_(loop),
      clock_(clock),
      terminal_(terminal),
      server_(std::move(server)),
      colour_(colour) {}

PlainStyle PlainFace::Style() const {
  PlainStyle style;
  style.colour = colour_;
  style.server = server_;
  style.countdown = terminal_.interactive();
  if (model_ != nullptr) {
    style.me = model_->username();
    style.focus = model_->focus();
    style.said = said_.StateOf(style.focus);
    style.identity = style.focus.empty() ? "" : model_->IdentityOf(style.focus);
  }
  return style;
}

// A try that failed for the reason told last is no news: the countdown goes on.
bool PlainFace::IsNews(const Output& output) {
  if (std::holds_alternative<out::Connected>(output)) retry_told_.clear();
  const auto* retry = std::get_if<out::Retry>(&output);
  if (retry == nullptr || retry->reason == RetryReason::kLimited) return true;
  const std::string reason = absl::StrCat(static_cast<int>(retry->reason), " ", retry->detail);
  return std::exchange(retry_told_, reason) != reason;
}

void PlainFace::Show(const Output& output) {
  if (const auto* receipt = std::get_if<out::Receipt>(&output)) said_.OnReceipt(*receipt);
  if (IsNews(output)) terminal_.Print(ToPlainText(output, clock_.Wall(), Style()));
  if (const auto* prompt = std::get_if<out::Prompt>(&output)) {
    prompt_ = *prompt;
    return terminal_.SetPrompt(PromptText(*prompt), IsSecret(prompt->field), true);
  }
  if (std::holds_alternative<out::PromptDone>(output)) prompt_.reset();
  if (const auto* retry = std::get_if<out::Retry>(&output)) {
    if (retry->reason != RetryReason::kLimited) CountDown(*retry);
  } else if (std::holds_alternative<out::Connected>(output)) {
    retry_at_.reset();
    timer_.cancel();
  }
  Refresh();
}

void PlainFace::Refresh() {
  if (prompt_) return;
  std::string prompt = IdlePrompt(Style());
  if (retry_at_) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(
        std::max<Duration>(*retry_at_ - clock_.Mono(), Duration::zero()));
    prompt = left.count() > 0
                 ? absl::StrCat("[next try in ", left.count(), " s", retry_count_, "] ", prompt)
                 : absl::StrCat("[trying] ", prompt);
  }
  terminal_.SetPrompt(prompt, false, false);
}

void PlainFace::CountDown(const out::Retry& retry) {
  if (!terminal_.interactive()) return;
  retry_at_ = clock_.Mono() + retry.in;
  retry_count_ = retry.of > 0 ? absl::StrCat(", ", retry.attempt, " of ", retry.of) : "";
  Tick();
}

void PlainFace::Tick() {
  timer_.expires_after(std::chrono::seconds(1));
  timer_.async_wait([this](asio::error_code error) {
    if (error || !retry_at_) return;
    Refresh();
    if (clock_.Mono() < *retry_at_) Tick();
  });
}

}  // namespace p2p::client
