// Journal files in memory that lose what was not synced when the power goes. Refuses on demand.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "peer-client/state/record_log.h"

namespace p2p::client {

class MemoryStorage final : public LogStorage {
 public:
  absl::StatusOr<std::string> Read(const std::string& path) override {
    const auto it = files_.find(path);
    if (it == files_.end()) return absl::NotFoundError(path);
    return it->second->written;
  }
  absl::StatusOr<std::unique_ptr<LogFile>> OpenAt(const std::string& path, size_t size) override {
    const auto it = files_.find(path);
    if (it == files_.end()) return absl::NotFoundError(path);
    it->second->written.resize(size);
    return std::make_unique<File>(*this, it->second);
  }
  absl::Status Replace(const std::string& path, absl::string_view content) override {
    // Written beside it, synced, renamed; only when the directory is synced it is sure to stay.
    absl::Status status;
    int step = 0;
    while (step < kReplaceSteps && (status = Use()).ok()) ++step;
    if (step < kReplaceSteps) cut_in_replace = step;
    if (step == kReplaceSteps || (step == kReplaceSteps - 1 && rename_survives)) {
      files_[path] = std::make_shared<Content>(
          Content{.written = std::string(content), .synced = std::string(content)});
    }
    return status;
  }
  absl::Status Remove(const std::string& path) override {
    files_.erase(path);
    return absl::OkStatus();
  }

  // Everything not synced is gone, but for the first `torn` bytes of it.
  void CutPower(size_t torn = 0) {
    for (auto& [path, content] : files_) {
      const std::string unsynced =
          content->written.size() > content->synced.size()
              ? content->written.substr(content->synced.size()).substr(0, torn)
              : "";
      content = std::make_shared<Content>(
          Content{.written = content->synced + unsynced, .synced = content->synced + unsynced});
    }
  }
  std::string& Raw(const std::string& path) { return files_.at(path)->written; }
  bool Has(const std::string& path) const { return files_.contains(path); }

  absl::Status error;  // When not OK: what writes and syncs answer.
  int syncs = 0;
  int uses = 0;          // Writes, syncs and steps of replacements that were asked for …
  int power_until = -1;  // … of which so many are carried out; -1: all.
  static constexpr int kReplaceSteps = 4;
  int cut_in_replace = -1;       // The step that an error kept from happening; -1: none.
  bool rename_survives = false;  // … the power that went before its directory was synced.

 private:
  absl::Status Use() {
    if (!error.ok()) return error;
    if (power_until >= 0 && uses >= power_until) return absl::UnavailableError("no power");
    ++uses;
    return absl::OkStatus();
  }
  struct Content {
    std::string written;
    std::string synced;
  };
  class File final : public LogFile {
   public:
    File(MemoryStorage& owner, std::shared_ptr<Content> content)
        : owner_(owner), content_(std::move(content)) {}
    absl::Status Append(ByteView data) override {
      if (const auto status = owner_.Use(); !status.ok()) {
        // The power went while it was written.
        absl::StrAppend(&content_->written, AsText(data.first(data.size() / 2)));
        return status;
      }
      absl::StrAppend(&content_->written, AsText(data));
      return absl::OkStatus();
    }
    absl::Status Sync() override {
      if (const auto status = owner_.Use(); !status.ok()) return status;
      content_->synced = content_->written;
      ++owner_.syncs;
      return absl::OkStatus();
    }

   private:
    MemoryStorage& owner_;
    std::shared_ptr<Content> content_;
  };
  std::map<std::string, std::shared_ptr<Content>> files_;
};

}  // namespace p2p::client
