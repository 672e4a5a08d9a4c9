#include "udp-relay/link/link_client.h"

#include <grpcpp/create_channel.h>

#include <asio/post.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/net/file.h"
#include "common/relay/relay_token.h"
#include "udp-relay/link/messages.h"

namespace p2p::relay {
namespace {

// The largest message of the server's 1 MiB, and what gRPC puts around it.
constexpr int kMaxMessage = (1 << 20) + 4096;

int Ms(Duration d) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

grpc::ChannelArguments Arguments(const config::Timing& timing) {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Ms(timing.client_keepalive));
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Ms(timing.client_keepalive_timeout));
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // The default of 2 silently ends keep-alive on an idle stream.
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // A fresh channel really is a fresh connection, and only our schedule repeats.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  args.SetMaxReceiveMessageSize(kMaxMessage);
  return args;
}

}  // namespace

LinkClient::LinkClient(asio::io_context& loop, const Clock& clock, Random& random,
                       LinkOptions options, ReportQueue& reports, RelayPort& port,
                       LinkListener& listener)
    : loop_(loop),
      clock_(clock),
      random_(random),
      options_(std::move(options)),
      reports_(reports),
      port_(port),
      listener_(listener),
      backoff_(options_.timing.reconnect_first, options_.timing.reconnect_max),
      timer_(loop) {}

LinkClient::~LinkClient() {
  if (stream_ == nullptr) return;
  stream_->Abandon();
  released_.wait();
}

// ---- Linking ------------------------------------------------------------------------------------

void LinkClient::Connect() {
  counters_.Add(LinkCount::kTries);
  const absl::Status begun = TryConnect();
  if (begun.ok()) return;
  if (!ever_linked_) {
    asio::post(loop_, [this, begun, weak = std::weak_ptr<bool>(alive_)] {
      if (!weak.expired()) listener_.OnRefused(begun);
    });
    return;
  }
  TryLater(begun.message());
}

absl::Status LinkClient::TryConnect() {
  P2P_ASSIGN_OR_RETURN(const SecretText content,
                       net::ReadSecretFile(options_.token_file, kMaxTokenText));
  const auto token = ParseRelayToken(content.view());
  if (!token.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options_.token_file, ": ", token.status().message()));
  }
  seen_ = std::make_shared<rpc::SeenKey>();
  channel_ = grpc::CreateCustomChannel(rpc::GrpcTarget(options_.host, options_.port),
                                       rpc::PinnedCredentials(options_.fingerprint, seen_),
                                       Arguments(options_.timing));
  stub_ = v1::RelayLink::NewStub(channel_);
  auto released = std::make_shared<std::promise<void>>();
  released_ = released->get_future();
  LinkStream::Callbacks callbacks;
  callbacks.on_orders = [this](const v1::RelayOrders& orders) { OnOrders(orders); };
  callbacks.on_written = [this] { Pump(); };
  callbacks.on_end = [this, weak = std::weak_ptr<bool>(alive_)](const grpc::Status& status) {
    if (!weak.expired()) OnEnd(status);
  };
  callbacks.on_released = [released] { released->set_value(); };
  stream_ = std::make_unique<LinkStream>(loop_, std::move(callbacks));
  stream_->context().AddMetadata("authorization", absl::StrCat("Bearer ", token->view()));
  stream_->Start(*stub_);
  Register();
  CancelAfter(options_.timing.rpc_deadline);
  return absl::OkStatus();
}

void LinkClient::Register() {
  v1::RelayReports message;
  auto& registration = *message.add_reports()->mutable_register_();
  registration.set_version(options_.version);
  registration.set_advertise_address(options_.advertise_ip);
  registration.set_advertise_port(options_.advertise_port);
  registration.set_keepalive_ms(static_cast<uint32_t>(Ms(options_.timing.client_keepalive)));
  stream_->Write(std::move(message));
}

void LinkClient::CancelAfter(Duration time) {
  timer_.expires_after(time);
  timer_.async_wait([this, weak = std::weak_ptr<bool>(alive_)](const asio::error_code& error) {
    if (error || weak.expired() || stream_ == nullptr || linked()) return;
    stream_->Cancel();
  });
}

void LinkClient::OnOrders(const v1::RelayOrders& orders) {
  const MonoTime now = clock_.Mono();
  for (const v1::RelayOrder& order : orders.orders()) {
    if (order.has_registered() && !linked()) {
      OnRegistered();
    } else if (!linked() || !CarryOut(order, now, port_)) {
      counters_.Add(LinkCount::kMalformedOrders);
    }
  }
  stream_->Next();
  Pump();
}

void LinkClient::OnRegistered() {
  counters_.Add(LinkCount::kLinked);
  timer_.cancel();
  linked_at_ = clock_.Mono();
  ever_linked_ = true;
  LogInfo("relay_linked", {{"server", options_.host}, {"port", options_.port}});
  listener_.OnLinked();
}

void LinkClient::OnEnd(const grpc::Status& status) {
  timer_.cancel();
  stream_.reset();
  stub_.reset();
  channel_.reset();
  const auto linked_at = std::exchange(linked_at_, std::nullopt);
  reports_.DropReachable();
  if (draining_ || closing_) return listener_.OnClosed();
  if (seen_->refused() && !ever_linked_) {
    return listener_.OnRefused(absl::UnauthenticatedError(
        absl::StrCat("the server at ", options_.host, ":", options_.port,
                     " has another key than --server-fingerprint says: ", seen_->fingerprint())));
  }
  if (status.error_code() == grpc::StatusCode::UNAUTHENTICATED && !ever_linked_) {
    return listener_.OnRefused(absl::UnauthenticatedError(
        absl::StrCat(options_.token_file, " was refused by the server: ", status.error_message())));
  }
  // A link that ends soon after it began does not count as success.
  if (linked_at && clock_.Mono() - *linked_at >= options_.timing.reconnect_max) backoff_.Reset();
  TryLater(seen_->refused() ? "the server has another key" : status.error_message());
}

void LinkClient::TryLater(absl::string_view reason) {
  const Duration wait = backoff_.Next(random_);
  LogWarning("relay_link_down", {{"reason", reason}, {"retry_in_ms", Ms(wait)}});
  timer_.expires_after(wait);
  timer_.async_wait([this, weak = std::weak_ptr<bool>(alive_)](const asio::error_code& error) {
    if (!error && !weak.expired()) Connect();
  });
}

// ---- Telling ------------------------------------------------------------------------------------

void LinkClient::OnReports() {
  if (reports_.TakeRestarted() && stream_ != nullptr) {
    stream_->Cancel();  // Being linked anew, the server feeds us anew.
    return;
  }
  Pump();
}

void LinkClient::Drain() {
  draining_ = true;
  say_draining_ = true;
  Pump();
}

void LinkClient::Close() {
  closing_ = true;
  if (!linked()) {  // Nobody to say anything to.
    timer_.cancel();
    if (stream_ != nullptr) return stream_->Cancel();
    asio::post(loop_, [this, weak = std::weak_ptr<bool>(alive_)] {
      if (!weak.expired()) listener_.OnClosed();
    });
    return;
  }
  Pump();
}

void LinkClient::Pump() {
  if (!linked() || !stream_->writable()) return;
  if (std::exchange(say_draining_, false)) {
    v1::RelayReports message;
    message.add_reports()->mutable_draining();
    return stream_->Write(std::move(message));
  }
  const auto reports = reports_.Take(kReportsPerMessage);
  if (!reports.empty()) return stream_->Write(ToMessage(reports));
  if (closing_) stream_->CloseSend();
}

}  // namespace p2p::relay
