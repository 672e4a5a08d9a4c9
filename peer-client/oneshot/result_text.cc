#include "peer-client/oneshot/result_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/text.h"

namespace p2p::client::oneshot {
namespace {

using Json = nlohmann::ordered_json;

std::string Raw(const Json& event, const char* field) {
  const auto found = event.find(field);
  return found != event.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string Line(const Json& event, const char* field) {
  return RenderUntrusted(Raw(event, field), TextKind::kLine);
}

uint64_t Number(const Json& event, const char* field) {
  const auto found = event.find(field);
  return found != event.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

bool IsTrue(const Json& event, const char* field) {
  const auto found = event.find(field);
  return found != event.end() && found->is_boolean() && found->get<bool>();
}

// For how long newcomers would get a broadcast, and who says so.
std::string Life(const Json& preview) {
  const std::string from = Raw(preview, "ttl_from");
  return absl::StrCat(from == "protocol" ? "at most " : "", Number(preview, "ttl_s"), " s",
                      from == "option"   ? ", as asked"
                      : from == "server" ? ", the longest this server keeps one"
                                         : "; the server does not say for how long it keeps one");
}

// Rows of two columns.
std::string Columns(const Json& event, const char* rows, const char* first, const char* second) {
  std::vector<std::pair<std::string, std::string>> cells;
  size_t width = 0;
  const auto found = event.find(rows);
  if (found == event.end() || !found->is_array()) return "";
  for (const Json& row : *found) {
    if (!row.is_object()) continue;
    cells.emplace_back(Line(row, first), Line(row, second));
    width = std::max(width, cells.back().first.size());
  }
  std::string text;
  for (const auto& [left, right] : cells) {
    absl::StrAppend(&text, left, std::string(width - left.size() + 2, ' '), right, "\n");
  }
  return text;
}

}  // namespace

std::string ResultText(const Json& event) {
  const std::string name = Raw(event, "event");
  if (name == "active") return Columns(event, "clients", "username", "ip_address");
  if (name == "broadcast_sent") {
    return absl::StrCat(Line(event, "id"), "  ", Line(event, "expires_at"), "\n");
  }
  if (name == "broadcast_preview") {
    std::string text =
        absl::StrCat(Number(event, "due_now"), " would get it now, others for ", Life(event), "\n");
    for (const Json& username : event.value("usernames", Json::array())) {
      if (!username.is_string()) continue;
      absl::StrAppend(&text, RenderUntrusted(username.get<std::string>(), TextKind::kLine), "\n");
    }
    return text;
  }
  if (name == "broadcast_status") {
    return absl::StrCat(Number(event, "delivered"), " of ", Number(event, "due"), " delivered",
                        IsTrue(event, "revoked") ? ", taken back" : "", "\n",
                        Columns(event, "deliveries", "username", "state"));
  }
  if (name == "identity") {
    return absl::StrCat(Line(event, "state"), "  ", Line(event, "safety_number"), "\n");
  }
  if (name == "doctor") {
    std::string text;
    for (const Json& check : event.value("checks", Json::array())) {
      absl::StrAppend(&text, IsTrue(check, "ok") ? "ok    " : "FAIL  ",
                      absl::StrFormat("%-9s", Line(check, "check")), " ", Line(check, "detail"),
                      "\n");
    }
    return text;
  }
  if (name == "signed_up") {
    const std::string message = Line(event, "message");
    return absl::StrCat(message.empty() ? "signed up" : message, "\n");
  }
  if (name == "logged_in") return absl::StrCat("logged in as ", Line(event, "username"), "\n");
  if (name == "logged_out") return absl::StrCat("logged out ", Line(event, "username"), "\n");
  if (name == "request_outcome") {
    return absl::StrCat(Line(event, "outcome"), " ", Line(event, "peer"), "\n");
  }
  if (name == "transfer") {
    return absl::StrCat(Line(event, "state"), " ", Line(event, "peer"), " ", Line(event, "name"),
                        "\n");
  }
  if (name == "receipt") {
    return absl::StrCat(Line(event, "state"), " ", Line(event, "peer"), " ", Line(event, "id"),
                        "\n");
  }
  return "";
}

std::string EventText(const Json& event) {
  const std::string name = Raw(event, "event");
  const std::string at = absl::StrCat(Line(event, "at"), " ");
  const std::string peer = Line(event, "peer");
  if (name == "chat") {
    return absl::StrCat(at, "<", peer, "> ", RenderUntrusted(Raw(event, "text")), "\n");
  }
  if (name == "broadcast") {
    const std::string sender = Line(event, "sender");
    return absl::StrCat(at, "[broadcast from ", sender.empty() ? "anonymous" : sender, ", ",
                        Line(event, "sent_at"), "] ", RenderUntrusted(Raw(event, "text")), "\n");
  }
  if (name == "broadcast_revoked") {
    const std::string sender = Line(event, "sender");
    return absl::StrCat(at, "[broadcast from ", sender.empty() ? "anonymous" : sender, ", ",
                        Line(event, "sent_at"), "] was taken back\n");
  }
  if (name == "peer_request") {
    return absl::StrCat(at, Line(event, "from"), " (", Line(event, "ip_address"),
                        ") asks for a conversation: ", Line(event, "reason"), "\n");
  }
  if (name == "request_outcome") {
    return absl::StrCat(at, "request ", Line(event, "outcome"), ": ", peer, "\n");
  }
  if (name == "chat_open") return absl::StrCat(at, "connected with ", peer, "\n");
  if (name == "chat_closed") {
    const auto found = event.find("for_good");
    const bool for_good = found == event.end() || !found->is_boolean() || found->get<bool>();
    return absl::StrCat(at, for_good ? "conversation with " : "no connection with ", peer,
                        for_good ? " closed: " : " now, trying again: ", Line(event, "reason"),
                        "\n");
  }
  if (name == "logged_in" || name == "client_state") {
    return absl::StrCat(at, "watching as ", Line(event, "username"), "\n");
  }
  if (name == "penalised") return absl::StrCat(at, "penalised: ", Line(event, "reason"), "\n");
  if (name == "error") {
    return absl::StrCat(at, Line(event, "code"), ": ", Line(event, "message"), "\n");
  }
  return "";
}

}  // namespace p2p::client::oneshot
