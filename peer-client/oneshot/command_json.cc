#include "peer-client/oneshot/command_json.h"

#include <nlohmann/json.hpp>

#include "common/base/check.h"

namespace p2p::client::oneshot {
namespace {

using Json = nlohmann::ordered_json;

std::string View(const std::optional<SecretText>& secret) {
  return secret ? std::string(secret->view()) : "";
}

struct Renderer {
  Json operator()(const cmd::Signup& c) const {
    return {{"cmd", "signup"},
            {"username", c.username.value_or("")},
            {"password", View(c.password)},
            {"confirm_password", View(c.confirm_password)}};
  }
  Json operator()(const cmd::Login& c) const {
    return {
        {"cmd", "login"}, {"username", c.username.value_or("")}, {"password", View(c.password)}};
  }
  Json operator()(const cmd::Logout&) const { return {{"cmd", "logout"}}; }
  Json operator()(const cmd::List&) const { return {{"cmd", "list"}}; }
  Json operator()(const cmd::Request& c) const {
    return {{"cmd", "request"}, {"peer", c.peer}, {"reason", c.reason}};
  }
  Json operator()(const cmd::Msg& c) const {
    return {{"cmd", "msg"}, {"peer", c.peer}, {"text", c.text}};
  }
  Json operator()(const cmd::SendFile& c) const {
    return {{"cmd", "sendfile"}, {"peer", c.peer}, {"path", c.path}};
  }
  Json operator()(const cmd::Broadcast& c) const {
    Json json{{"cmd", "broadcast"}, {"text", c.text.value_or("")}};
    if (c.ttl_s > 0) json["ttl_s"] = c.ttl_s;
    return json;
  }
  Json operator()(const cmd::BroadcastStatus& c) const {
    return {{"cmd", "broadcast_status"}, {"id", c.id}};
  }
  Json operator()(const cmd::Verify& c) const {
    return {{"cmd", c.confirm ? "verified" : "verify"}, {"peer", c.peer}};
  }
  Json operator()(const cmd::BroadcastRevoke& c) const {
    return {{"cmd", "broadcast_revoke"}, {"id", c.id}};
  }
  Json operator()(const cmd::Doctor&) const { return {{"cmd", "doctor"}}; }
  template <class Other>
  Json operator()(const Other&) const {
    return nullptr;
  }
};

}  // namespace

SecretText ToJsonCommand(const Command& command) {
  const Json object = std::visit(Renderer(), command);
  P2P_CHECK(!object.is_null());
  return SecretText(object.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n");
}

}  // namespace p2p::client::oneshot
