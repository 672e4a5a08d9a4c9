#include "control-server/options_file.h"

#include <toml++/toml.h>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "control-server/limit_options.h"

namespace p2p::server {
namespace {

// Takes keys out of one table; what is left over at the end is unknown.
class Section {
 public:
  Section(const toml::table& file, std::string_view name) : name_(name) {
    const toml::node* node = file.get(name);
    if (node == nullptr) return;
    table_ = node->as_table();
    if (table_ == nullptr)
      error_ = absl::InvalidArgumentError(absl::StrCat("[", name_, "] is not a table"));
  }

  template <class T>
  void Take(const char* key, std::optional<T>& to) {
    const toml::node* node = Find(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<T>();
    if (!value) return Wrong(key);
    to = *value;
  }

  void Take(const char* key, std::optional<uint64_t>& to) {
    std::optional<int64_t> number;
    Take(key, number);
    if (!number) return;
    if (*number < 0) return Wrong(key);
    to = static_cast<uint64_t>(*number);
  }

  void Take(const char* key, std::vector<std::string>& to) {
    const toml::node* node = Find(key);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr) return Wrong(key);
    for (const toml::node& element : *array) {
      const auto text = element.value_exact<std::string>();
      if (!text) return Wrong(key);
      to.push_back(*text);
    }
  }

  void TakeTiming(config::Timing& timing) {
    if (table_ == nullptr) return;
    for (const auto& [key, node] : *table_) {
      const std::string name(key.str());
      known_.push_back(name);
      const auto text = node.value_exact<std::string>();
      if (!text) return Wrong(name);
      const absl::Status set = config::SetTiming(timing, name, *text);
      if (!set.ok() && error_.ok()) error_ = set;
    }
  }

  void TakeLimits(RateOptions& rates) {
    if (table_ == nullptr) return;
    for (const auto& [key, node] : *table_) {
      const std::string name(key.str());
      known_.push_back(name);
      const auto value = node.value_exact<int64_t>();
      if (!value) return Wrong(name);
      const absl::Status set = SetLimit(rates, name, *value);
      if (!set.ok() && error_.ok()) error_ = set;
    }
  }

  // The first thing that was wrong, unknown keys included.
  absl::Status Done() const {
    if (!error_.ok() || table_ == nullptr) return error_;
    for (const auto& [key, node] : *table_) {
      if (std::find(known_.begin(), known_.end(), key.str()) == known_.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("unknown key ", name_, ".", std::string(key.str())));
      }
    }
    return absl::OkStatus();
  }

 private:
  const toml::node* Find(const char* key) {
    known_.emplace_back(key);
    return table_ == nullptr ? nullptr : table_->get(key);
  }
  void Wrong(absl::string_view key) {
    if (error_.ok()) {
      error_ = absl::InvalidArgumentError(absl::StrCat(name_, ".", key, " has the wrong type"));
    }
  }

  const std::string name_;
  const toml::table* table_ = nullptr;
  std::vector<std::string> known_;
  absl::Status error_;
};

absl::StatusOr<FileOptions> Read(const toml::table& file) {
  for (const auto& [key, node] : file) {
    const std::string name(key.str());
    if (name != "server" && name != "accounts" && name != "tls" && name != "limits" &&
        name != "timing") {
      return absl::InvalidArgumentError(absl::StrCat("unknown key ", name));
    }
  }
  FileOptions out;
  Section server(file, "server");
  server.Take("listen", out.listen);
  server.Take("relay_listen", out.relay_listen);
  server.Take("relay_token_file", out.relay_token_file);
  server.Take("relay_workers", out.relay_workers);
  server.Take("relay_egress_mbit", out.relay_egress_mbit);
  server.Take("data_dir", out.data_dir);
  server.Take("max_connections", out.max_connections);
  server.Take("http_listen", out.http_listen);
  server.Take("admin_socket", out.admin_socket);
  server.Take("reflection", out.reflection);
  server.Take("log_format", out.log_format);
  server.Take("name", out.name);
  server.Take("greeting", out.greeting);
  server.Take("signup_open", out.signup_open);
  P2P_RETURN_IF_ERROR(server.Done());
  Section accounts(file, "accounts");
  accounts.Take("allow_lookalikes", out.allow_lookalikes);
  P2P_RETURN_IF_ERROR(accounts.Done());
  Section tls(file, "tls");
  tls.Take("cert", out.tls_cert);
  tls.Take("key", out.tls_key);
  tls.Take("names", out.tls_names);
  P2P_RETURN_IF_ERROR(tls.Done());
  Section limits(file, "limits");
  limits.TakeLimits(out.rates);
  P2P_RETURN_IF_ERROR(limits.Done());
  Section timing(file, "timing");
  timing.TakeTiming(out.timing);
  P2P_RETURN_IF_ERROR(timing.Done());
  return out;
}

}  // namespace

absl::StatusOr<FileOptions> ParseOptionsFile(absl::string_view text, absl::string_view file_name) {
  absl::StatusOr<FileOptions> out;
  try {
    out = Read(toml::parse(std::string_view(text.data(), text.size())));
  } catch (const toml::parse_error& error) {
    out = absl::InvalidArgumentError(
        absl::StrCat("line ", error.source().begin.line, ": ", std::string(error.description())));
  }
  if (!out.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file_name, ": ", out.status().message()));
  }
  return out;
}

}  // namespace p2p::server
