// CSV as RFC 4180 says, and a little more: LF or CRLF, a byte order mark is skipped, blank lines
// too. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace p2p::server {

struct CsvRecord {
  size_t line = 0;  // On which it starts, from 1.
  std::vector<std::string> cells;
};

// InvalidArgument with the line for a quote that is not closed, or that stands inside of or is
// followed by other text.
absl::StatusOr<std::vector<CsvRecord>> ParseCsv(absl::string_view text);

// The cell in quotes. A spreadsheet takes a cell that starts with = + - @ TAB or CR for a formula:
// it gets a ' in front.
std::string QuoteCsvCell(absl::string_view cell);
// Takes that ' away again.
absl::string_view StripFormulaGuard(absl::string_view cell);

}  // namespace p2p::server
