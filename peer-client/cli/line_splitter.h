// Cuts a byte stream into lines.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace p2p::client {

// A line longer than 1 MiB (60 KiB of text, every character escaped, and room) is dropped up to its
// end and reported as too long.
class LineSplitter {
 public:
  static constexpr size_t kMaxLine = 1 << 20;
  // Calls `on_line` for each complete line, without its newline (or CR before it).
  void Add(absl::string_view bytes, const std::function<void(absl::string_view)>& on_line);
  // The rest after the last newline, at the end of input.
  void Finish(const std::function<void(absl::string_view)>& on_line);
  uint64_t too_long() const { return too_long_; }

 private:
  std::string partial_;
  bool skipping_ = false;
  uint64_t too_long_ = 0;
};

}  // namespace p2p::client
