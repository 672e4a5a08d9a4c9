// The plain face: lines for a person on a terminal or through pipes.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "peer-client/app/app_model.h"
#include "peer-client/cli/last_said.h"
#include "peer-client/cli/plain_text.h"
#include "peer-client/cli/terminal.h"

namespace p2p::client {

// On the loop's thread. `terminal` and `clock` outlive it.
class PlainFace final : public OutputSink {
 public:
  PlainFace(asio::io_context& loop, const Clock& clock, Terminal& terminal, std::string server,
            bool colour);
  // Whose name and conversation in view the prompt shows. Before the first output.
  void SetModel(const AppModel& model) { model_ = &model; }
  void Show(const Output& output) override;
  // The prompt again, when name or view changed without output.
  void Refresh();

 private:
  PlainStyle Style() const;
  bool IsNews(const Output& output);
  void CountDown(const out::Retry& retry);
  void Tick();

  asio::steady_timer timer_;
  const Clock& clock_;
  Terminal& terminal_;
  const std::string server_;
  const bool colour_;
  const AppModel* model_ = nullptr;
  std::optional<out::Prompt> prompt_;
  LastSaid said_;
  std::string retry_told_;  // The reason that stands on the screen.
  std::string retry_count_;
  std::optional<MonoTime> retry_at_;  // The countdown before the cursor.
};

}  // namespace p2p::client
