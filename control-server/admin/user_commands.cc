#include "control-server/admin/user_commands.h"

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/crypto/os_random.h"
#include "common/crypto/password.h"
#include "common/net/file.h"
#include "control-server/admin/password_input.h"
#include "control-server/admin/user_csv.h"
#include "control-server/domain/names.h"
#include "control-server/store/data_directory.h"
#include "control-server/store/sqlite_store.h"
#include "nlohmann/json.hpp"

namespace p2p::server {
namespace {

constexpr size_t kMaxImportFile = 64 << 20;

absl::StatusOr<std::string> Add(Store& store, const UserCommandLine& line) {
  P2P_RETURN_IF_ERROR(CheckNewUsername(line.name));
  P2P_ASSIGN_OR_RETURN(const SecretText password, ReadNewPassword(line.password_file));
  P2P_RETURN_IF_ERROR(CheckNewPassword(password.view()));
  crypto::OsRandom random;
  Account account;
  account.id = random.NewId<UserId>();
  account.username = line.name;
  account.phc = crypto::HashPassword(password.view(), random);
  account.created_at = SystemClock().Wall();
  account.admin = line.admin;
  const absl::Status created = store.CreateAccount(account);
  if (absl::IsAlreadyExists(created)) {
    return absl::AlreadyExistsError(absl::StrCat("username ", line.name, " is taken"));
  }
  P2P_RETURN_IF_ERROR(created);
  if (line.output == "json") {
    return nlohmann::json({{"added", line.name}, {"admin", line.admin}}).dump() + "\n";
  }
  return absl::StrCat("added ", line.name, line.admin ? " (admin)" : "", "\n");
}

absl::StatusOr<std::string> List(Store& store, const UserCommandLine& line) {
  P2P_ASSIGN_OR_RETURN(const auto accounts, store.ListAccounts());
  auto json = nlohmann::json::array();
  std::string text;
  for (const Account& account : accounts) {
    const std::string created = FormatRfc3339(account.created_at);
    json.push_back({{"username", account.username},
                    {"created_at", created},
                    {"admin", account.admin},
                    {"disabled", account.disabled}});
    text += absl::StrFormat("%-32s  %s%s%s\n", account.username, created,
                            account.admin ? "  admin" : "", account.disabled ? "  disabled" : "");
  }
  return line.output == "json" ? json.dump(2) + "\n" : text;
}

absl::StatusOr<std::string> Import(Store& store, const UserCommandLine& line) {
  P2P_ASSIGN_OR_RETURN(const std::string csv, ReadInput(line.file, kMaxImportFile));
  crypto::OsRandom random;
  P2P_ASSIGN_OR_RETURN(const ImportCounts counts,
                       ImportUsers(store, csv, random, SystemClock().Wall()));
  if (line.output == "json") {
    return nlohmann::json({{"created", counts.created}, {"unchanged", counts.unchanged}}).dump() +
           "\n";
  }
  return absl::StrCat(counts.created, " created, ", counts.unchanged, " unchanged\n");
}

absl::StatusOr<std::string> Export(Store& store, const UserCommandLine& line) {
  P2P_ASSIGN_OR_RETURN(std::string csv, ExportUsers(store));
  if (line.file == "-") return csv;
  P2P_RETURN_IF_ERROR(net::WriteFileAtomically(line.file, csv));  // Mode 0600: it holds hashes.
  return std::string();
}

void AddOutputOption(CLI::App* command, UserCommandLine& line) {
  command->add_option("-o,--output", line.output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
}

}  // namespace

CLI::App* AddUserCommands(CLI::App& app, UserCommandLine& line) {
  auto* user = app.add_subcommand("user", "accounts of a server that is not running");
  user->require_subcommand(1);
  user->fallthrough();
  auto* add = user->add_subcommand("add", "create an account");
  add->add_option("username", line.name)->required();
  add->add_option("--password-file", line.password_file,
                  "file whose first line is the password; - is standard input");
  add->add_flag("--admin", line.admin, "may see all broadcasts");
  AddOutputOption(add, line);
  AddOutputOption(user->add_subcommand("list", "all accounts by name"), line);
  auto* import = user->add_subcommand("import", "create accounts from CSV, all or none");
  import->add_option(
      "file", line.file,
      "CSV with the header username,password or username,phc_hash; - is standard input");
  AddOutputOption(import, line);
  auto* export_command = user->add_subcommand("export", "write all accounts as CSV");
  export_command->add_option("file", line.file, "- is standard output");
  for (CLI::App* command : user->get_subcommands({})) command->fallthrough();
  return user;
}

absl::StatusOr<std::string> RunUserCommand(const CLI::App& user, const UserCommandLine& line,
                                           const std::string& data_dir) {
  const auto directory = DataDirectory::Open(data_dir);
  if (absl::IsAlreadyExists(directory.status())) {
    return absl::AlreadyExistsError(
        absl::StrCat("a server is running on this data directory, stop it first: ",
                     directory.status().message()));
  }
  P2P_RETURN_IF_ERROR(directory.status());
  P2P_ASSIGN_OR_RETURN(const auto store, SqliteStore::Open(directory->database()));
  if (user.got_subcommand("add")) return Add(*store, line);
  if (user.got_subcommand("list")) return List(*store, line);
  if (user.got_subcommand("import")) return Import(*store, line);
  return Export(*store, line);
}

}  // namespace p2p::server
