#include "common/wire/resume_statement.h"

namespace p2p::wire {

Bytes ResumeStatement(const std::array<uint8_t, 32>& server_key_digest,
                      const std::array<uint8_t, 32>& token_id,
                      const std::array<uint8_t, 16>& client_nonce) {
  ByteWriter out;
  out.Append("p2p-resume-v1");
  return out.Append(server_key_digest).Append(token_id).Append(client_nonce).Release();
}

}  // namespace p2p::wire
