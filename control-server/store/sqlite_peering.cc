#include "control-server/store/sqlite_peering.h"

namespace p2p::server {

absl::Status SqlitePeering::PutIntroduction(const IntroductionRecord& introduction) {
  return db_.Atomically([&]() -> absl::Status {
    Query insert(db_,
                 "INSERT INTO introductions (id, requester, target, signed_object, signature, "
                 "created_ms, requester_acked, target_acked) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    insert.Blob(introduction.id.view());
    insert.Blob(introduction.requester.view()).Blob(introduction.target.view());
    insert.Blob(introduction.signed_object).Blob(introduction.signature);
    insert.Time(introduction.created_at);
    insert.Int(introduction.requester_acked).Int(introduction.target_acked).Run();
    return absl::OkStatus();
  });
}

absl::Status SqlitePeering::AckIntroduction(RequestId id, UserId party) {
  return db_.Atomically([&]() -> absl::Status {
    Query(db_, "UPDATE introductions SET requester_acked = 1 WHERE id = ? AND requester = ?")
        .Blob(id.view())
        .Blob(party.view())
        .Run();
    Query(db_, "UPDATE introductions SET target_acked = 1 WHERE id = ? AND target = ?")
        .Blob(id.view())
        .Blob(party.view())
        .Run();
    Query(db_, "DELETE FROM introductions WHERE id = ? AND requester_acked AND target_acked")
        .Blob(id.view())
        .Run();
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<IntroductionRecord>> SqlitePeering::ListIntroductions() {
  std::vector<IntroductionRecord> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_,
                "SELECT id, requester, target, signed_object, signature, created_ms, "
                "requester_acked, target_acked FROM introductions ORDER BY id");
    while (query.Next()) {
      IntroductionRecord record;
      record.id = query.GetId<RequestId>(0);
      record.requester = query.GetId<UserId>(1);
      record.target = query.GetId<UserId>(2);
      record.signed_object = ToBytes(query.GetBlob(3));
      record.signature = query.GetArray<64>(4);
      record.created_at = query.GetTime(5);
      record.requester_acked = query.GetBool(6);
      record.target_acked = query.GetBool(7);
      out.push_back(std::move(record));
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

absl::Status SqlitePeering::DropIntroductionsBefore(WallTime created_before) {
  return db_.Atomically([&]() -> absl::Status {
    Query(db_, "DELETE FROM introductions WHERE created_ms < ?").Time(created_before).Run();
    return absl::OkStatus();
  });
}

absl::Status SqlitePeering::PutAddresses(const std::vector<AddressRecord>& addresses) {
  return db_.Atomically([&]() -> absl::Status {
    for (const AddressRecord& record : addresses) {
      Query(db_, "INSERT OR REPLACE INTO addresses (ip, account, active_ms) VALUES (?, ?, ?)")
          .Blob(record.ip.bytes())
          .Blob(record.account.view())
          .Time(record.last_active)
          .Run();
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<AddressRecord>> SqlitePeering::ListAddresses(WallTime active_since) {
  std::vector<AddressRecord> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_, "SELECT ip, account, active_ms FROM addresses WHERE active_ms >= ?");
    query.Time(active_since);
    while (query.Next()) {
      const auto ip = net::IpAddress::FromBytes(query.GetBlob(0));
      if (!ip) return absl::DataLossError("store: an address of impossible size");
      out.push_back({*ip, query.GetId<UserId>(1), query.GetTime(2)});
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

absl::Status SqlitePeering::DropAddressesBefore(WallTime active_before) {
  return db_.Atomically([&]() -> absl::Status {
    Query(db_, "DELETE FROM addresses WHERE active_ms < ?").Time(active_before).Run();
    return absl::OkStatus();
  });
}

}  // namespace p2p::server
