#include "control-server/admin/operator_commands.h"

#include <chrono>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "common/net/file.h"
#include "control-server/admin/admin_output.h"
#include "control-server/admin/password_input.h"
#include "control-server/domain/names.h"
#include "grpcpp/client_context.h"
#include "nlohmann/json.hpp"

namespace p2p::server {
namespace {

constexpr size_t kMaxImportFile = 64 << 20;
// A password takes 16 ms to hash: this is for a file of more than 200,000.
constexpr auto kPatience = std::chrono::hours(1);

// One call; the answer, or why there is none.
template <class Request, class Response>
absl::StatusOr<Response> Call(ConnectAdmin connect,
                              grpc::Status (v1::AdminService::StubInterface::*method)(
                                  grpc::ClientContext*, const Request&, Response*),
                              const Request& request) {
  P2P_ASSIGN_OR_RETURN(auto* stub, connect());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  Response response;
  const grpc::Status status = (stub->*method)(&context, request, &response);
  if (status.ok()) return response;
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

class Runner {
 public:
  using Stub = v1::AdminService::StubInterface;
  Runner(const OperatorLine& line, ConnectAdmin connect) : line_(line), connect_(connect) {}

  absl::StatusOr<std::string> User(const CLI::App& user) {
    if (user.got_subcommand("add")) return AddUser();
    if (user.got_subcommand("passwd")) return SetPassword();
    if (user.got_subcommand("disable")) return DisableUser();
    if (user.got_subcommand("delete")) return DeleteUser();
    if (user.got_subcommand("import")) return Import();
    if (user.got_subcommand("export")) return Export();
    return List(&Stub::ListUsers, v1::ListUsersRequest());
  }

  absl::StatusOr<std::string> Session(const CLI::App& session) {
    if (session.got_subcommand("list")) {
      return List(&Stub::ListSessions, v1::ListSessionsRequest());
    }
    v1::KickSessionsRequest request;
    request.set_username(line_.name);
    P2P_ASSIGN_OR_RETURN(const auto kicked, Call(connect_, &Stub::KickSessions, request));
    if (json()) return Json({{"kicked", line_.name}, {"ended", kicked.ended()}});
    return absl::StrCat("ended ", kicked.ended(), " of ", Safe(line_.name), "\n");
  }

  absl::StatusOr<std::string> Penalty(const CLI::App& penalty) {
    if (penalty.got_subcommand("list")) {
      return List(&Stub::ListPenalties, v1::ListPenaltiesRequest());
    }
    v1::LiftPenaltyRequest request;
    request.set_username(line_.name);
    P2P_RETURN_IF_ERROR(Call(connect_, &Stub::LiftPenalty, request).status());
    if (json()) return Json({{"lifted", line_.name}});
    return absl::StrCat("lifted ", Safe(line_.name), "\n");
  }

  absl::StatusOr<std::string> Broadcast(const CLI::App& broadcast) {
    if (broadcast.got_subcommand("list")) {
      return List(&Stub::ListAllBroadcasts, v1::ListBroadcastsRequest());
    }
    if (broadcast.got_subcommand("revoke")) {
      v1::RevokeBroadcastRequest request;
      request.set_broadcast_id(line_.name);
      return List(&Stub::RevokeAnyBroadcast, request);
    }
    v1::GetBroadcastRequest request;
    request.set_broadcast_id(line_.name);
    return List(&Stub::GetAnyBroadcast, request);
  }

 private:
  bool json() const { return line_.output == "json"; }
  OutputFormat format() const { return json() ? OutputFormat::kJson : OutputFormat::kText; }
  static std::string Safe(const std::string& text) {
    return RenderUntrusted(text, TextKind::kLine);
  }
  static std::string Json(const nlohmann::json& json) {
    return json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
  }

  template <class Request, class Response>
  absl::StatusOr<std::string> List(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                                   const Request& request) {
    P2P_ASSIGN_OR_RETURN(const Response response, Call(connect_, method, request));
    return Format(response, format());
  }

  template <class Request>
  absl::StatusOr<std::string> Change(const char* done,
                                     grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                  const Request&, v1::AdminUser*),
                                     const Request& request) {
    P2P_ASSIGN_OR_RETURN(const v1::AdminUser user, Call(connect_, method, request));
    return FormatDone(done, user, format());
  }

  absl::StatusOr<std::string> AddUser() {
    P2P_RETURN_IF_ERROR(CheckNewUsername(line_.name));  // Before a person types a password twice.
    P2P_ASSIGN_OR_RETURN(const SecretText password, ReadNewPassword(line_.password_file));
    v1::AddUserRequest request;
    request.set_username(line_.name);
    request.set_password(std::string(password.view()));
    request.set_admin(line_.admin);
    return Change("added", &Stub::AddUser, request);
  }

  absl::StatusOr<std::string> SetPassword() {
    P2P_ASSIGN_OR_RETURN(const SecretText password, ReadNewPassword(line_.password_file));
    v1::SetPasswordRequest request;
    request.set_username(line_.name);
    request.set_password(std::string(password.view()));
    return Change("changed", &Stub::SetPassword, request);
  }

  absl::StatusOr<std::string> DisableUser() {
    v1::DisableUserRequest request;
    request.set_username(line_.name);
    request.set_disabled(!line_.enable);
    return Change(line_.enable ? "enabled" : "disabled", &Stub::DisableUser, request);
  }

  absl::StatusOr<std::string> DeleteUser() {
    v1::DeleteUserRequest request;
    request.set_username(line_.name);
    return Change("deleted", &Stub::DeleteUser, request);
  }

  absl::StatusOr<std::string> Import() {
    v1::ImportUsersRequest request;
    P2P_ASSIGN_OR_RETURN(*request.mutable_csv(), ReadInput(line_.file, kMaxImportFile));
    P2P_ASSIGN_OR_RETURN(const auto counts, Call(connect_, &Stub::ImportUsers, request));
    if (json()) return Json({{"created", counts.created()}, {"unchanged", counts.unchanged()}});
    return absl::StrCat(counts.created(), " created, ", counts.unchanged(), " unchanged\n");
  }

  absl::StatusOr<std::string> Export() {
    P2P_ASSIGN_OR_RETURN(const auto users,
                         Call(connect_, &Stub::ExportUsers, v1::ExportUsersRequest()));
    if (line_.file == "-") return users.csv();
    // Mode 0600: it holds hashes.
    P2P_RETURN_IF_ERROR(net::WriteFileAtomically(line_.file, users.csv()));
    return std::string();
  }

  const OperatorLine& line_;
  const ConnectAdmin connect_;
};

CLI::App* AddGroup(CLI::App& app, const char* name, const char* help) {
  auto* group = app.add_subcommand(name, help);
  group->require_subcommand(1);
  group->fallthrough();
  return group;
}

// A command of a group, with -o.
CLI::App* AddCommand(CLI::App* group, const char* name, const char* help, OperatorLine& line) {
  auto* command = group->add_subcommand(name, help);
  command->add_option("-o,--output", line.output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  command->fallthrough();
  return command;
}

void AddName(CLI::App* command, const char* what, OperatorLine& line) {
  command->add_option(what, line.name)->required();
}

void AddPasswordFile(CLI::App* command, OperatorLine& line) {
  command->add_option("--password-file", line.password_file,
                      "file whose first line is the password; - is standard input");
}

CLI::App* AddUserCommands(CLI::App& app, OperatorLine& line) {
  auto* user = AddGroup(app, "user", "accounts");
  auto* add = AddCommand(user, "add", "create an account", line);
  AddName(add, "username", line);
  AddPasswordFile(add, line);
  add->add_flag("--admin", line.admin, "may see all broadcasts");
  AddCommand(user, "list", "all accounts by name", line);
  auto* passwd = AddCommand(user, "passwd", "set another password, end the sessions", line);
  AddName(passwd, "username", line);
  AddPasswordFile(passwd, line);
  auto* disable = AddCommand(user, "disable", "no log-in any more, end the sessions", line);
  AddName(disable, "username", line);
  disable->add_flag("--enable", line.enable, "the opposite: may log in again");
  AddName(AddCommand(user, "delete", "remove the account and all that belongs to it", line),
          "username", line);
  auto* import = AddCommand(user, "import", "create accounts from CSV, all or none", line);
  import->add_option(
      "file", line.file,
      "CSV with the header username,password or username,phc_hash; - is standard input");
  auto* export_command = user->add_subcommand("export", "write all accounts as CSV");
  export_command->add_option("file", line.file, "- is standard output");
  export_command->fallthrough();
  return user;
}

}  // namespace

OperatorCommands AddOperatorCommands(CLI::App& app, OperatorLine& line) {
  OperatorCommands commands;
  commands.user = AddUserCommands(app, line);
  commands.session = AddGroup(app, "session", "who is logged in");
  AddCommand(commands.session, "list", "all sessions, attached or not", line);
  AddName(AddCommand(commands.session, "kick", "end all sessions of an account", line), "username",
          line);
  commands.penalty = AddGroup(app, "penalty", "penalties for invalid peer requests");
  AddCommand(commands.penalty, "list", "those that still count", line);
  AddName(AddCommand(commands.penalty, "lift", "forgive an account everything", line), "username",
          line);
  commands.broadcast = AddGroup(app, "broadcast", "announcements of the last 24 hours");
  AddCommand(commands.broadcast, "list", "newest first, without their texts", line);
  AddName(AddCommand(commands.broadcast, "status", "who got it, and how", line), "id", line);
  AddName(
      AddCommand(commands.broadcast, "revoke", "take it back: who has not got it will not", line),
      "id", line);
  return commands;
}

absl::StatusOr<std::string> RunOperatorCommand(const OperatorCommands& commands,
                                               const OperatorLine& line, ConnectAdmin connect) {
  Runner runner(line, connect);
  if (commands.user->parsed()) return runner.User(*commands.user);
  if (commands.session->parsed()) return runner.Session(*commands.session);
  if (commands.penalty->parsed()) return runner.Penalty(*commands.penalty);
  return runner.Broadcast(*commands.broadcast);
}

}  // namespace p2p::server
