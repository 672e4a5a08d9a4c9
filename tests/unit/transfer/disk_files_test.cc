// What is written through a Download, next to files that must stay as they are.
#include "peer-client/transfer/disk_files.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "peer-client/transfer/file_name.h"
#include "tests/unit/transfer/scratch.h"

namespace p2p::client {
namespace {

namespace fs = std::filesystem;

// Everything below a folder: kind, target or content, by path.
std::map<std::string, std::string> Snapshot(const std::string& root) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    std::stringstream text;
    if (entry.is_symlink()) {
      text << "-> " << fs::read_symlink(entry.path()).string();
    } else if (entry.is_regular_file()) {
      text << std::ifstream(entry.path()).rdbuf();
    } else {
      text << "(folder)";
    }
    out[entry.path()] = text.str();
  }
  return out;
}

// Ways out of a folder, over a file, into a link, into a device, and what only looks like a name.
std::set<std::string> HostileNames() {
  std::set<std::string> out;
  const std::vector<std::string> targets = {
      "canary",  "passwd",  "authorized_keys", ".bashrc", "mine.txt", "link",  "folder", "CON",
      "aux.txt", "lpt9.gz", "mine.txt\n",      "-rf",     "~",        "$HOME", "`id`",   "a:b"};
  const std::vector<std::string> ways = {
      "",          "/",           "../",         "../../",       "..\\",         "..\\../",
      "./",        "//",          "C:\\",        "\\\\host\\c$", "folder/",      "folder/../../",
      "link/",     "link/../",    "/proc/self/", "/etc/",        "\x1b]0;x\x07", "\u202e",
      "\u200b../", "..\u2215../", "%2e%2e%2f",   "..%5c",        "\r",           "a/\u202e../"};
  for (const auto& way : ways) {
    for (const auto& target : targets) out.insert(way + target);
  }
  out.insert(std::string("nul\0byte", 8));
  out.insert(std::string("../\0/canary", 11));
  out.insert(std::string(5000, '.') + "/canary");
  out.insert(std::string(5000, 'x'));
  out.insert("\xff\xfe/../canary");
  return out;
}

TEST(DownloadTest, HostileNamesWriteNothingOutsideAndOverwriteNothing) {
  const Scratch scratch;
  const std::string folder = scratch / "home/downloads";
  fs::create_directories(folder + "/folder");
  for (const char* canary :
       {"canary", "passwd", "home/canary", "home/passwd", "home/.bashrc", "home/authorized_keys",
        "home/mine.txt", "home/downloads/mine.txt", "home/downloads/folder/canary"}) {
    std::ofstream(scratch / canary) << "mine: " << canary;
  }
  fs::create_symlink(scratch / "canary", folder + "/link");
  const std::set<std::string> names = HostileNames();
  // Every name that can come of one is taken already.
  for (const auto& offered : names) {
    const auto name = SafeFileName(offered);
    if (name && !fs::exists(fs::symlink_status(folder + "/" + *name))) {
      std::ofstream(folder + "/" + *name) << "mine";
    }
  }
  const auto before = Snapshot(scratch.path());
  std::set<std::string> written;
  int number = 0;
  for (const auto& offered : names) {
    const auto name = SafeFileName(offered);
    if (!name) continue;
    const std::string content = absl::StrCat("content ", number);
    auto download = Download::Open(folder, absl::StrCat("id", number++), content.size());
    ASSERT_TRUE(download.ok()) << download.status();
    ASSERT_TRUE((*download)->Append(AsBytes(content)).ok());
    const auto path = (*download)->Finish(*name);
    EXPECT_TRUE(path.ok()) << path.status() << " for " << offered;
    if (!path.ok()) continue;
    EXPECT_EQ(fs::path(*path).parent_path(), folder);
    EXPECT_EQ(fs::canonical(*path), fs::canonical(folder) / fs::path(*path).filename());
    EXPECT_TRUE(written.insert(*path).second) << *path << " came twice";
    EXPECT_EQ(Snapshot(folder).at(*path), content);
  }
  EXPECT_GE(written.size(), 200u) << "of " << names.size() << " names";
  auto after = Snapshot(scratch.path());
  for (const auto& path : written) EXPECT_EQ(after.erase(path), 1u) << path;
  EXPECT_EQ(after, before);
  ::testing::Test::RecordProperty("hostile_names_written", static_cast<int>(written.size()));
}

// Whoever forgets SafeFileName.
TEST(DownloadTest, ANameThatIsAPathIsRefused) {
  const Scratch scratch;
  const std::string folder = scratch / "downloads";
  for (const char* name : {"../canary", "/nowhere/x", "a/b", "..", ".", ""}) {
    auto download = Download::Open(folder, "id", 0);
    ASSERT_TRUE(download.ok()) << download.status();
    EXPECT_EQ((*download)->Finish(name).status().code(), absl::StatusCode::kInvalidArgument)
        << name;
    (*download)->Discard();
  }
  EXPECT_EQ(Snapshot(scratch.path()).size(), 1u) << "the folder alone";
}

}  // namespace
}  // namespace p2p::client
