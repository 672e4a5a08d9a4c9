#include "peer-client/cli/line_splitter.h"

#include <utility>

#include "absl/strings/strip.h"

namespace p2p::client {

void LineSplitter::Add(absl::string_view bytes,
                       const std::function<void(absl::string_view)>& on_line) {
  while (!bytes.empty()) {
    const size_t newline = bytes.find('\n');
    const bool complete = newline != absl::string_view::npos;
    const absl::string_view piece = bytes.substr(0, newline);
    bytes.remove_prefix(complete ? newline + 1 : bytes.size());
    if (!skipping_ && partial_.size() + piece.size() > kMaxLine) {
      skipping_ = true;
      ++too_long_;
      partial_.clear();
    }
    if (!skipping_) partial_.append(piece.data(), piece.size());
    if (!complete) return;
    if (!skipping_) {
      const std::string line = std::exchange(partial_, std::string());
      on_line(absl::StripSuffix(line, "\r"));
    }
    skipping_ = false;
  }
}

void LineSplitter::Finish(const std::function<void(absl::string_view)>& on_line) {
  if (!partial_.empty() && !skipping_) on_line(std::exchange(partial_, std::string()));
}

}  // namespace p2p::client
