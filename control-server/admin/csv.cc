#include "control-server/admin/csv.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"

namespace p2p::server {
namespace {

bool LooksLikeFormula(absl::string_view cell) {
  constexpr absl::string_view kStarts("=+-@\t\r");
  return !cell.empty() && kStarts.find(cell.front()) != absl::string_view::npos;
}

class Parser {
 public:
  explicit Parser(absl::string_view text) : in_(text) {}

  absl::StatusOr<std::vector<CsvRecord>> Run() {
    while (!in_.empty()) {
      CsvRecord record{.line = line_, .cells = {}};
      P2P_RETURN_IF_ERROR(ReadRecord(record.cells));
      const bool blank = record.cells.size() == 1 && record.cells[0].empty();
      if (!blank) out_.push_back(std::move(record));
    }
    return std::move(out_);
  }

 private:
  absl::Status Error(size_t line, absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
  }

  absl::Status ReadRecord(std::vector<std::string>& cells) {
    while (true) {
      std::string& cell = cells.emplace_back();
      P2P_RETURN_IF_ERROR(absl::ConsumePrefix(&in_, "\"") ? ReadQuoted(cell) : ReadPlain(cell));
      if (absl::ConsumePrefix(&in_, ",")) continue;
      if (EndLine() || in_.empty()) return absl::OkStatus();
      return Error(line_, "text after a closing quote");
    }
  }

  bool EndLine() {
    if (!absl::ConsumePrefix(&in_, "\r\n") && !absl::ConsumePrefix(&in_, "\n")) return false;
    ++line_;
    return true;
  }

  absl::Status ReadPlain(std::string& cell) {
    size_t end = std::min(in_.find_first_of(",\n\""), in_.size());
    if (end < in_.size() && in_[end] == '"') return Error(line_, "a quote inside an unquoted cell");
    // The CR of a CRLF belongs to the line's end.
    if (end < in_.size() && in_[end] == '\n' && end > 0 && in_[end - 1] == '\r') --end;
    cell = std::string(in_.substr(0, end));
    in_.remove_prefix(end);
    return absl::OkStatus();
  }

  absl::Status ReadQuoted(std::string& cell) {
    const size_t start = line_;
    while (!in_.empty()) {
      const char c = in_.front();
      in_.remove_prefix(1);
      if (c == '"' && !absl::ConsumePrefix(&in_, "\"")) return absl::OkStatus();
      if (c == '\n') ++line_;
      cell.push_back(c);
    }
    return Error(start, "a quote is not closed");
  }

  absl::string_view in_;
  size_t line_ = 1;
  std::vector<CsvRecord> out_;
};

}  // namespace

absl::StatusOr<std::vector<CsvRecord>> ParseCsv(absl::string_view text) {
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  return Parser(text).Run();
}

std::string QuoteCsvCell(absl::string_view cell) {
  std::string out = "\"";
  if (LooksLikeFormula(cell)) out += '\'';
  for (const char c : cell) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

absl::string_view StripFormulaGuard(absl::string_view cell) {
  if (!cell.empty() && cell.front() == '\'' && LooksLikeFormula(cell.substr(1))) {
    cell.remove_prefix(1);
  }
  return cell;
}

}  // namespace p2p::server
