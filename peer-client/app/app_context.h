// What every part of the app model may reach. Owned by main(); all of it outlives the model.
#pragma once

#include "common/base/random.h"
#include "common/config/timing.h"
#include "peer-client/app/control_port.h"
#include "peer-client/app/data_ports.h"
#include "peer-client/app/now.h"
#include "peer-client/app/output.h"

namespace p2p::client {

enum class TrustPolicy {
  kAsk,     // A person decides.
  kAccept,  // --trust-on-first-use.
  kRefuse,  // Exit 4.
};

struct AppOptions {
  bool plain =
      false;  // A person types: menu numbers work, doubtful requests are asked about first.
  // Runs one command and ends: it counts its tries also with a saved session.
  bool one_shot = false;
  TrustPolicy trust = TrustPolicy::kRefuse;
  std::vector<std::string> auto_accept = {};  // Whose requests are approved without asking.
  config::Timing timing;
};

struct AppContext {
  ControlPort& control;
  PeerPort& peers;
  FilePort& files;
  HistoryPort& history;
  BroadcastPort& broadcasts;
  StatePort& state;
  OutputSink& out;
  Random& random;
  const AppOptions& options;
};

}  // namespace p2p::client
