#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/net/file.h"
#include "peer-client/state/record_log.h"

namespace p2p::client {
namespace {

class DiskFile final : public LogFile {
 public:
  DiskFile(net::UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  absl::Status Append(ByteView data) override {
    while (!data.empty()) {
      const ssize_t n = ::write(fd_.get(), data.data(), data.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return net::ErrnoError(absl::StrCat("writing ", path_), errno);
      data = data.subspan(static_cast<size_t>(n));
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (::fdatasync(fd_.get()) == 0) return absl::OkStatus();
    return net::ErrnoError(absl::StrCat("syncing ", path_), errno);
  }

 private:
  net::UniqueFd fd_;
  std::string path_;
};

}  // namespace

absl::StatusOr<std::string> DiskStorage::Read(const std::string& path) {
  return net::ReadFile(path, RecordLog::kMaxFile);
}

absl::StatusOr<std::unique_ptr<LogFile>> DiskStorage::OpenAt(const std::string& path, size_t size) {
  net::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) return net::ErrnoError(absl::StrCat("opening ", path), errno);
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return net::ErrnoError(absl::StrCat("cutting ", path), errno);
  }
  return std::make_unique<DiskFile>(std::move(fd), path);
}

absl::Status DiskStorage::Replace(const std::string& path, absl::string_view content) {
  return net::WriteFileAtomically(path, content);
}

absl::Status DiskStorage::Remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return net::ErrnoError(absl::StrCat("removing ", path), errno);
  }
  return net::SyncDirectory(std::filesystem::path(path).parent_path().string());
}

}  // namespace p2p::client
