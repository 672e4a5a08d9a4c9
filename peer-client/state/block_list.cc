#include "peer-client/state/block_list.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/net/file.h"

namespace p2p::client {
namespace {

constexpr size_t kMostBytes = BlockList::kMost * 64;

}  // namespace

absl::StatusOr<BlockList> BlockList::Open(std::string path) {
  BlockList list(std::move(path));
  const auto content = net::ReadFile(list.path_, kMostBytes);
  if (absl::IsNotFound(content.status())) return list;
  if (!content.ok()) return content.status();
  for (const absl::string_view line : absl::StrSplit(*content, '\n', absl::SkipWhitespace())) {
    list.names_.emplace_back(absl::StripAsciiWhitespace(line));
  }
  std::sort(list.names_.begin(), list.names_.end());
  return list;
}

absl::Status BlockList::Set(absl::string_view name, bool blocked) {
  std::vector<std::string> changed = names_;
  std::erase_if(changed, [&](const std::string& n) { return absl::EqualsIgnoreCase(n, name); });
  if (blocked) {
    if (changed.size() >= kMost) {
      return absl::ResourceExhaustedError(absl::StrCat("you block ", kMost, " users already"));
    }
    changed.emplace_back(name);
    std::sort(changed.begin(), changed.end());
  }
  const std::string content =
      changed.empty() ? "" : absl::StrCat(absl::StrJoin(changed, "\n"), "\n");
  const absl::Status written = net::WriteFileAtomically(path_, content);
  if (written.ok()) names_ = std::move(changed);
  return written;
}

}  // namespace p2p::client
