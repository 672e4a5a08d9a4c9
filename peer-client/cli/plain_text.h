// The plain face's words: every output record as lines for a person. Stateless; everything from
// servers and peers is rendered harmless here.
#pragma once

#include <string>

#include "peer-client/app/output.h"

namespace p2p::client {

struct PlainStyle {
  bool colour = false;     // ANSI attributes.
  std::string server;      // "host:port", for messages.
  std::string me;          // Username; empty when not logged in.
  std::string focus;       // The conversation in view.
  std::string identity;    // State of that peer's key, as in out::Identity.
  std::string said;        // How far the last message to that peer got: waiting, delivered, read.
  bool countdown = false;  // The face shows remaining seconds itself.
};

// Zero or more lines, each ended by a newline.
std::string ToPlainText(const Output& output, WallTime now, const PlainStyle& style);

// What stands before the cursor while a prompt is open.
std::string PromptText(const out::Prompt& prompt);
bool IsSecret(PromptField field);

// What stands before the cursor otherwise: "> ", "alice> ", "alice -> bob> ",
// "alice -> bob (unverified, read)> ".
std::string IdlePrompt(const PlainStyle& style);

}  // namespace p2p::client
