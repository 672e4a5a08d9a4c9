#include "peer-client/app/doctor.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"

namespace p2p::client {
namespace {

constexpr Duration kLookEvery = 250ms;

std::string Milliseconds(Duration d) {
  return absl::StrCat(std::chrono::ceil<std::chrono::milliseconds>(d).count(), " ms");
}

std::string RetryHint(const CallError& error) {
  if (!error.retry_after) return "";
  return absl::StrCat("; ask again in ",
                      std::chrono::ceil<std::chrono::seconds>(*error.retry_after).count(), " s");
}

out::Doctor::Check Inbound(const InboundInfo& info) {
  using Result = InboundInfo::Result;
  const std::string& at = info.address;
  switch (info.result) {
    case Result::kReached:
      return {"inbound", true, absl::StrCat("the server reached this client at ", at)};
    case Result::kRefused:
      return {"inbound", false,
              absl::StrCat("connections to ", at,
                           " are refused: a NAT without a forwarded port, or a firewall; peers "
                           "are met only when this client can reach them")};
    case Result::kSomebodyElse:
      return {"inbound", false,
              absl::StrCat("somebody else answers at ", at,
                           ": the port is forwarded to another program or machine")};
    case Result::kBegun:
    case Result::kNoAnswer:
      break;
  }
  return {"inbound", false,
          absl::StrCat("nothing comes back from ", at,
                       ": a firewall drops what comes in; peers are met only when this client can "
                       "reach them")};
}

}  // namespace

void Doctor::OnAttached(const event::Attached& attached, Now now) {
  server_time_ = attached.server_time;
  server_time_read_ = now.mono;
  seen_as_ = attached.observed_ip;
}

void Doctor::Begin(const HelloInfo& server, uint64_t caller, Now now) {
  running_ = true;
  caller_ = caller;
  began_ = look_at_ = now.mono;
  server_ = server;
  round_trip_.reset();
  inbound_.reset();
  context_.control.CheckInbound({});
}

void Doctor::OnInbound(const Outcome<InboundInfo>& result, Now now) {
  if (!running_ || inbound_) return;
  if (const auto* error = std::get_if<CallError>(&result)) {
    if (error->answered && !round_trip_) round_trip_ = now.mono - began_;
    inbound_ = {"inbound", false,
                absl::StrCat("the server could not be asked to connect: ", error->message,
                             RetryHint(*error))};
    return;
  }
  const auto& info = std::get<InboundInfo>(result);
  if (info.result != InboundInfo::Result::kBegun) {
    inbound_ = Inbound(info);
    return;
  }
  // One challenge a check: another one would make two rounds of it.
  if (std::exchange(round_trip_, now.mono - began_)) return;
  context_.peers.ExpectProbe(info.challenge);
  context_.control.CheckInbound(info.challenge);
}

void Doctor::OnLost() {
  if (running_ && !inbound_) inbound_ = {"inbound", false, "the connection to the server was lost"};
}

std::optional<MonoTime> Doctor::NextDeadline() const {
  return running_ ? std::optional(look_at_) : std::nullopt;
}

std::optional<out::Doctor> Doctor::TakeResult(Now now) {
  if (!running_) return std::nullopt;
  const bool over = now.mono - began_ >= kPatience;
  const bool known = inbound_ && context_.broadcasts.Udp() != UdpPath::kTrying;
  if (!over && !known) {
    look_at_ = now.mono + kLookEvery;
    return std::nullopt;
  }
  running_ = false;
  if (!inbound_) inbound_ = {"inbound", false, "the server did not say in time"};
  return out::Doctor{{Server(), Identity(), Udp(), *inbound_, ClockCheck(now)}};
}

Doctor::Check Doctor::Server() const {
  std::string detail =
      absl::StrCat(server_.server_name.empty() ? "the server" : server_.server_name,
                   round_trip_ ? " answers in " : " did not answer",
                   round_trip_ ? Milliseconds(*round_trip_) : "");
  if (!seen_as_.empty()) absl::StrAppend(&detail, " and sees this client at ", seen_as_);
  return {"server", round_trip_.has_value(), std::move(detail)};
}

Doctor::Check Doctor::Identity() const {
  return {"identity", true, absl::StrCat("its key is the expected one, ", server_.fingerprint)};
}

Doctor::Check Doctor::Udp() const {
  switch (context_.broadcasts.Udp()) {
    case UdpPath::kWorks:
      return {"udp", true, "datagrams get through both ways"};
    case UdpPath::kNone:
      return {"udp", true, "the server has no relay; broadcasts come over its connection"};
    case UdpPath::kTrying:
      return {"udp", false, "no datagram came back yet"};
    case UdpPath::kBlocked:
      break;
  }
  return {"udp", false,
          "datagrams do not get through: a firewall drops them; broadcasts come over the "
          "connection to the server"};
}

Doctor::Check Doctor::ClockCheck(Now now) const {
  const WallTime there =
      server_time_ + std::chrono::duration_cast<WallTime::duration>(now.mono - server_time_read_);
  const auto ahead = std::chrono::round<std::chrono::seconds>(now.wall - there).count();
  const auto off = std::abs(ahead);
  if (off == 0) return {"clock", true, "within a second of the server's"};
  return {"clock", std::chrono::seconds(off) <= kClockOff,
          absl::StrCat(off, " s ", ahead > 0 ? "ahead of" : "behind", " the server's")};
}

}  // namespace p2p::client
