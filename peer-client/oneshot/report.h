// What a one-shot prints: results on standard output, errors and notes in one line each on standard
// error.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "peer-client/oneshot/task.h"

namespace p2p::client::oneshot {

enum class OutputForm { kText, kJson, kJsonl };
std::optional<OutputForm> ParseOutputForm(absl::string_view text);

// Events as text (watch), nothing until the result (json), or every event (jsonl).
class Report final : public TaskOutput {
 public:
  Report(OutputForm form, bool watching) : form_(form), watching_(watching) {}
  void OnEvent(const nlohmann::ordered_json& event) override;
  void OnResult(const nlohmann::ordered_json& event) override;
  void OnError(const std::string& code, const std::string& message) override;
  void OnNote(const std::string& text) override;

  // Incoming messages and broadcasts reach the reader: they need not be shown again.
  bool shows_events() const { return watching_ || form_ == OutputForm::kJsonl; }
  bool broken() const { return broken_; }  // Nobody reads standard output any more.

 private:
  void Write(absl::string_view text);
  const OutputForm form_;
  const bool watching_;
  bool broken_ = false;
};

}  // namespace p2p::client::oneshot
