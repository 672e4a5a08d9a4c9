// Broken invariants crash; a Status travels by these macros. Nothing here is for hostile input
// (count and drop that).
#pragma once

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace p2p {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}  // namespace p2p

// Only our own bug can make this false.
#define P2P_CHECK(condition)                                                                  \
  do {                                                                                        \
    if (ABSL_PREDICT_FALSE(!(condition))) ::p2p::CheckFailed(#condition, __FILE__, __LINE__); \
  } while (false)

#define P2P_RETURN_IF_ERROR(expr)            \
  do {                                       \
    ::absl::Status p2p_status = (expr);      \
    if (!p2p_status.ok()) return p2p_status; \
  } while (false)

#define P2P_CONCAT_INNER(a, b) a##b
#define P2P_CONCAT(a, b) P2P_CONCAT_INNER(a, b)
#define P2P_ASSIGN_OR_RETURN(lhs, expr) \
  P2P_ASSIGN_OR_RETURN_IMPL(P2P_CONCAT(p2p_result_, __LINE__), lhs, expr)
#define P2P_ASSIGN_OR_RETURN_IMPL(result, lhs, expr) \
  auto result = (expr);                              \
  if (!result.ok()) return result.status();          \
  lhs = std::move(result).value()
