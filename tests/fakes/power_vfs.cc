#include "tests/fakes/power_vfs.h"

#include <sqlite3.h>

#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/net/file.h"

namespace p2p {
namespace {

// What SQLite holds for an open file; the real file's object follows in the same allocation.
struct ShimFile {
  sqlite3_file base;
  PowerVfs* owner;
  PowerVfs::File* state;  // Null for files that a cut does not touch.
  sqlite3_file* real;
};

ShimFile& Shim(sqlite3_file* file) { return *reinterpret_cast<ShimFile*>(file); }
sqlite3_file* Real(sqlite3_file* file) { return Shim(file).real; }

int Close(sqlite3_file* f) { return Real(f)->pMethods->xClose(Real(f)); }
int Read(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
  return Real(f)->pMethods->xRead(Real(f), to, n, at);
}

// What a write or truncation at `offset` is about to replace.
PowerVfs::Change Before(sqlite3_file* f, int64_t offset, int64_t n) {
  PowerVfs::Change change;
  change.offset = offset;
  sqlite3_int64 size = 0;
  P2P_CHECK(Real(f)->pMethods->xFileSize(Real(f), &size) == SQLITE_OK);
  change.old_size = size;
  const int64_t there = std::min<int64_t>(n, std::max<int64_t>(0, size - offset));
  change.old_bytes.resize(static_cast<size_t>(there));
  if (there > 0) {
    P2P_CHECK(Read(f, change.old_bytes.data(), static_cast<int>(there), offset) == SQLITE_OK);
  }
  return change;
}

int Write(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  if (Shim(f).owner->full()) return SQLITE_FULL;
  if (Shim(f).state != nullptr) {
    Shim(f).owner->BeforeEvent();
    PowerVfs::Change change = Before(f, at, n);
    change.written = static_cast<size_t>(n);
    Shim(f).state->unsynced.push_back(std::move(change));
  }
  return Real(f)->pMethods->xWrite(Real(f), from, n, at);
}
int Truncate(sqlite3_file* f, sqlite3_int64 size) {
  if (Shim(f).state != nullptr) {
    Shim(f).owner->BeforeEvent();
    Shim(f).state->unsynced.push_back(Before(f, size, INT64_MAX / 2));
  }
  return Real(f)->pMethods->xTruncate(Real(f), size);
}
int Sync(sqlite3_file* f, int flags) {
  if (Shim(f).owner->sync_fails()) return SQLITE_IOERR_FSYNC;
  if (Shim(f).state != nullptr) Shim(f).owner->BeforeEvent();
  Shim(f).owner->CountSync();
  if (Shim(f).state != nullptr) Shim(f).state->unsynced.clear();
  return Real(f)->pMethods->xSync(Real(f), flags);
}
int FileSize(sqlite3_file* f, sqlite3_int64* size) {
  return Real(f)->pMethods->xFileSize(Real(f), size);
}
int Lock(sqlite3_file* f, int l) { return Real(f)->pMethods->xLock(Real(f), l); }
int Unlock(sqlite3_file* f, int l) { return Real(f)->pMethods->xUnlock(Real(f), l); }
int CheckLock(sqlite3_file* f, int* out) {
  return Real(f)->pMethods->xCheckReservedLock(Real(f), out);
}
int Control(sqlite3_file* f, int op, void* arg) {
  const auto level = Shim(f).owner->synchronous();
  if (op == SQLITE_FCNTL_PRAGMA && level) {
    auto* pragma = static_cast<char**>(arg);  // Answer, name, value.
    if (absl::string_view(pragma[1]) == "synchronous") {
      if (pragma[2] == nullptr) {
        pragma[0] = sqlite3_mprintf("2");
        return SQLITE_OK;
      }
      // SQLite takes the value from here when this returns; a digit fits where a word was.
      pragma[2][0] = static_cast<char>('0' + *level);
      pragma[2][1] = '\0';
    }
  }
  return Real(f)->pMethods->xFileControl(Real(f), op, arg);
}
int SectorSize(sqlite3_file* f) { return Real(f)->pMethods->xSectorSize(Real(f)); }
// No claims about the device: writes may tear.
int Characteristics(sqlite3_file*) { return 0; }
int ShmMap(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return Real(f)->pMethods->xShmMap(Real(f), page, size, extend, out);
}
int ShmLock(sqlite3_file* f, int offset, int n, int flags) {
  return Real(f)->pMethods->xShmLock(Real(f), offset, n, flags);
}
void ShmBarrier(sqlite3_file* f) { Real(f)->pMethods->xShmBarrier(Real(f)); }
int ShmUnmap(sqlite3_file* f, int remove) { return Real(f)->pMethods->xShmUnmap(Real(f), remove); }

constexpr sqlite3_io_methods kMethods = {
    2,        Close,     Read,    Write,      Truncate,        Sync,   FileSize, Lock,
    Unlock,   CheckLock, Control, SectorSize, Characteristics, ShmMap, ShmLock,  ShmBarrier,
    ShmUnmap, nullptr,   nullptr};

int Open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  auto& owner = *static_cast<PowerVfs*>(vfs->pAppData);
  auto& shim = Shim(file);
  shim.base.pMethods = nullptr;
  shim.owner = &owner;
  shim.real = reinterpret_cast<sqlite3_file*>(&shim + 1);
  const int kept = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL;
  shim.state = (flags & kept) != 0 && path != nullptr ? &owner.FileOf(path) : nullptr;
  const int rc = owner.real()->xOpen(owner.real(), path, shim.real, flags, out_flags);
  if (rc == SQLITE_OK) shim.base.pMethods = &kMethods;
  return rc;
}

}  // namespace

PowerVfs::PowerVfs(std::string name)
    : name_(std::move(name)),
      real_(sqlite3_vfs_find(nullptr)),
      vfs_(std::make_unique<sqlite3_vfs>(*real_)) {
  vfs_->zName = name_.c_str();
  vfs_->pNext = nullptr;
  vfs_->pAppData = this;
  vfs_->szOsFile = static_cast<int>(sizeof(ShimFile)) + real_->szOsFile;
  vfs_->xOpen = Open;
  P2P_CHECK(sqlite3_vfs_register(vfs_.get(), 0) == SQLITE_OK);
}

PowerVfs::~PowerVfs() { sqlite3_vfs_unregister(vfs_.get()); }

absl::Status PowerVfs::CutPower(const std::string& from, const std::string& to, Random& random) {
  // By another spelling of its path it would seem to have nothing unsynced.
  if (!files_.contains(from)) return absl::NotFoundError(absl::StrCat("not open here: ", from));
  for (const char* suffix : {"", "-wal"}) {
    const auto now = net::ReadFile(absl::StrCat(from, suffix), size_t{1} << 30);
    if (absl::IsNotFound(now.status())) continue;
    P2P_RETURN_IF_ERROR(now.status());
    std::string content = *now;
    const auto& unsynced = files_[absl::StrCat(from, suffix)].unsynced;
    const size_t kept = random.Below(2) == 0 ? 0 : random.Below(unsynced.size() + 1);
    for (size_t i = unsynced.size(); i-- > kept;) {
      const Change& change = unsynced[i];
      const auto offset = static_cast<size_t>(change.offset);
      // The first that is lost leaves the front half of what it wrote.
      const size_t torn = i == kept && kept > 0 ? std::min(change.written / 2, content.size()) : 0;
      const std::string front = content.substr(std::min(offset, content.size()), torn);
      content.resize(static_cast<size_t>(change.old_size));
      std::copy(change.old_bytes.begin(), change.old_bytes.end(),
                content.begin() + static_cast<long>(offset));
      if (!front.empty()) {
        content.resize(std::max(content.size(), offset + front.size()));
        content.replace(offset, front.size(), front);
      }
    }
    std::ofstream out(absl::StrCat(to, suffix), std::ios::binary | std::ios::trunc);
    out << content;
    if (!out.good()) return absl::UnavailableError("cannot write the copy");
  }
  return absl::OkStatus();
}

}  // namespace p2p
