// The seam between a conversation's connection and file transfer: frames 20 to 25 of the peer link.
#pragma once

#include <string>

#include "common/base/id.h"
#include "common/wire/introduction.h"

namespace p2p::v1 {
class ChatFrame;
}

namespace p2p::client {

// With whom. A name may pass to somebody else; the account and its device key do not.
struct FilePeer {
  std::string name;
  UserId uid;
  wire::DeviceKey device_key{};
};

// The files of one peer. Called on the connection's thread; must not call back.
class FileLane {
 public:
  virtual ~FileLane() = default;
  // False: it breaks the protocol, the connection ends.
  virtual bool OnFrame(const v1::ChatFrame& frame) = 0;
  // The next frame to send, after everything else that waits; false: none now. Whoever has one
  // later wakes the connection (ChatManager::Wake).
  virtual bool NextFrame(v1::ChatFrame& frame) = 0;
};

// Implemented by peer-client/transfer; outlives the ChatManager.
class FileExchange {
 public:
  virtual ~FileExchange() = default;
  // There is a conversation with this peer, who has the name from now on. Never null; the same for
  // one peer as long as the exchange lives.
  virtual FileLane* Lane(const FilePeer& peer) = 0;
  // A connection of the conversation opened, or the open one is gone.
  virtual void OnOpen(const FilePeer& peer) = 0;
  virtual void OnClosed(const FilePeer& peer) = 0;
};

}  // namespace p2p::client
