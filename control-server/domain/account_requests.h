// The fields of account and directory requests, checked before any work is done. Every error is
// InvalidArgument and its message starts with the field's name. Pure.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/base/bytes.h"

namespace p2p::server {

absl::Status CheckHello(absl::string_view client_version);

absl::Status CheckSignup(absl::string_view username, absl::string_view password,
                         absl::string_view confirm_password);

absl::Status CheckPasswordChange(absl::string_view old_password, absl::string_view new_password,
                                 absl::string_view confirm_password);

// A name that no account can have passes: it gets the answer of an unknown user.
struct LoginFields {
  absl::string_view username;
  absl::string_view password;
  ByteView device_key;
  std::optional<uint32_t> chat_port;  // nullopt: no chat_endpoint.
};
absl::Status CheckLogin(const LoginFields& fields);

// What is wrong with the token itself is not told from a token that is unknown.
struct ResumeFields {
  absl::string_view resume_token;
  ByteView client_nonce;
  ByteView device_signature;
  std::optional<uint32_t> chat_port;  // nullopt: no chat_endpoint.
};
absl::Status CheckResume(const ResumeFields& fields);

absl::Status CheckListActive(uint32_t page_size, absl::string_view page_token);

}  // namespace p2p::server
