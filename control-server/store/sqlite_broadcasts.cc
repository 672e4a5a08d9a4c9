#include "control-server/store/sqlite_broadcasts.h"

#include <algorithm>

namespace p2p::server {
namespace {

#define P2P_BROADCAST_COLUMNS(text)                                        \
  "id, sender, " text                                                      \
  ", idempotency_key, content_digest, signed_object, signature, sent_ms, " \
  "expires_ms, omit_sender, revoked"
#define P2P_BROADCAST_SELECT       \
  "SELECT " P2P_BROADCAST_COLUMNS( \
      "coalesce(text, '')") " FROM broadcasts LEFT JOIN broadcast_texts ON broadcast = id "

BroadcastRecord ReadBroadcast(Query& row) {
  BroadcastRecord record;
  record.id = row.GetId<BroadcastId>(0);
  record.sender = row.GetId<UserId>(1);
  record.text = row.GetText(2);
  record.idempotency_key = row.GetText(3);
  record.content_digest = row.GetArray<32>(4);
  record.signed_object = ToBytes(row.GetBlob(5));
  record.signature = row.GetArray<64>(6);
  record.sent_at = row.GetTime(7);
  record.expires_at = row.GetTime(8);
  record.omit_sender = row.GetBool(9);
  record.revoked = row.GetBool(10);
  return record;
}

}  // namespace

absl::Status SqliteBroadcasts::Put(const BroadcastRecord& broadcast) {
  return db_.Atomically([&]() -> absl::Status {
    Query insert(db_,
                 "INSERT INTO broadcasts (id, sender, idempotency_key, content_digest, "
                 "signed_object, signature, sent_ms, expires_ms, omit_sender, revoked) "
                 "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    insert.Blob(broadcast.id.view()).Blob(broadcast.sender.view());
    insert.Text(broadcast.idempotency_key).Blob(broadcast.content_digest);
    insert.Blob(broadcast.signed_object).Blob(broadcast.signature);
    insert.Time(broadcast.sent_at).Time(broadcast.expires_at);
    insert.Int(broadcast.omit_sender).Int(broadcast.revoked).Run();
    if (broadcast.text.empty()) return absl::OkStatus();
    Query(db_, "INSERT INTO broadcast_texts (broadcast, text) VALUES (?, ?)")
        .Blob(broadcast.id.view())
        .Text(broadcast.text)
        .Run();
    return absl::OkStatus();
  });
}

absl::StatusOr<BroadcastRecord> SqliteBroadcasts::FindByKey(UserId sender,
                                                            absl::string_view idempotency_key) {
  BroadcastRecord out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_, P2P_BROADCAST_SELECT
                "WHERE sender = ? AND idempotency_key = ? AND idempotency_key <> ''");
    query.Blob(sender.view()).Text(idempotency_key);
    if (!query.Next()) return absl::NotFoundError("no such broadcast");
    out = ReadBroadcast(query);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

absl::StatusOr<BroadcastRecord> SqliteBroadcasts::Get(BroadcastId id) {
  BroadcastRecord out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_, P2P_BROADCAST_SELECT "WHERE id = ?");
    query.Blob(id.view());
    if (!query.Next()) return absl::NotFoundError("no such broadcast");
    out = ReadBroadcast(query);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

absl::StatusOr<std::vector<BroadcastRecord>> SqliteBroadcasts::ListLive(WallTime now) {
  std::vector<BroadcastRecord> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_,
                P2P_BROADCAST_SELECT "WHERE expires_ms > ? AND NOT revoked ORDER BY sent_ms, id");
    query.Time(now);
    while (query.Next()) out.push_back(ReadBroadcast(query));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

absl::StatusOr<std::vector<BroadcastRecord>> SqliteBroadcasts::List(std::optional<UserId> sender,
                                                                    WallTime sent_since,
                                                                    size_t limit) {
  std::vector<BroadcastRecord> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    // An empty blob is no sender's id: it asks for all.
    Query query(db_, "SELECT " P2P_BROADCAST_COLUMNS("''")
                " FROM broadcasts WHERE sent_ms >= ? AND (?2 = x'' OR sender = ?2) "
                "ORDER BY sent_ms DESC, id LIMIT ?");
    query.Time(sent_since).Blob(sender ? sender->view() : ByteView());
    query.Int(static_cast<int64_t>(std::min<size_t>(limit, INT32_MAX)));
    while (query.Next()) out.push_back(ReadBroadcast(query));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

absl::Status SqliteBroadcasts::Revoke(BroadcastId id) {
  return db_.Atomically([&]() -> absl::Status {
    Query update(db_, "UPDATE broadcasts SET revoked = 1 WHERE id = ?");
    update.Blob(id.view()).Run();
    return update.Changes() == 0 ? absl::NotFoundError("no such broadcast") : absl::OkStatus();
  });
}

absl::Status SqliteBroadcasts::Purge(WallTime now, WallTime details_before) {
  return db_.Atomically([&]() -> absl::Status {
    Query texts(db_,
                "DELETE FROM broadcast_texts WHERE broadcast IN "
                "(SELECT id FROM broadcasts WHERE expires_ms < ?)");
    texts.Time(now).Run();
    const bool texts_gone = texts.Changes() > 0;
    Query(db_, "DELETE FROM broadcasts WHERE sent_ms < ? AND expires_ms < ?")
        .Time(details_before)
        .Time(now)
        .Run();
    return texts_gone || db_.log_waits() ? db_.EmptyLog() : absl::OkStatus();
  });
}

}  // namespace p2p::server
