// ledger-check FILE: prints what is wrong with the deliveries recorded in FILE. Exit 0: nothing, 1:
// something, 2: the file cannot be read.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/tools/ledger_checker.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: ledger-check FILE\n");
    return 2;
  }
  std::ifstream in(argv[1]);
  const std::string json((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const auto ledger = p2p::testing::ParseLedger(json);
  if (!in.good() && json.empty()) {
    std::fprintf(stderr, "ledger-check: cannot read %s\n", argv[1]);
    return 2;
  }
  if (!ledger.ok()) {
    std::fprintf(stderr, "ledger-check: %s\n", ledger.status().ToString().c_str());
    return 2;
  }
  const auto findings = p2p::testing::CheckLedger(*ledger);
  for (const auto& finding : findings) std::printf("%s\n", finding.c_str());
  std::printf("ledger: %zu broadcasts, %zu clients, %zu findings\n", ledger->broadcasts.size(),
              ledger->clients.size(), findings.size());
  return findings.empty() ? 0 : 1;
}
