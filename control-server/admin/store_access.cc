#include "control-server/admin/store_access.h"

#include <future>
#include <memory>

namespace p2p::server {

absl::Status QueuedStore::Change(absl::FunctionRef<absl::Status(Store&)> work,
                                 absl::FunctionRef<void()> then) {
  auto answer = std::make_shared<std::promise<absl::Status>>();
  auto done = answer->get_future();
  queue_.Submit([work](Store& store) { return work(store); },
                [answer, then](const absl::Status& status) {
                  if (status.ok()) then();
                  answer->set_value(status);
                });
  return done.get();
}

absl::Status QueuedStore::Read(absl::FunctionRef<absl::Status(Store&)> work) {
  auto answer = std::make_shared<std::promise<absl::Status>>();
  auto done = answer->get_future();
  queue_.Read([work](Store& store) { return work(store); },
              [answer](const absl::Status& status) { answer->set_value(status); });
  return done.get();
}

absl::Status DirectStore::Change(absl::FunctionRef<absl::Status(Store&)> work,
                                 absl::FunctionRef<void()> then) {
  MutexLock lock(mu_);
  Store& store = store_;
  const absl::Status status = store.Group([&] { return work(store); });
  if (status.ok()) then();
  return status;
}

absl::Status DirectStore::Read(absl::FunctionRef<absl::Status(Store&)> work) {
  MutexLock lock(mu_);
  return work(store_);
}

}  // namespace p2p::server
