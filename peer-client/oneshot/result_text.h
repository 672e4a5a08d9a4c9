// Results and events of one-shots for people. Stateless; everything from servers and peers is
// rendered harmless here.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace p2p::client::oneshot {

// The result of a sub-command: whole lines, easily cut by column.
std::string ResultText(const nlohmann::ordered_json& event);

// An event for `watch`: one line, continuation lines indented. Empty: not for people.
std::string EventText(const nlohmann::ordered_json& event);

}  // namespace p2p::client::oneshot
