#include "control-server/admin/admin_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server_posix.h"

namespace p2p::server {
namespace {

constexpr int kBacklog = 8;
constexpr int kMaxThreads = 8;  // Calls at once; one more gets RESOURCE_EXHAUSTED.
constexpr Duration kOutOfDescriptors = 100ms;

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // One byte stays for the terminating zero.
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--admin-socket: the path ", path, " has ", path.size(), " bytes, a socket's may have ",
        sizeof address.sun_path - 1, "; choose a shorter one, or none"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::StatusOr<net::UniqueFd> NewSocket() {
  net::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return net::ErrnoError("socket", errno);
  return fd;
}

// Makes room for a socket at `path`.
absl::Status RemoveStale(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : net::ErrnoError(path, errno);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(path, " is in the way and is no socket"));
  }
  if (ConnectUnix(path).ok()) {
    return absl::AlreadyExistsError(absl::StrCat("another server listens on ", path));
  }
  if (::unlink(path.c_str()) != 0) return net::ErrnoError(absl::StrCat("removing ", path), errno);
  return absl::OkStatus();
}

absl::StatusOr<net::UniqueFd> ListenOn(const std::string& path) {
  P2P_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  P2P_RETURN_IF_ERROR(RemoveStale(path));
  P2P_ASSIGN_OR_RETURN(auto listener, NewSocket());
  // The file gets the mode of the descriptor: it is private from its first moment on.
  if (::fchmod(listener.get(), 0600) != 0 ||
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(listener.get(), kBacklog) != 0) {
    return net::ErrnoError(absl::StrCat("admin socket ", path), errno);
  }
  return listener;
}

bool MayEnter(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

std::unique_ptr<grpc::Server> Serve(grpc::Service& service) {
  using Builder = grpc::ServerBuilder;
  Builder builder;
  builder.RegisterService(&service);
  builder.SetMaxReceiveMessageSize(-1);  // Root and ourselves: a CSV file of any size.
  builder.SetMaxSendMessageSize(-1);
  builder.SetSyncServerOption(Builder::NUM_CQS, 1);
  builder.SetSyncServerOption(Builder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(Builder::MAX_POLLERS, 2);
  grpc::ResourceQuota quota("admin");
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  return builder.BuildAndStart();
}

}  // namespace

absl::StatusOr<net::UniqueFd> ConnectUnix(const std::string& path) {
  P2P_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  P2P_ASSIGN_OR_RETURN(auto fd, NewSocket());
  // Connecting to a Unix socket never takes time: it works, or nobody listens.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return net::ErrnoError(path, errno);
  }
  return fd;
}

absl::StatusOr<std::unique_ptr<AdminSocket>> AdminSocket::Open(const std::string& path,
                                                               grpc::Service& service) {
  P2P_ASSIGN_OR_RETURN(auto listener, ListenOn(path));
  net::UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) return net::ErrnoError("eventfd", errno);
  auto server = Serve(service);
  if (server == nullptr) return absl::InternalError("gRPC refused to serve the admin socket");
  return absl::WrapUnique(
      new AdminSocket(path, std::move(listener), std::move(stop), std::move(server)));
}

AdminSocket::AdminSocket(std::string path, net::UniqueFd listener, net::UniqueFd stop,
                         std::unique_ptr<grpc::Server> server)
    : path_(std::move(path)),
      listener_(std::move(listener)),
      stop_(std::move(stop)),
      server_(std::move(server)),
      thread_([this] { Run(); }) {}

void AdminSocket::Shutdown(Duration patience) {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  P2P_CHECK(::write(stop_.get(), &one, sizeof one) == sizeof one);
  thread_.join();
  ::unlink(path_.c_str());
  listener_.Reset();
  server_->Shutdown(std::chrono::system_clock::now() +
                    std::chrono::duration_cast<std::chrono::microseconds>(patience));
  server_.reset();
}

void AdminSocket::Run() {
  pollfd waits[2] = {{.fd = listener_.get(), .events = POLLIN, .revents = 0},
                     {.fd = stop_.get(), .events = POLLIN, .revents = 0}};
  while (true) {
    if (::poll(waits, 2, -1) < 0) continue;  // EINTR; nothing else can happen here.
    if (waits[1].revents != 0) return;
    if (waits[0].revents == 0) continue;
    AcceptOne();
  }
}

void AdminSocket::AcceptOne() {
  net::UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd.valid()) {
    counters_.Add(AdminSocketCount::kFailed);
    // Out of descriptors the listener stays readable: no spinning until some are free.
    if (errno == EMFILE || errno == ENFILE) StopAskedWithin(kOutOfDescriptors);
    return;
  }
  if (!MayEnter(fd.get())) {
    counters_.Add(AdminSocketCount::kRefused);
    return;
  }
  counters_.Add(AdminSocketCount::kAccepted);
  grpc::AddInsecureChannelFromFd(server_.get(), fd.Release());
}

bool AdminSocket::StopAskedWithin(Duration wait) {
  pollfd stop{.fd = stop_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&stop, 1, static_cast<int>(wait / 1ms)) > 0;
}

}  // namespace p2p::server
