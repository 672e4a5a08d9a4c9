// Rendered text is valid UTF-8 without controls, and rendering its lines again changes nothing.
#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "common/base/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view in(reinterpret_cast<const char*>(data), size);
  const std::string message = p2p::RenderUntrusted(in);
  P2P_CHECK(p2p::IsValidUtf8(message));
  for (const char c : message) P2P_CHECK(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
  const std::string line = p2p::RenderUntrusted(in, p2p::TextKind::kLine);
  P2P_CHECK(p2p::IsValidUtf8(line) && line.find('\n') == std::string::npos);
  P2P_CHECK(p2p::RenderUntrusted(line, p2p::TextKind::kLine) == line);
  return 0;
}
