// Every output of the model to its readers: the face, and the one-shots beside this client. What
// answers a command goes to who gave it; everything else goes to all.
#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "peer-client/app/app_model.h"
#include "peer-client/oneshot/socket_server.h"

namespace p2p::client {

class FaceMux final : public OutputSink {
 public:
  struct Hooks {
    std::function<void(Command, uint64_t caller)> on_command;
  };
  // `face` and `clock` outlive it. `endpoint`: of the server, told to one-shots.
  FaceMux(OutputSink& face, const Clock& clock, std::string endpoint, Hooks hooks)
      : face_(face), clock_(clock), endpoint_(std::move(endpoint)), hooks_(std::move(hooks)) {}
  void SetModel(const AppModel& model) { model_ = &model; }

  absl::Status Serve(asio::io_context& loop, const std::string& data_dir);
  void StopServing() { server_.reset(); }

  void Show(const Output& output) override;

 private:
  std::string Greeting() const;

  OutputSink& face_;
  const Clock& clock_;
  const std::string endpoint_;
  const Hooks hooks_;
  const AppModel* model_ = nullptr;
  std::unique_ptr<oneshot::SocketServer> server_;
};

}  // namespace p2p::client
