#include "control-server/admin/admin_output.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/text.h"
#include "nlohmann/json.hpp"

namespace p2p::server {
namespace {

using Json = nlohmann::ordered_json;

std::string Safe(const std::string& text) { return RenderUntrusted(text, TextKind::kLine); }

std::string Time(const google::protobuf::Timestamp& time) {
  return FormatRfc3339(WallFromMs(time.seconds() * 1000 + time.nanos() / 1'000'000));
}

std::string Dump(const Json& json, int indent = 2) {
  return json.dump(indent, ' ', true, Json::error_handler_t::replace) + "\n";
}

std::string State(v1::DeliveryState state) {
  switch (state) {
    case v1::QUEUED:
      return "queued";
    case v1::DELIVERED_UDP:
      return "delivered (udp)";
    case v1::DELIVERED_CHANNEL:
      return "delivered (channel)";
    case v1::DELIVERY_EXPIRED:
      return "expired";
    default:
      return "unknown";
  }
}

Json ToJson(const v1::BroadcastInfo& info) {
  return {{"broadcast_id", Safe(info.broadcast_id())},
          {"sender", Safe(info.sender())},
          {"anonymous", info.omit_sender()},
          {"sent_at", Time(info.sent_at())},
          {"expires_at", Time(info.expires_at())},
          {"revoked", info.revoked()},
          {"due", info.due()},
          {"delivered", info.delivered()}};
}

std::string ToText(const v1::BroadcastInfo& info) {
  return absl::StrFormat("%s  %s  %-32s  %d of %d delivered, until %s%s%s\n",
                         Safe(info.broadcast_id()), Time(info.sent_at()), Safe(info.sender()),
                         info.delivered(), info.due(), Time(info.expires_at()),
                         info.omit_sender() ? ", anonymous" : "",
                         info.revoked() ? ", revoked" : "");
}

}  // namespace

std::string Format(const v1::ListUsersResponse& users, OutputFormat format) {
  Json json = Json::array();
  std::string text;
  for (const v1::AdminUser& user : users.users()) {
    json.push_back({{"username", Safe(user.username())},
                    {"created_at", Time(user.created_at())},
                    {"admin", user.admin()},
                    {"disabled", user.disabled()}});
    absl::StrAppendFormat(&text, "%-32s  %s%s%s\n", Safe(user.username()), Time(user.created_at()),
                          user.admin() ? "  admin" : "", user.disabled() ? "  disabled" : "");
  }
  return format == OutputFormat::kJson ? Dump(json) : text;
}

std::string Format(const v1::ListSessionsResponse& sessions, OutputFormat format) {
  Json json = Json::array();
  std::string text;
  for (const v1::SessionInfo& session : sessions.sessions()) {
    json.push_back({{"username", Safe(session.username())},
                    {"ip_address", Safe(session.ip_address())},
                    {"logged_in_at", Time(session.logged_in_at())},
                    {"attached", session.attached()}});
    absl::StrAppendFormat(
        &text, "%-32s  logged in %s  %s\n", Safe(session.username()), Time(session.logged_in_at()),
        session.attached() ? absl::StrCat("attached from ", Safe(session.ip_address()))
                           : "not attached");
  }
  return format == OutputFormat::kJson ? Dump(json) : text;
}

std::string Format(const v1::ListPenaltiesResponse& penalties, OutputFormat format) {
  Json json = Json::array();
  std::string text;
  for (const v1::PenaltyInfo& penalty : penalties.penalties()) {
    json.push_back({{"username", Safe(penalty.username())},
                    {"reason", Safe(penalty.reason())},
                    {"start", Time(penalty.start())},
                    {"end", Time(penalty.end())},
                    {"next_step", Safe(penalty.next_step())},
                    {"count", penalty.count()}});
    absl::StrAppendFormat(&text, "%-32s  %s to %s  %d lately  %s. %s\n", Safe(penalty.username()),
                          Time(penalty.start()), Time(penalty.end()), penalty.count(),
                          Safe(penalty.reason()), Safe(penalty.next_step()));
  }
  return format == OutputFormat::kJson ? Dump(json) : text;
}

std::string Format(const v1::ListBroadcastsResponse& broadcasts, OutputFormat format) {
  Json json = Json::array();
  std::string text;
  for (const v1::BroadcastInfo& info : broadcasts.broadcasts()) {
    json.push_back(ToJson(info));
    text += ToText(info);
  }
  return format == OutputFormat::kJson ? Dump(json) : text;
}

std::string Format(const v1::GetBroadcastResponse& broadcast, OutputFormat format) {
  Json deliveries = Json::array();
  std::string text = ToText(broadcast.broadcast());
  for (const v1::Delivery& delivery : broadcast.deliveries()) {
    Json entry = {{"username", Safe(delivery.username())}, {"state", State(delivery.state())}};
    std::string at;
    if (delivery.has_at()) entry["at"] = at = Time(delivery.at());
    deliveries.push_back(std::move(entry));
    absl::StrAppendFormat(&text, "  %-32s  %s%s%s\n", Safe(delivery.username()),
                          State(delivery.state()), at.empty() ? "" : "  ", at);
  }
  Json json = ToJson(broadcast.broadcast());
  json["deliveries"] = std::move(deliveries);
  return format == OutputFormat::kJson ? Dump(json) : text;
}

std::string Format(const v1::RevokeBroadcastResponse& revoked, OutputFormat format) {
  if (format == OutputFormat::kJson) return Dump(ToJson(revoked.broadcast()));
  return ToText(revoked.broadcast());
}

std::string FormatDone(const std::string& what, const v1::AdminUser& user, OutputFormat format) {
  if (format == OutputFormat::kJson) {
    return Dump(
        {{what, Safe(user.username())}, {"admin", user.admin()}, {"disabled", user.disabled()}},
        -1);
  }
  return absl::StrCat(what, " ", Safe(user.username()), user.admin() ? " (admin)" : "", "\n");
}

}  // namespace p2p::server
