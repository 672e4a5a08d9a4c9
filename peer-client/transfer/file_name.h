// The name under which a file from a stranger is kept.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace p2p::client {

// Only the last component of what was offered, cut at '/' and '\'; without control, bidirectional
// and zero-width characters; a leading dot becomes '_'; at most kMaxFileName bytes, cut between
// characters and before the extension; a name that is a device on Windows gets a '_' behind it.
// nullopt: nothing is left, or "." or "..". Pure.
std::optional<std::string> SafeFileName(absl::string_view offered);

// The first `bytes` of valid UTF-8 at most, whole characters only.
absl::string_view CutTo(absl::string_view text, size_t bytes);

// "notes.txt", 2 -> "notes (2).txt".
std::string NumberedName(absl::string_view name, int number);

}  // namespace p2p::client
