// What the sources of AppModel share.
#pragma once

#include <optional>

#include "peer-client/app/command.h"

namespace p2p::client {

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

template <class T>
bool Is(const Command& command) {
  return std::holds_alternative<T>(command);
}

// Names the caller whose command is being answered; nested answers restore the outer one.
class AnswerScope {
 public:
  AnswerScope(std::optional<uint64_t>& slot, std::optional<uint64_t> caller)
      : slot_(slot), outer_(slot) {
    slot_ = caller;
  }
  ~AnswerScope() { slot_ = outer_; }
  AnswerScope(const AnswerScope&) = delete;
  AnswerScope& operator=(const AnswerScope&) = delete;

 private:
  std::optional<uint64_t>& slot_;
  const std::optional<uint64_t> outer_;
};

}  // namespace p2p::client
