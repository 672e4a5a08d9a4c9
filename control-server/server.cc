#include "control-server/server.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/net/file.h"
#include "common/relay/relay_token.h"
#include "control-server/admission/capacity.h"
#include "control-server/domain/resume.h"
#include "control-server/in_process_relay.h"
#include "control-server/linked_relay.h"
#include "control-server/service/session_loader.h"

namespace p2p::server {

namespace {

constexpr Duration kDropResumesEvery = 10min;

ServerProfile MakeProfile(const ServerOptions& options, const ServerIdentity& identity) {
  return {.name = options.name,
          .greeting = options.greeting,
          .signup_open = options.signup_open,
          .allow_lookalikes = options.allow_lookalikes,
          .introducer_key = identity.introducer.public_key(),
          .broadcast_key = identity.broadcaster.public_key(),
          .key_digest = identity.key_digest};
}

// In this process, or ready for one that links itself.
absl::StatusOr<std::unique_ptr<RelayHost>> StartRelay(const ServerOptions& options,
                                                      const Clock& clock, asio::io_context& hub,
                                                      ConnectionControl& connections) {
  if (options.relay_token_file.empty()) {
    return InProcessRelay::Start(options.relay_listen, options.relay, options.timing, clock, hub);
  }
  const auto content = net::ReadSecretFile(options.relay_token_file, relay::kMaxTokenText);
  if (!content.ok()) return absl::InvalidArgumentError(content.status().message());
  const auto token = relay::ParseRelayToken(content->view());
  if (!token.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.relay_token_file, ": ", token.status().message()));
  }
  return std::make_unique<LinkedRelay>(hub, connections, *token, clock, options.timing);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const Clock& clock, StoreQueue::Fatal fatal) {
  P2P_ASSIGN_OR_RETURN(const uint64_t descriptors, RaiseDescriptorLimit());
  P2P_ASSIGN_OR_RETURN(const uint32_t cap, ConnectionCap(descriptors, options.max_connections));
  P2P_ASSIGN_OR_RETURN(auto directory, DataDirectory::Open(options.data_dir));
  P2P_ASSIGN_OR_RETURN(auto identity, LoadOrMakeIdentity({.data_dir = directory.path(),
                                                          .tls_cert = options.tls_cert,
                                                          .tls_key = options.tls_key,
                                                          .tls_names = options.tls_names},
                                                         clock));
  P2P_ASSIGN_OR_RETURN(auto front, GrpcFront::Create({.listen = options.listen,
                                                      .certificate = identity.certificate,
                                                      .max_connections = cap,
                                                      .timing = options.timing,
                                                      .reflection = options.reflection},
                                                     clock));
  auto hub_thread = std::make_unique<HubThread>();
  P2P_ASSIGN_OR_RETURN(auto relay,
                       StartRelay(options, clock, hub_thread->io(), front->connections()));
  P2P_ASSIGN_OR_RETURN(auto store, SqliteStore::Open(directory.database()));
  P2P_ASSIGN_OR_RETURN(auto sessions, LoadSessions(*store, clock.Wall()));
  auto server = absl::WrapUnique(new Server(options, clock, std::move(fatal), std::move(directory),
                                            std::move(identity), std::move(store), std::move(front),
                                            std::move(hub_thread), std::move(relay), cap));
  for (CallerPtr& session : sessions) server->sessions_.Add(std::move(session));
  P2P_RETURN_IF_ERROR(server->Serve());
  return server;
}

Server::Server(const ServerOptions& options, const Clock& clock, StoreQueue::Fatal fatal,
               DataDirectory directory, ServerIdentity identity, std::unique_ptr<SqliteStore> store,
               std::unique_ptr<GrpcFront> front, std::unique_ptr<HubThread> hub_thread,
               std::unique_ptr<RelayHost> relay, uint32_t max_connections)
    : options_(options),
      clock_(clock),
      directory_(std::move(directory)),
      identity_(std::move(identity)),
      profile_(MakeProfile(options_, identity_)),
      max_connections_(max_connections),
      rates_(options_.rates, clock),
      store_(std::move(store)),
      store_queue_(*store_, std::move(fatal)),
      sessions_(clock),
      first_use_(sessions_, store_queue_),
      hashes_(clock, {.threads = HashPool::DefaultThreads()}),
      front_(std::move(front)),
      authenticator_(sessions_, front_->connections(), &rates_),
      hub_thread_(std::move(hub_thread)),
      relay_(std::move(relay)),
      hub_({.io = hub_thread_->io(),
            .timing = options_.timing,
            .clock = clock_,
            .random = random_,
            .introducer = identity_.introducer,
            .sessions = sessions_,
            .store = store_queue_,
            .connections = front_->connections(),
            .relay = relay_->port(),
            .find_relay = [this] { return relay_->endpoint(); }}),
      inbound_(clock_, random_),
      broadcast_desk_(hub_thread_->io(), store_queue_, relay_->port(), identity_.broadcaster,
                      clock_, random_, options_.timing),
      broadcast_purger_(hub_thread_->io(), store_queue_, clock_, options_.timing),
      account_context_{.clock = clock_,
                       .random = random_,
                       .sessions = sessions_,
                       .store = store_queue_,
                       .hashes = hashes_,
                       .rates = rates_,
                       .connections = front_->connections(),
                       .penalties = hub_,
                       .ender = hub_,
                       .profile = profile_,
                       .timing = options_.timing},
      account_service_(account_context_, authenticator_),
      directory_service_(hub_, authenticator_),
      peering_service_(authenticator_, hub_, inbound_, clock_, options_.timing),
      broadcast_service_(authenticator_, broadcast_desk_, store_queue_, clock_, options_.timing),
      store_access_(store_queue_),
      running_(sessions_, hub_, broadcast_desk_, front_->connections(), max_connections_),
      admin_service_({.store = store_access_,
                      .live = running_,
                      .clock = clock_,
                      .random = random_,
                      .timing = options_.timing}) {
  authenticator_.SetFirstUse(&first_use_);
  hub_.SetListener(&broadcast_desk_);
  relay_->events().SetFeedSessions([this] { hub_.OnRelayRestarted(); });
  relay_->events().AddListener(broadcast_desk_);
}

Server::~Server() { Shutdown(); }

absl::Status Server::Serve() {
  P2P_RETURN_IF_ERROR(hub_.Load());
  P2P_RETURN_IF_ERROR(broadcast_desk_.Restore());
  broadcast_purger_.Start();
  hub_thread_->Start();
  // One service a line; all of them are members above.
  std::vector<grpc::Service*> services = {
      &account_service_,
      &directory_service_,
      &peering_service_,
      &broadcast_service_,
  };
  if (!options_.admin_socket.empty()) {
    P2P_ASSIGN_OR_RETURN(admin_socket_, AdminSocket::Open(options_.admin_socket, admin_service_));
  }
  if (grpc::Service* const link = relay_->service()) services.push_back(link);
  return front_->Start(services);
}

std::string Server::ReadyLine() const {
  return absl::StrCat("ready control=", address().ToString(), " relay=", relay_->Describe(),
                      " http=none max=", max_connections_, " fingerprint=", identity_.fingerprint);
}

void Server::Housekeep() {
  relay_->Housekeep();
  for (const TokenRecord& token : sessions_.RemoveExpired()) {
    hub_.RevokeSession(SessionOf(token));
    store_queue_.Submit([hash = token.hash](Store& store) { return store.DeleteToken(hash); },
                        [](const absl::Status&) {});  // Expired either way; asked again next start.
  }
  DropOldResumes();
}

// Each is looked at when it is presented; this only keeps the table from growing.
void Server::DropOldResumes() {
  const MonoTime now = clock_.Mono();
  if (resumes_dropped_at_ && now - *resumes_dropped_at_ < kDropResumesEvery) return;
  resumes_dropped_at_ = now;
  const WallTime wall = clock_.Wall();
  const WallTime renewed = OldestRenewal(wall);
  const WallTime started = OldestStart(wall);
  store_queue_.Submit(
      [renewed, started](Store& store) { return store.DropResumesBefore(renewed, started); },
      [](const absl::Status&) {});  // Tried again in time.
}

void Server::Shutdown() {
  if (std::exchange(stopped_, true)) return;
  if (admin_socket_ != nullptr) admin_socket_->Shutdown(options_.timing.shutdown);
  // Calls that wait for a hash or a dial end at once, so that the front has nothing to wait for.
  hashes_.Stop();
  inbound_.Stop();
  hub_.Shutdown();  // Clients hear why their channel ends.
  relay_->Stop();
  front_->Shutdown();
  hub_thread_->Call([this] {
    broadcast_purger_.Stop();
    broadcast_desk_.Stop();  // Hands what it knows of deliveries to the store.
  });
  store_queue_.Stop();
  hub_thread_->Stop();
}

}  // namespace p2p::server
