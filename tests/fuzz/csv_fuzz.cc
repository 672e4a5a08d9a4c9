// What ParseCsv reads is the same after quoting it again; an import of anything ends with counts or
// with findings that name lines, and never takes half of a file.
#include <string>

#include "absl/strings/match.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/crypto/os_random.h"
#include "control-server/admin/csv.h"
#include "control-server/admin/store_access.h"
#include "control-server/admin/user_csv.h"
#include "control-server/store/memory_store.h"

namespace p2p::server {
namespace {

void QuotedAgainItIsTheSame(absl::string_view in) {
  const auto records = ParseCsv(in);
  if (!records.ok()) {
    P2P_CHECK(absl::StartsWith(records.status().message(), "line "));
    return;
  }
  for (const CsvRecord& record : *records) {
    std::string again;
    for (const std::string& cell : record.cells) {
      if (!again.empty()) again += ',';
      again += QuoteCsvCell(cell);
    }
    const auto parsed = ParseCsv(again);
    P2P_CHECK(parsed.ok() && parsed->size() == 1);
    P2P_CHECK(parsed->front().cells.size() == record.cells.size());
    for (size_t i = 0; i < record.cells.size(); ++i) {
      const std::string& cell = parsed->front().cells[i];
      // Only a cell that already looked guarded can lose one more quote.
      P2P_CHECK(cell == record.cells[i] || StripFormulaGuard(cell) == record.cells[i]);
    }
  }
}

void ImportedWholeOrNotAtAll(absl::string_view in) {
  static const SystemClock clock;
  static crypto::OsRandom random;
  MemoryStore store;
  DirectStore access(store);
  // Cancelled before the first password would be hashed: that costs 16 ms.
  const bool hashed = absl::StrContains(in.substr(0, in.find('\n')), "phc_hash");
  const auto counts = ImportUsers(access, in, random, clock.Wall(), [&] { return !hashed; });
  const auto accounts = store.ListAccounts();
  P2P_CHECK(accounts.ok());
  P2P_CHECK(accounts->size() == (counts.ok() ? counts->created : 0));
  if (!counts.ok() || counts->created == 0) return;
  const auto exported = ExportUsers(access);
  P2P_CHECK(exported.ok());
  const auto again = ImportUsers(access, *exported, random, clock.Wall());
  P2P_CHECK(again.ok() && again->created == 0 && again->unchanged == accounts->size());
}

}  // namespace
}  // namespace p2p::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view in(reinterpret_cast<const char*>(data), size);
  p2p::server::QuotedAgainItIsTheSame(in);
  p2p::server::ImportedWholeOrNotAtAll(in);
  return 0;
}
