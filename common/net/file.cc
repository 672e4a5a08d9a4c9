#include "common/net/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>

#include <cstdio>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"

namespace p2p::net {
namespace {

absl::Status WriteAll(int fd, const std::string& path, absl::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(absl::StrCat("writing ", path), errno);
    content.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadAll(int fd, const std::string& path, size_t max_size) {
  std::string out;
  char buffer[16384];
  while (true) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(absl::StrCat("reading ", path), errno);
    if (n == 0) return out;
    out.append(buffer, static_cast<size_t>(n));
    if (out.size() > max_size) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, " is larger than ", max_size, " bytes"));
    }
  }
}

std::string ParentOf(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

absl::Status MakePrivateDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return absl::OkStatus();
  if (errno == EEXIST) return absl::OkStatus();
  if (errno != ENOENT) return ErrnoError(absl::StrCat("creating ", path), errno);
  const std::string parent = ParentOf(path);
  if (parent == path) return ErrnoError(absl::StrCat("creating ", path), ENOENT);
  P2P_RETURN_IF_ERROR(MakePrivateDirectory(parent));
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoError(absl::StrCat("creating ", path), errno);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_size) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(absl::StrCat("opening ", path), errno);
  return ReadAll(fd.get(), path, max_size);
}

namespace {

// systemd gives a service its credentials by an access list, whose mask shows as the group's bits
// (systemd.exec(5)).
mode_t TolerableBits(absl::string_view path) {
  const char* credentials = std::getenv("CREDENTIALS_DIRECTORY");
  const bool ours = credentials != nullptr && *credentials != '\0' &&
                    absl::StartsWith(path, absl::StrCat(credentials, "/")) &&
                    !absl::StrContains(path, "/../");
  return ours ? 0040 : 0;
}

}  // namespace

absl::StatusOr<SecretText> ReadSecretFile(const std::string& path, size_t max_size) {
  // Not blocking: the path may name a pipe.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return ErrnoError(absl::StrCat("opening ", path), errno);
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) return ErrnoError(absl::StrCat("reading ", path), errno);
  if (!S_ISREG(about.st_mode)) {
    return absl::PermissionDeniedError(absl::StrCat(path, " is not a regular file"));
  }
  if ((about.st_mode & 077 & ~TolerableBits(path)) != 0) {
    return absl::PermissionDeniedError(
        absl::StrFormat("%s holds a secret but has mode %04o: others may read or change it; "
                        "run `chmod 600` on it and make a new secret",
                        path, about.st_mode & 07777));
  }
  P2P_ASSIGN_OR_RETURN(std::string text, ReadAll(fd.get(), path, max_size));
  return SecretText(std::move(text));
}

absl::Status SyncDirectory(const std::string& path) {
  const UniqueFd dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.valid()) return ErrnoError(absl::StrCat("opening ", path), errno);
  if (::fsync(dir.get()) != 0) return ErrnoError(absl::StrCat("syncing ", path), errno);
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content) {
  const std::string temporary = absl::StrCat(path, ".tmp.", ::getpid());
  ::unlink(temporary.c_str());
  {
    const UniqueFd fd(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd.valid()) return ErrnoError(absl::StrCat("creating ", temporary), errno);
    absl::Status written = WriteAll(fd.get(), temporary, content);
    if (written.ok() && ::fsync(fd.get()) != 0) {
      written = ErrnoError(absl::StrCat("syncing ", temporary), errno);
    }
    if (!written.ok()) {
      ::unlink(temporary.c_str());
      return written;
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error_number = errno;
    ::unlink(temporary.c_str());
    return ErrnoError(absl::StrCat("replacing ", path), error_number);
  }
  return SyncDirectory(ParentOf(path));
}

absl::StatusOr<UniqueFd> LockFile(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return ErrnoError(absl::StrCat("opening ", path), errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoError(absl::StrCat("locking ", path), errno);
    const auto holder = ReadFile(path, 64);
    return absl::AlreadyExistsError(
        absl::StrCat(path, " is locked by another process",
                     holder.ok() && !holder->empty()
                         ? absl::StrCat(" (pid ", absl::StripAsciiWhitespace(*holder), ")")
                         : ""));
  }
  const std::string pid = absl::StrCat(::getpid(), "\n");
  if (::ftruncate(fd.get(), 0) != 0) return ErrnoError(absl::StrCat("writing ", path), errno);
  P2P_RETURN_IF_ERROR(WriteAll(fd.get(), path, pid));
  return fd;
}

}  // namespace p2p::net
