// Every handler of the control-server, over TLS on loopback. An input names a method and a
// credential in its first two lines; messages follow, each after its length in two bytes. The
// methods are found in the descriptors, so that a new one cannot be forgotten: a name that is none
// stands for one of all.
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "p2p/v1/admin.pb.h"
#include "p2p/v1/broadcast.pb.h"
#include "p2p/v1/directory.pb.h"
#include "p2p/v1/peering.pb.h"
#include "p2p/v1/relay_link.pb.h"
#include "tests/fuzz/fuzz_server.h"

namespace p2p::server {
namespace {

using google::protobuf::MethodDescriptor;
using grpc::StatusCode;

constexpr size_t kMaxMessages = 8;
constexpr uint64_t kHelloEvery = 1000;

struct Input {
  const MethodDescriptor* method = nullptr;
  absl::string_view credential;
  std::vector<std::string> messages;
};

const std::vector<const MethodDescriptor*>& Methods() {
  static const auto* const methods = [] {
    auto* all = new std::vector<const MethodDescriptor*>();
    for (const auto* file :
         {v1::SignupRequest::descriptor()->file(), v1::ListActiveRequest::descriptor()->file(),
          v1::Attach::descriptor()->file(), v1::BroadcastRequest::descriptor()->file(),
          v1::RelayReport::descriptor()->file(), v1::AddUserRequest::descriptor()->file()}) {
      for (int s = 0; s < file->service_count(); ++s) {
        const auto* service = file->service(s);
        for (int m = 0; m < service->method_count(); ++m) all->push_back(service->method(m));
      }
    }
    return all;
  }();
  return *methods;
}

const MethodDescriptor* MethodOf(absl::string_view name) {
  for (const auto* method : Methods()) {
    if (method->name() == name) return method;
  }
  return Methods()[std::hash<std::string_view>{}({name.data(), name.size()}) % Methods().size()];
}

absl::string_view TakeLine(absl::string_view& rest) {
  const absl::string_view line = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  return line;
}

Input Read(absl::string_view bytes) {
  Input input;
  input.method = MethodOf(TakeLine(bytes));
  input.credential = TakeLine(bytes);
  while (bytes.size() >= 2 && input.messages.size() < kMaxMessages) {
    const size_t length =
        static_cast<uint8_t>(bytes[0]) * size_t{256} + static_cast<uint8_t>(bytes[1]);
    bytes.remove_prefix(2);
    input.messages.emplace_back(bytes.substr(0, length));
    bytes.remove_prefix(std::min(bytes.size(), length));
  }
  return input;
}

bool Parses(const Input& input) {
  const auto* factory = google::protobuf::MessageFactory::generated_factory();
  for (const std::string& bytes : input.messages) {
    const std::unique_ptr<google::protobuf::Message> message(
        const_cast<google::protobuf::MessageFactory*>(factory)
            ->GetPrototype(input.method->input_type())
            ->New());
    if (!message->ParseFromString(bytes)) return false;
  }
  return true;
}

bool NeedsNoToken(const MethodDescriptor& method) {
  return method.service()->name() == "AccountService" &&
         (method.name() == "Hello" || method.name() == "Signup" || method.name() == "Login" ||
          method.name() == "Resume");
}

// What holds for every answer, whatever was asked.
void CheckAnswer(const Input& input, bool authorized, const grpc::Status& status) {
  const StatusCode code = status.error_code();
  P2P_CHECK(code != StatusCode::UNKNOWN && code != StatusCode::DATA_LOSS);
  P2P_CHECK(code != StatusCode::DEADLINE_EXCEEDED);  // Every stream ends after its client's end.
  if (code == StatusCode::INTERNAL) P2P_CHECK(!Parses(input));
  if (!authorized && !NeedsNoToken(*input.method)) P2P_CHECK(code != StatusCode::OK);
}

void CheckAlive(FuzzServer& server) {
  static uint64_t calls = 0;
  if (++calls % kHelloEvery != 0) return;
  v1::HelloRequest hello;
  hello.set_client_version("fuzz");
  P2P_CHECK(
      server.Call("/p2p.v1.AccountService/Hello", "", false, {hello.SerializeAsString()}).ok());
}

void Run(FuzzServer& server, const Input& input) {
  const auto& service = *input.method->service();
  const std::string path = absl::StrCat("/", service.full_name(), "/", input.method->name());
  const bool streaming = input.method->client_streaming();
  if (service.name() == "AdminService") {
    const std::string message = input.messages.empty() ? "" : input.messages.front();
    CheckAnswer(input, true, server.CallAdmin(path, message));
    // Nobody reaches it over the network.
    const grpc::Status outside = server.Call(path, server.Authorization(), false, {message});
    P2P_CHECK(outside.error_code() == StatusCode::UNIMPLEMENTED);
    return;
  }
  const bool authorized = input.credential == "token";
  const bool relay = service.name() == "RelayLink";
  std::string authorization(input.credential);
  if (authorized) authorization = relay ? server.RelayAuthorization() : server.Authorization();
  for (const char c : authorization) {  // Other bytes never leave a client.
    if (c < ' ' || c > '~') authorization.clear();
  }
  const grpc::Status status = server.Call(path, authorization, streaming, input.messages);
  CheckAnswer(input, authorized, status);
  const bool ended = status.error_code() == StatusCode::UNAUTHENTICATED ||
                     status.error_code() == StatusCode::PERMISSION_DENIED;
  if (authorized && !relay && ended) server.LogInAgain();
}

}  // namespace
}  // namespace p2p::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static p2p::server::FuzzServer server;
  p2p::server::Run(server, p2p::server::Read({reinterpret_cast<const char*>(data), size}));
  p2p::server::CheckAlive(server);
  return 0;
}
