#include "peer-client/oneshot/report.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/base/text.h"
#include "peer-client/oneshot/result_text.h"

namespace p2p::client::oneshot {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::optional<OutputForm> ParseOutputForm(absl::string_view text) {
  if (text == "text") return OutputForm::kText;
  if (text == "json") return OutputForm::kJson;
  if (text == "jsonl") return OutputForm::kJsonl;
  return std::nullopt;
}

void Report::OnEvent(const Json& event) {
  if (form_ == OutputForm::kJsonl) return output_.Write(Dump(event));
  if (watching_) output_.Write(EventText(event));
}

void Report::OnResult(const Json& event) {
  if (form_ == OutputForm::kJson) output_.Write(Dump(event));
  if (form_ == OutputForm::kText) output_.Write(ResultText(event));
}

void Report::OnError(const std::string& code, const std::string& message) {
  if (form_ == OutputForm::kJson) {
    output_.Write(Dump(Json{{"event", "error"}, {"code", code}, {"message", message}}));
  }
  OnNote(message.empty() ? code : message);
}

void Report::OnNote(const std::string& text) {
  WriteDiagnostic(absl::StrCat("peer-client: ", RenderUntrusted(text, TextKind::kLine)));
}

}  // namespace p2p::client::oneshot
