#include "control-server/domain/account_requests.h"

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "common/wire/limits.h"
#include "common/wire/resume_statement.h"
#include "control-server/domain/names.h"

namespace p2p::server {
namespace {

absl::Status CheckChatPort(std::optional<uint32_t> port) {
  if (port && (*port < wire::kMinChatPort || *port > 65535)) {
    return absl::InvalidArgumentError(
        absl::StrCat("chat_endpoint.port must be ", wire::kMinChatPort, " to 65535"));
  }
  return absl::OkStatus();
}

// `password`: what a password that exists already may look like.
absl::Status CheckKnownPassword(absl::string_view password, absl::string_view field) {
  if (password.empty()) return absl::InvalidArgumentError(absl::StrCat(field, " is required"));
  if (password.size() > 4 * wire::kMaxPasswordChars ||
      CodePoints(password) > wire::kMaxPasswordChars) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, " is longer than ", wire::kMaxPasswordChars, " characters"));
  }
  return absl::OkStatus();
}

absl::Status CheckConfirmed(absl::string_view password, absl::string_view confirm_password,
                            absl::string_view field) {
  if (confirm_password.empty()) {
    return absl::InvalidArgumentError("confirm_password is required");
  }
  if (confirm_password != password) {
    return absl::InvalidArgumentError(absl::StrCat("confirm_password is not the same as ", field));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckHello(absl::string_view client_version) {
  if (client_version.size() > wire::kMaxClientVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("client_version is longer than ", wire::kMaxClientVersion, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckSignup(absl::string_view username, absl::string_view password,
                         absl::string_view confirm_password) {
  P2P_RETURN_IF_ERROR(CheckNewUsername(username));
  P2P_RETURN_IF_ERROR(CheckNewPassword(password));
  return CheckConfirmed(password, confirm_password, "password");
}

absl::Status CheckPasswordChange(absl::string_view old_password, absl::string_view new_password,
                                 absl::string_view confirm_password) {
  P2P_RETURN_IF_ERROR(CheckKnownPassword(old_password, "old_password"));
  P2P_RETURN_IF_ERROR(CheckNewPassword(new_password, "new_password"));
  return CheckConfirmed(new_password, confirm_password, "new_password");
}

absl::Status CheckLogin(const LoginFields& fields) {
  if (fields.username.empty()) return absl::InvalidArgumentError("username is required");
  if (fields.username.size() > wire::kMaxUsername) {
    return absl::InvalidArgumentError(
        absl::StrCat("username is longer than ", wire::kMaxUsername, " bytes"));
  }
  P2P_RETURN_IF_ERROR(CheckKnownPassword(fields.password, "password"));
  if (!fields.device_key.empty() && fields.device_key.size() != wire::kDeviceKeySize) {
    return absl::InvalidArgumentError(
        absl::StrCat("device_public_key must have ", wire::kDeviceKeySize, " bytes"));
  }
  return CheckChatPort(fields.chat_port);
}

absl::Status CheckResume(const ResumeFields& fields) {
  if (fields.resume_token.empty()) return absl::InvalidArgumentError("resume_token is required");
  if (fields.resume_token.size() > wire::kMaxTokenText) {
    return absl::InvalidArgumentError(
        absl::StrCat("resume_token is longer than ", wire::kMaxTokenText, " bytes"));
  }
  if (fields.client_nonce.size() != wire::kNonceSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("client_nonce must have ", wire::kNonceSize, " bytes"));
  }
  if (fields.device_signature.size() != wire::kSignatureSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("device_signature must have ", wire::kSignatureSize, " bytes"));
  }
  return CheckChatPort(fields.chat_port);
}

absl::Status CheckListActive(uint32_t page_size, absl::string_view page_token) {
  if (page_size > wire::kMaxPageSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size is larger than ", wire::kMaxPageSize));
  }
  if (page_token.size() > wire::kMaxPageToken) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_token is longer than ", wire::kMaxPageToken, " bytes"));
  }
  if (!page_token.empty() && !HasUsernameShape(page_token)) {
    return absl::InvalidArgumentError("page_token is not one that this server gave out");
  }
  return absl::OkStatus();
}

}  // namespace p2p::server
