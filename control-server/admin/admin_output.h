// The answers of AdminService as text for a terminal or as JSON. Everything that comes from a user
// is rendered as untrusted text. Each text ends with a newline; lists have a line for each entry.
#pragma once

#include <string>

#include "p2p/v1/admin.pb.h"

namespace p2p::server {

enum class OutputFormat { kText, kJson };

std::string Format(const v1::ListUsersResponse& users, OutputFormat format);
std::string Format(const v1::ListSessionsResponse& sessions, OutputFormat format);
std::string Format(const v1::ListPenaltiesResponse& penalties, OutputFormat format);
std::string Format(const v1::ListBroadcastsResponse& broadcasts, OutputFormat format);
std::string Format(const v1::GetBroadcastResponse& broadcast, OutputFormat format);
std::string Format(const v1::RevokeBroadcastResponse& revoked, OutputFormat format);
// What happened to one account: `added alice`, {"added":"alice",…}.
std::string FormatDone(const std::string& what, const v1::AdminUser& user, OutputFormat format);

}  // namespace p2p::server
