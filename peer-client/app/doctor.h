// /doctor: what works between this client and its server, and what does not, one check a line.
// Pure.
#pragma once

#include <optional>
#include <string>

#include "peer-client/app/app_context.h"

namespace p2p::client {

class Doctor {
 public:
  // A clock that is further off shows wrong times to its user.
  static constexpr Duration kClockOff = 30s;
  // Longer than the registration over UDP takes to fail, and than the server's dial.
  static constexpr Duration kPatience = 18s;

  explicit Doctor(const AppContext& context) : context_(context) {}

  void OnAttached(const event::Attached& attached, Now now);
  // Only while attached and not running. `caller` gets the answer.
  void Begin(const HelloInfo& server, uint64_t caller, Now now);
  void OnInbound(const Outcome<InboundInfo>& result, Now now);
  // Calls under way will have no answer.
  void OnLost();

  bool running() const { return running_; }
  uint64_t caller() const { return caller_; }
  // Look at what was found then at the latest.
  std::optional<MonoTime> NextDeadline() const;
  // The answer, once all is known or the time is over.
  std::optional<out::Doctor> TakeResult(Now now);

 private:
  using Check = out::Doctor::Check;
  Check Server() const;
  Check Identity() const;
  Check Udp() const;
  Check ClockCheck(Now now) const;

  AppContext context_;
  bool running_ = false;
  uint64_t caller_ = 0;
  MonoTime began_, look_at_;
  HelloInfo server_;
  std::optional<Duration> round_trip_;
  std::optional<Check> inbound_;
  // The server's clock and ours, read at the same time, or nearly.
  WallTime server_time_;
  MonoTime server_time_read_;
  std::string seen_as_;
};

}  // namespace p2p::client
