// Numbers of the peer link, on which two clients must agree. Repeated in proto/PEER_LINK.md; a test
// compares.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "common/wire/limits.h"

namespace p2p::wire {

// Introduction.
inline constexpr absl::string_view kIntroductionMagic = "p2p-intro-v1";
inline constexpr size_t kMaxIntroductionSize = 2048;
inline constexpr uint16_t kPeerLinkVersion = 1;

// Link and knock.
inline constexpr absl::string_view kLinkInfo = "p2p-link v1";
inline constexpr absl::string_view kKnockKeyInfo = "knock";
inline constexpr absl::string_view kKnockInfo = "p2p-knock v1";
inline constexpr size_t kLinkSize = 32;
inline constexpr size_t kKnockRandomSize = 16;
inline constexpr size_t kKnockMacSize = 16;
inline constexpr size_t kKnockSize = kKnockRandomSize + kKnockMacSize;
inline constexpr size_t kKnockMemory = 1024;  // Accepted randoms remembered per link.
inline constexpr size_t kMaxLiveLinks = 64;
inline constexpr size_t kMaxConnectionsPerLink = 3;
inline constexpr size_t kMaxUnprovenConnections = 64;
inline constexpr size_t kMaxUnprovenPerSource = 16;

// HELLO.
inline constexpr absl::string_view kHelloInfo = "p2p-hello v1";

// TLS.
inline constexpr absl::string_view kPeerAlpn = "p2p-chat/1";
inline constexpr absl::string_view kExporterLabel = "EXPORTER-p2p-chat-hello-v1";
inline constexpr size_t kExporterSize = 32;

// Frames.
inline constexpr size_t kPeerFrameHeaderSize = 4;
inline constexpr size_t kMaxFrameSize = 256 * 1024;
inline constexpr size_t kMaxHelloFrameSize = 4 * 1024;  // Until HELLO is proven.
inline constexpr size_t kMaxChatText = 16 * 1024;
inline constexpr size_t kMaxHangUpReason = 200;
inline constexpr size_t kMaxQueuedMessages = 1000;
inline constexpr size_t kMaxQueuedBytes = 4 * 1024 * 1024;
inline constexpr uint32_t kMessagesPerSecond = 20;
inline constexpr uint32_t kMessageBurst = 100;
inline constexpr uint32_t kFramesPerSecond = 200;  // Of any other kind.
inline constexpr uint32_t kFrameBurst = 1000;
inline constexpr int kSilentPings = 3;  // Unanswered for so many ping intervals: closed.
inline constexpr size_t kFileChunkSize = 64 * 1024;
inline constexpr size_t kFileWindow = 1024 * 1024;
inline constexpr size_t kMaxFileName = 200;

}  // namespace p2p::wire
