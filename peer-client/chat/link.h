// One approved conversation as the client holds it: record, journal, what is said, and the
// connections that carry it.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "common/base/log.h"
#include "peer-client/chat/conversation.h"
#include "peer-client/chat/file_lane.h"
#include "peer-client/chat/link_connection.h"
#include "peer-client/chat/link_dialler.h"
#include "peer-client/state/chat_journal.h"
#include "peer-client/state/link_records.h"

namespace p2p::client {

struct Link {
  Link(asio::io_context& io, LinkRecord link_record, std::unique_ptr<ChatJournal> link_journal,
       MonoTime now)
      : record(std::move(link_record)),
        journal(std::move(link_journal)),
        conversation(journal->history()),
        expiry(io),
        redial(io),
        lost_at(now) {}
  ~Link() { Disconnect(SessionEnd::kReplaced); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  FilePeer file_peer() const { return {record.peer.name, record.peer.uid, record.peer.device_key}; }
  LinkRole role() const { return record.we_requested ? LinkRole::kRequester : LinkRole::kTarget; }
  size_t connections() const {
    return establishing.size() + proven.size() + (open != nullptr ? 1 : 0);
  }
  bool dialling() const { return dialler != nullptr && dialler->running(); }

  // What came of each address the last time that it was dialled.
  std::vector<std::string> Tried() const { return dialler != nullptr ? dialler->Reasons() : tried; }
  // What the journal was told since it last wrote.
  void Flush() {
    const absl::Status written = journal->Flush();
    if (!written.ok()) LogWarning("chat_journal_failed", {{"error", written.message()}});
  }
  // Closes every connection and stops dialling.
  void Disconnect(SessionEnd end) {
    tried = Tried();
    if (dialler != nullptr) dialler->Stop();
    dialler.reset();
    for (auto* list : {&establishing, &proven}) {
      for (const auto& connection : *list) connection->Close(end);
      list->clear();
    }
    if (open != nullptr) std::exchange(open, nullptr)->Close(end);
  }
  // Forgets a connection, wherever it is. True when it was the open one.
  bool Forget(const LinkConnection& connection) {
    const auto is_it = [&](const auto& c) { return c.get() == &connection; };
    std::erase_if(establishing, is_it);
    std::erase_if(proven, is_it);
    if (open.get() != &connection) return false;
    open.reset();
    return true;
  }

  LinkRecord record;
  std::unique_ptr<ChatJournal> journal;
  Conversation conversation;
  std::vector<std::shared_ptr<LinkConnection>> establishing;
  std::vector<std::shared_ptr<LinkConnection>> proven;  // Not selected, or not yet answered.
  std::shared_ptr<LinkConnection> open;
  std::shared_ptr<LinkDialler> dialler;
  std::vector<std::string> tried;
  std::optional<net::IpAddress> found;  // Where the server saw the peer last.
  asio::steady_timer expiry;            // End of the approval.
  asio::steady_timer redial;
  MonoTime lost_at;  // When it was last connected; at the start: then.
  MonoTime opened_at;
  int short_connections = 0;  // In a row.
  bool opened_before = false;
  bool flush_posted = false;
  bool failure_told = false;  // The user knows that nobody answers.
};

}  // namespace p2p::client
