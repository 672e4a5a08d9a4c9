// What a typed line means to a person who uses the plain face: menu numbers, yes and no, text to
// the conversation in view, or a slash command. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "peer-client/app/command.h"

namespace p2p::client {

struct PlainContext {
  bool logged_in = false;
  bool request_waits = false;  // Somebody asks for a conversation.
  std::string focus;           // The peer that plain text goes to; empty: none.
};

// Without a conversation in view "1" and "2" are the offered choices, "y" and "n" answer a waiting
// request. With one, every line that does not start with '/' is text for the peer ("//x" says
// "/x").
Command ParsePlain(absl::string_view line, const PlainContext& context);

}  // namespace p2p::client
