// The whole server in one process: what it is made of, in the order in which the parts depend on
// each other. Reads like a parts list; the parts do the work.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/crypto/os_random.h"
#include "control-server/admin/admin_service.h"
#include "control-server/admin/admin_socket.h"
#include "control-server/grpc_front.h"
#include "control-server/relay_host.h"
#include "control-server/running_server.h"
#include "control-server/server_identity.h"
#include "control-server/server_options.h"
#include "control-server/service/account_service.h"
#include "control-server/service/broadcast_purger.h"
#include "control-server/service/broadcast_service.h"
#include "control-server/service/directory_service.h"
#include "control-server/service/hub_thread.h"
#include "control-server/service/peering_service.h"
#include "control-server/store/data_directory.h"
#include "control-server/store/sqlite_store.h"
#include "control-server/store/store_queue.h"

namespace p2p::server {

class Server {
 public:
  // Opens the data directory, binds the addresses, loads the sessions, serves. AlreadyExists: the
  // directory or an address is taken; InvalidArgument: an option cannot work. `clock` outlives the
  // server. `fatal` is called once, on the store's thread, when the store failed for good: the
  // process must end without touching it again.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const Clock& clock, StoreQueue::Fatal fatal);
  ~Server();  // Shuts down.

  // `ready control=… relay=… http=… max=… fingerprint=…`, without a newline.
  std::string ReadyLine() const;
  const net::SocketAddress& address() const { return front_->address(); }
  const ServerIdentity& identity() const { return identity_; }
  ConnectionRegistry& connections() { return front_->connections(); }

  // Forgets sessions whose time is over. Call every few seconds, from one thread.
  void Housekeep();
  // Ends every call and thread, at most about 2 s. Idempotent; not from a thread of the server.
  void Shutdown();

 private:
  Server(const ServerOptions& options, const Clock& clock, StoreQueue::Fatal fatal,
         DataDirectory directory, ServerIdentity identity, std::unique_ptr<SqliteStore> store,
         std::unique_ptr<GrpcFront> front, std::unique_ptr<HubThread> hub_thread,
         std::unique_ptr<RelayHost> relay, uint32_t max_connections);
  absl::Status Serve();
  void DropOldResumes();

  const ServerOptions options_;
  const Clock& clock_;
  crypto::OsRandom random_;
  const DataDirectory directory_;
  const ServerIdentity identity_;
  const ServerProfile profile_;
  const uint32_t max_connections_;
  RateGate rates_;  // Outlives every log-in, and so both pools.
  std::unique_ptr<SqliteStore> store_;
  StoreQueue store_queue_;
  SessionTable sessions_;
  FirstUse first_use_;
  HashPool hashes_;
  std::unique_ptr<GrpcFront> front_;
  Authenticator authenticator_;
  std::unique_ptr<HubThread> hub_thread_;
  std::unique_ptr<RelayHost> relay_;
  Hub hub_;
  InboundDesk inbound_;
  BroadcastDesk broadcast_desk_;
  BroadcastPurger broadcast_purger_;
  AccountContext account_context_;
  AccountService account_service_;
  DirectoryService directory_service_;
  PeeringService peering_service_;
  BroadcastService broadcast_service_;
  QueuedStore store_access_;
  RunningServer running_;
  AdminService admin_service_;
  std::unique_ptr<AdminSocket> admin_socket_;  // Null: none.
  std::optional<MonoTime> resumes_dropped_at_;
  bool stopped_ = false;
};

}  // namespace p2p::server
