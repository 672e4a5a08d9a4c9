#include "peer-client/face_mux.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/text.h"
#include "peer-client/cli/json_lines.h"

namespace p2p::client {

absl::Status FaceMux::Serve(asio::io_context& loop, const std::string& data_dir) {
  oneshot::SocketServer::Hooks hooks;
  hooks.on_command = hooks_.on_command;
  hooks.greeting = [this] { return Greeting(); };
  auto server = oneshot::SocketServer::Start(loop, data_dir, std::move(hooks));
  if (!server.ok()) return server.status();
  server_ = std::move(*server);
  return absl::OkStatus();
}

std::string FaceMux::Greeting() const {
  const nlohmann::ordered_json state = {{"event", "client_state"},
                                        {"server", endpoint_},
                                        {"username", model_ != nullptr ? model_->username() : ""},
                                        {"attached", model_ != nullptr && model_->attached()},
                                        {"at", FormatRfc3339(clock_.Wall())}};
  return state.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void FaceMux::Show(const Output& output) {
  const auto caller = model_ != nullptr ? model_->answering() : std::nullopt;
  const bool answer = caller && oneshot::IsAnswer(output);
  if (!answer || *caller == 0) face_.Show(output);
  if (!server_ || (answer && *caller == 0) || std::holds_alternative<out::Prompt>(output)) return;
  const auto line = ToJsonLine(output, clock_.Wall());
  if (!line) return;
  if (!answer) return server_->SendAll(absl::StrCat(*line, "\n"));
  // So that its reader can tell it from what happens beside.
  server_->Send(*caller, absl::StrCat(line->substr(0, line->size() - 1), ",\"answer\":true}\n"));
}

}  // namespace p2p::client
