// Key material and passwords: wiped on destruction, movable, not copyable, not printable.
#pragma once

#include <array>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "common/base/bytes.h"

namespace p2p {

// Overwrites in a way that the compiler may not remove.
inline void Wipe(void* p, size_t n) {
  std::memset(p, 0, n);
  __asm__ __volatile__("" : : "r"(p) : "memory");
}

template <size_t N>
class Secret {
 public:
  Secret() = default;
  explicit Secret(const std::array<uint8_t, N>& value) : value_(value) {}
  ~Secret() { Wipe(value_.data(), N); }
  Secret(Secret&& other) noexcept : value_(other.value_) { Wipe(other.value_.data(), N); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      value_ = other.value_;
      Wipe(other.value_.data(), N);
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  // A copy is made on purpose or not at all.
  Secret Clone() const { return Secret(value_); }
  ByteView view() const { return value_; }
  std::span<uint8_t> mutable_view() { return value_; }

 private:
  std::array<uint8_t, N> value_{};
};

// A secret of any length, such as a password.
class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(std::string value) : value_(std::move(value)) {}
  ~SecretText() { Wipe(value_.data(), value_.size()); }
  SecretText(SecretText&& other) noexcept : value_(other.value_) { other.Clear(); }
  SecretText& operator=(SecretText&& other) noexcept {
    if (this != &other) {
      Clear();
      value_ = other.value_;
      other.Clear();
    }
    return *this;
  }
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;

  SecretText Clone() const { return SecretText(value_); }
  absl::string_view view() const { return value_; }
  bool empty() const { return value_.empty(); }
  void Clear() {
    Wipe(value_.data(), value_.size());
    value_.clear();
  }

 private:
  std::string value_;
};

}  // namespace p2p
