// What a one-shot prints: results on standard output, errors and notes in one line each on standard
// error.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "peer-client/cli/output_queue.h"
#include "peer-client/oneshot/task.h"

namespace p2p::client::oneshot {

enum class OutputForm { kText, kJson, kJsonl };
std::optional<OutputForm> ParseOutputForm(absl::string_view text);

// Events as text (watch), nothing until the result (json), or every event (jsonl).
class Report final : public TaskOutput {
 public:
  // `output` outlives it.
  Report(OutputForm form, bool watching, OutputQueue& output)
      : form_(form), watching_(watching), output_(output) {}
  void OnEvent(const nlohmann::ordered_json& event) override;
  void OnResult(const nlohmann::ordered_json& event) override;
  void OnError(const std::string& code, const std::string& message) override;
  void OnNote(const std::string& text) override;

  // Incoming messages and broadcasts reach the reader: they need not be shown again.
  bool shows_events() const { return watching_ || form_ == OutputForm::kJsonl; }
  OutputQueue& output() { return output_; }

 private:
  const OutputForm form_;
  const bool watching_;
  OutputQueue& output_;
};

}  // namespace p2p::client::oneshot
