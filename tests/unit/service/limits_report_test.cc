#include "control-server/limits_report.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace p2p::server {
namespace {

using ::testing::HasSubstr;

constexpr MachineFacts kRoomy{.open_files = 20'000,
                              .memory_available = uint64_t{16} << 30,
                              .memory_from_cgroup = false,
                              .accept_queue = 4096,
                              .receive_buffer = 212'992,
                              .cores = 2};

uint64_t Value(const LimitsReport& report, const std::string& name) {
  for (const LimitLine& line : report.lines) {
    if (line.name == name) return line.value;
  }
  ADD_FAILURE() << "no line " << name;
  return 0;
}

TEST(LimitsReportTest, SaysWhatBindsFirst) {
  const auto bound_by = [](const ServerOptions& options, const MachineFacts& machine) {
    return MakeLimitsReport(options, machine)->bound_by;
  };
  EXPECT_THAT(bound_by({}, kRoomy), HasSubstr("default"));
  MachineFacts few_files = kRoomy;
  few_files.open_files = 1024;
  EXPECT_THAT(bound_by({}, few_files), HasSubstr("open files"));
  ServerOptions fifty;
  fifty.max_connections = 50;
  EXPECT_EQ(bound_by(fifty, kRoomy), "--max-connections");
  MachineFacts little_memory = kRoomy;
  little_memory.memory_available = uint64_t{512} << 20;
  EXPECT_THAT(bound_by({}, little_memory), HasSubstr("memory"));
}

TEST(LimitsReportTest, TheNumbersAreThoseOfTheServer) {
  MachineFacts few_files = kRoomy;
  few_files.open_files = 256;
  const auto report = MakeLimitsReport({}, few_files);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->connections, 160u);
  EXPECT_EQ(Value(*report, "kept_for_the_rest"), 96u);
  EXPECT_EQ(Value(*report, "not_logged_in"), 64u);
  EXPECT_EQ(Value(*report, "hash_threads"), 1u);
  EXPECT_EQ(Value(*report, "calls_per_second"), 20u);
  EXPECT_EQ(Value(*MakeLimitsReport({}, kRoomy), "not_logged_in"), 2500u);
}

TEST(LimitsReportTest, WhatTheServerWouldRefuseIsRefused) {
  ServerOptions options;
  options.max_connections = 20'000;
  EXPECT_TRUE(absl::IsInvalidArgument(MakeLimitsReport(options, kRoomy).status()));
}

TEST(LimitsReportTest, TextAndJsonSayTheSame) {
  const auto report = MakeLimitsReport({}, kRoomy);
  const std::string text = LimitsText(*report);
  EXPECT_THAT(text, testing::StartsWith("10000 clients at once; bound by "));
  const auto json = nlohmann::json::parse(LimitsJson(*report));
  EXPECT_EQ(json["connections"], 10'000);
  ASSERT_EQ(json["limits"].size(), report->lines.size());
  for (const auto& line : json["limits"]) {
    EXPECT_THAT(text, HasSubstr(line["name"].get<std::string>()));
  }
}

TEST(LimitsReportTest, ThisMachineCanBeRead) {
  const auto machine = ReadMachine();
  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_GT(machine->open_files, 0u);
  EXPECT_GT(machine->memory_available, 0u);
  EXPECT_GE(machine->cores, 1u);
}

}  // namespace
}  // namespace p2p::server
