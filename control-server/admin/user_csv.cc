#include "control-server/admin/user_csv.h"

#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/crypto/password.h"
#include "control-server/admin/csv.h"
#include "control-server/domain/names.h"
#include "control-server/store/lookalikes.h"

namespace p2p::server {
namespace {

// More findings than these help nobody.
constexpr size_t kMaxFindings = 20;

struct Row {
  size_t line = 0;
  std::string username;
  std::string credential;  // Password or hash.
};

class CsvImport {
 public:
  CsvImport(StoreAccess& store, Random& random, WallTime now, absl::FunctionRef<bool()> cancelled)
      : store_(store), random_(random), now_(now), cancelled_(cancelled) {}

  absl::StatusOr<ImportCounts> Run(absl::string_view csv) {
    P2P_ASSIGN_OR_RETURN(const auto records, ParseCsv(csv));
    P2P_RETURN_IF_ERROR(ReadHeader(records));
    for (size_t i = 1; i < records.size(); ++i) ReadRow(records[i]);
    P2P_RETURN_IF_ERROR(Findings());  // Before anything costs a password hash.
    P2P_RETURN_IF_ERROR(LoadExisting());
    for (const Row& row : rows_) P2P_RETURN_IF_ERROR(Prepare(row));
    P2P_RETURN_IF_ERROR(Findings());
    P2P_RETURN_IF_ERROR(CreateAll());
    return ImportCounts{.created = fresh_.size(), .unchanged = rows_.size() - fresh_.size()};
  }

 private:
  void Find(size_t line, absl::string_view what) {
    ++found_;
    if (findings_.size() < kMaxFindings)
      findings_.push_back(absl::StrCat("line ", line, ": ", what));
  }
  absl::Status Findings() const {
    if (found_ == 0) return absl::OkStatus();
    std::string text = absl::StrJoin(findings_, "\n");
    if (found_ > findings_.size()) {
      absl::StrAppend(&text, "\nand ", found_ - findings_.size(), " more");
    }
    return absl::InvalidArgumentError(text);
  }

  absl::Status ReadHeader(const std::vector<CsvRecord>& records) {
    if (records.empty()) return absl::InvalidArgumentError("line 1: the file is empty");
    const auto& cells = records[0].cells;
    if (cells.size() == 2 && cells[0] == "username") {
      hashed_ = cells[1] == "phc_hash";
      if (hashed_ || cells[1] == "password") return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "line ", records[0].line, ": the header must be username,password or username,phc_hash"));
  }

  void ReadRow(const CsvRecord& record) {
    if (record.cells.size() != 2) {
      return Find(record.line, absl::StrCat("2 cells expected, not ", record.cells.size()));
    }
    // A password may start with whatever it likes; only exported cells carry a guard.
    Row row{
        .line = record.line,
        .username = std::string(hashed_ ? StripFormulaGuard(record.cells[0]) : record.cells[0]),
        .credential = std::string(hashed_ ? StripFormulaGuard(record.cells[1]) : record.cells[1])};
    if (const absl::Status name = CheckNewUsername(row.username); !name.ok()) {
      return Find(row.line, name.message());
    }
    const absl::Status credential =
        hashed_ ? crypto::CheckPhc(row.credential) : CheckNewPassword(row.credential);
    if (!credential.ok()) return Find(row.line, credential.message());
    const auto [first, fresh] = lines_.emplace(FoldUsername(row.username), row.line);
    if (!fresh) {
      return Find(row.line, absl::StrCat("username stands in line ", first->second, " already"));
    }
    rows_.push_back(std::move(row));
  }

  // At once, so that a large file does not ask the store for each of its lines.
  absl::Status LoadExisting() {
    return store_.Read([&](Store& store) -> absl::Status {
      P2P_ASSIGN_OR_RETURN(const auto accounts, store.ListAccounts());
      for (const Account& account : accounts) {
        existing_[FoldUsername(account.username)] = account.phc;
      }
      return absl::OkStatus();
    });
  }

  absl::Status CreateAll() {
    return store_.Change([&](Store& store) -> absl::Status {
      for (const Account& account : fresh_) {
        const absl::Status created = CreateAccountAnyway(store, account);
        if (absl::IsAlreadyExists(created)) {
          return absl::AbortedError(
              absl::StrCat("username ", account.username, " was taken meanwhile; import again"));
        }
        P2P_RETURN_IF_ERROR(created);
      }
      return absl::OkStatus();
    });
  }

  absl::Status Prepare(const Row& row) {
    if (cancelled_()) return absl::CancelledError("cancelled; nothing was imported");
    const auto existing = existing_.find(FoldUsername(row.username));
    if (existing == existing_.end()) {
      Account account;
      account.id = random_.NewId<UserId>();
      account.username = row.username;
      account.phc = hashed_ ? row.credential : crypto::HashPassword(row.credential, random_);
      account.created_at = now_;
      fresh_.push_back(std::move(account));
      return absl::OkStatus();
    }
    const bool same = hashed_ ? existing->second == row.credential
                              : crypto::VerifyPassword(row.credential, existing->second);
    if (!same) Find(row.line, "username exists with another password");
    return absl::OkStatus();
  }

  StoreAccess& store_;
  Random& random_;
  const WallTime now_;
  const absl::FunctionRef<bool()> cancelled_;
  bool hashed_ = false;
  std::vector<Row> rows_;
  std::map<std::string, size_t> lines_;          // Folded name to line.
  std::map<std::string, std::string> existing_;  // Folded name to hash.
  std::vector<Account> fresh_;
  std::vector<std::string> findings_;
  size_t found_ = 0;
};

}  // namespace

absl::StatusOr<ImportCounts> ImportUsers(StoreAccess& store, absl::string_view csv, Random& random,
                                         WallTime now, absl::FunctionRef<bool()> cancelled) {
  return CsvImport(store, random, now, cancelled).Run(csv);
}

absl::StatusOr<std::string> ExportUsers(StoreAccess& access) {
  std::vector<Account> accounts;
  P2P_RETURN_IF_ERROR(access.Read([&](Store& store) -> absl::Status {
    P2P_ASSIGN_OR_RETURN(accounts, store.ListAccounts());
    return absl::OkStatus();
  }));
  std::string out = absl::StrCat(QuoteCsvCell("username"), ",", QuoteCsvCell("phc_hash"), "\r\n");
  for (const Account& account : accounts) {
    absl::StrAppend(&out, QuoteCsvCell(account.username), ",", QuoteCsvCell(account.phc), "\r\n");
  }
  return out;
}

}  // namespace p2p::server
