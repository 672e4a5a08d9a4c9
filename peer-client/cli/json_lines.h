// The JSON-lines face: commands in, events out, one object a line. Stateless.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/time.h"
#include "peer-client/app/command.h"
#include "peer-client/app/output.h"

namespace p2p::client {

// One event with "event" and "at", without the newline; pure ASCII (everything else is escaped), so
// that untrusted text is harmless even on a terminal. nullopt: not an event, see DiagnosticText.
std::optional<std::string> ToJsonLine(const Output& output, WallTime at);

// What goes to stderr instead; empty for nothing.
std::string DiagnosticText(const Output& output);

// {"cmd":"list"} and so on. Unknown fields are ignored; anything that is not a known command with
// text in its fields is Bad. Missing credentials are sent empty: the server names them.
Command ParseJsonCommand(absl::string_view line);

// True when the line is meant as JSON.
bool LooksLikeJson(absl::string_view line);

absl::string_view ReasonName(RetryReason reason);
absl::string_view FieldName(PromptField field);
absl::string_view ChoiceName(Choice choice);

}  // namespace p2p::client
