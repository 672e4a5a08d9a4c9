// The attachments of the moment: whom the hub can talk to. Hub thread only.
#pragma once

#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "control-server/service/client_channel.h"

namespace p2p::server {

struct AttachedClient {
  ChannelPtr channel;
  ConnId conn;
  uint16_t chat_port = 0;
  bool watches_presence = false;
};

class AttachedClients {
 public:
  void Put(UserId user, AttachedClient client) { by_user_[user] = std::move(client); }
  void Erase(UserId user) { by_user_.erase(user); }
  // Null: not attached. Good until the next change.
  const AttachedClient* Find(UserId user) const {
    const auto it = by_user_.find(user);
    return it == by_user_.end() ? nullptr : &it->second;
  }
  // False: not attached, or the channel did not take it.
  bool Push(UserId user, std::shared_ptr<const v1::ServerEvent> event) const {
    const AttachedClient* client = Find(user);
    return client != nullptr && client->channel->outbox->Push(std::move(event));
  }
  template <class F>
  void ForEach(F f) const {
    for (const auto& [user, client] : by_user_) f(user, client);
  }
  size_t size() const { return by_user_.size(); }

 private:
  absl::flat_hash_map<UserId, AttachedClient> by_user_;
};

}  // namespace p2p::server
