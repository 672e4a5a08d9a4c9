#include "peer-client/transfer/disk_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/net/file.h"
#include "peer-client/transfer/file_name.h"

namespace p2p::client {
namespace {

constexpr uint64_t kSyncEvery = uint64_t{16} << 20;  // So that no single sync takes long.
constexpr int kMostNumbers = 1000;

std::string PartName(const std::string& id) { return absl::StrCat(".", id, ".part"); }

int64_t ModifiedNs(const struct stat& s) {
  return int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
}

absl::Status WriteAll(int fd, ByteView data, uint64_t offset) {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return net::ErrnoError("writing the download", errno);
    data = data.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> ReadAt(int fd, uint64_t offset, std::span<uint8_t> out) {
  ssize_t n;
  do {
    n = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
  } while (n < 0 && errno == EINTR);
  if (n < 0) return net::ErrnoError("reading", errno);
  return static_cast<size_t>(n);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SourceFile>> SourceFile::Open(const std::string& path) {
  auto file = std::make_unique<SourceFile>();
  file->fd_ = net::UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat s;
  if (!file->fd_.valid() || ::fstat(file->fd_.get(), &s) != 0) {
    return absl::InvalidArgumentError(net::ErrnoError(path, errno).message());
  }
  if (!S_ISREG(s.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  file->size_ = static_cast<uint64_t>(s.st_size);
  file->modified_ns_ = ModifiedNs(s);
  return file;
}

absl::StatusOr<size_t> SourceFile::Read(uint64_t offset, std::span<uint8_t> out) const {
  P2P_ASSIGN_OR_RETURN(const size_t n, ReadAt(fd_.get(), offset, out));
  struct stat s;
  const bool same = ::fstat(fd_.get(), &s) == 0 && static_cast<uint64_t>(s.st_size) == size_ &&
                    ModifiedNs(s) == modified_ns_;
  if (!same || n == 0) return absl::FailedPreconditionError("the file has changed meanwhile");
  return n;
}

Download::Download(std::string folder, net::UniqueFd directory, std::string part, net::UniqueFd fd)
    : folder_(std::move(folder)),
      directory_(std::move(directory)),
      part_(std::move(part)),
      fd_(std::move(fd)) {}

absl::StatusOr<std::unique_ptr<Download>> Download::Open(const std::string& folder,
                                                         const std::string& id, uint64_t size) {
  P2P_RETURN_IF_ERROR(net::MakePrivateDirectory(folder));
  net::UniqueFd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return net::ErrnoError(folder, errno);
  std::string part = PartName(id);
  net::UniqueFd fd(::openat(directory.get(), part.c_str(),
                            O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
  struct stat s;
  if (!fd.valid() || ::fstat(fd.get(), &s) != 0) return net::ErrnoError(part, errno);
  if (!S_ISREG(s.st_mode) || s.st_uid != ::geteuid() || s.st_nlink != 1) {
    return absl::FailedPreconditionError(absl::StrCat(part, " is not a file of this user"));
  }
  std::unique_ptr<Download> out(
      new Download(folder, std::move(directory), std::move(part), std::move(fd)));
  out->written_ = static_cast<uint64_t>(s.st_size);
  if (out->written_ > size) P2P_RETURN_IF_ERROR(out->Restart());
  struct statvfs space;
  if (::fstatvfs(out->directory_.get(), &space) != 0) return net::ErrnoError(folder, errno);
  const uint64_t room = uint64_t{space.f_bavail} * space.f_frsize;
  if (room < kSpare || room - kSpare < size - out->written_) {
    if (out->written_ == 0) out->Discard();
    return absl::ResourceExhaustedError(absl::StrCat("there is not enough room in ", folder, ": ",
                                                     size - out->written_, " bytes and ", kSpare,
                                                     " to spare are needed, ", room, " are free"));
  }
  return out;
}

absl::Status Download::Restart() {
  if (::ftruncate(fd_.get(), 0) != 0) return net::ErrnoError(part_, errno);
  written_ = synced_ = 0;
  return absl::OkStatus();
}

absl::Status Download::Append(ByteView data) {
  P2P_RETURN_IF_ERROR(WriteAll(fd_.get(), data, written_));
  written_ += data.size();
  if (written_ - synced_ >= kSyncEvery) {
    (void)::sync_file_range(fd_.get(), static_cast<off_t>(synced_),
                            static_cast<off_t>(written_ - synced_), SYNC_FILE_RANGE_WRITE);
    synced_ = written_;
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> Download::Read(uint64_t offset, std::span<uint8_t> out) const {
  return ReadAt(fd_.get(), offset, out);
}

absl::StatusOr<std::string> Download::Finish(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || absl::StrContains(name, '/')) {
    return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is not the name of a file"));
  }
  if (::fsync(fd_.get()) != 0) return net::ErrnoError(part_, errno);
  for (int number = 1; number <= kMostNumbers; ++number) {
    const std::string free_name = number == 1 ? name : NumberedName(name, number);
    if (::renameat2(directory_.get(), part_.c_str(), directory_.get(), free_name.c_str(),
                    RENAME_NOREPLACE) == 0) {
      P2P_RETURN_IF_ERROR(net::SyncDirectory(folder_));
      return absl::StrCat(folder_, "/", free_name);
    }
    if (errno != EEXIST) return net::ErrnoError(free_name, errno);
  }
  return absl::AlreadyExistsError(absl::StrCat("every name like ", name, " is taken"));
}

void Download::Remove(const std::string& folder, const std::string& id) {
  (void)::unlink(absl::StrCat(folder, "/", PartName(id)).c_str());
}

void Download::Discard() {
  (void)::unlinkat(directory_.get(), part_.c_str(), 0);
  fd_.Reset();
}

}  // namespace p2p::client
