// The guard of the chat port: only the knock of an approved peer, in its role, is let in, and each
// of them once. Compared with a model over any order of links that come, go and are knocked at.
#include <map>
#include <set>

#include "common/base/check.h"
#include "peer-client/chat/knock_guard.h"
#include "tests/fuzz/op_stream.h"

namespace {

using namespace p2p;
using namespace p2p::client;

class World {
 public:
  void Step(fuzz::OpStream& in) {
    const uint8_t op = in.U8();
    const RequestId id{{in.U8()}};
    switch (op % 6) {
      case 0:
        return Add(id, (op & 0x80) != 0 ? LinkRole::kRequester : LinkRole::kTarget);
      case 1:
        guard_.Remove(id);
        links_.erase(id);
        return;
      case 2:  // As the peer does it.
        return Knock(id, Made(id, DiallerOf(id), in.U8()), true);
      case 3:  // Our own knock comes back, or that of another link.
        return Knock(id, Made(id, OtherRole(DiallerOf(id)), in.U8()), false);
      case 4: {  // One bit is another.
        KnockBytes knock = Made(id, DiallerOf(id), in.U8());
        const uint8_t bit = in.U8();
        knock[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
        return Knock(id, knock, false);
      }
      default: {
        const ByteView raw = in.Take(wire::kKnockSize);
        KnockBytes knock{};
        std::copy(raw.begin(), raw.end(), knock.begin());
        return Knock(id, knock, false);
      }
    }
  }

 private:
  struct Link {
    LinkRole my_role;
    std::set<KnockRandom> seen;
  };
  static LinkSecret SecretOf(const RequestId& id) { return LinkSecret({9, id.bytes[0]}); }
  LinkRole DiallerOf(const RequestId& id) const {
    const auto link = links_.find(id);
    return link == links_.end() ? LinkRole::kTarget : OtherRole(link->second.my_role);
  }
  static KnockBytes Made(const RequestId& id, LinkRole dialler, uint8_t random) {
    // Derived once for each link: it costs more than all the rest.
    static std::map<RequestId, KnockKey> keys;
    auto key = keys.find(id);
    if (key == keys.end()) key = keys.emplace(id, DeriveKnockKey(SecretOf(id))).first;
    return MakeKnock(key->second, id, dialler, KnockRandom{random});
  }

  void Add(const RequestId& id, LinkRole my_role) {
    const bool room = links_.contains(id) || links_.size() < wire::kMaxLiveLinks;
    P2P_CHECK(guard_.Add(id, SecretOf(id), my_role) == room);
    if (room) links_.emplace(id, Link{my_role, {}});
    P2P_CHECK(guard_.size() == links_.size());
  }

  void Knock(const RequestId& id, const KnockBytes& knock, bool is_right) {
    const KnockGuard::Result result = guard_.Check(knock);
    const auto link = links_.find(id);
    if (!is_right || link == links_.end()) {
      P2P_CHECK(result.verdict == KnockGuard::Verdict::kWrong && result.link.is_zero());
      return;
    }
    KnockRandom random;
    std::copy_n(knock.begin(), random.size(), random.begin());
    const bool fresh = link->second.seen.insert(random).second;
    P2P_CHECK(result.link == id);
    P2P_CHECK(result.verdict ==
              (fresh ? KnockGuard::Verdict::kAccepted : KnockGuard::Verdict::kRepeated));
  }

  KnockGuard guard_;
  std::map<RequestId, Link> links_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::OpStream in(ByteView(data, std::min<size_t>(size, 160)));
  World world;
  while (!in.empty()) world.Step(in);
  return 0;
}
