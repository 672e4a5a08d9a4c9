// A conversation against bare TLS 1.3, in turns in the same run: a message until its receipt, and a
// file. chat_speed DIRECTORY [MiB [works]]: where the state and the files are. A disk pays for each
// fsync; the yardstick has none, so the budget of the round trip is for a file system in memory.
// One JSON line; exit code 1 when a budget is not met. `works`: a short run in which they decide
// nothing.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/base/check.h"
#include "tests/bench/bare_tls.h"
#include "tests/bench/chat_pair.h"
#include "tests/bench/event_tls.h"

namespace p2p::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kTripsARound = 45;   // Two kinds of them share the burst of 100, PEER_LINK.md …
constexpr Duration kRefill = 4600ms;  // … and the 20 a second.
constexpr size_t kMessage = 64;
constexpr double kMostRoundTrip = 1.5;
constexpr double kLeastBulk = 0.8;
constexpr double kMostFirstByteMs = 30;

double Median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

// Ratios are of neighbours in time, and the median of those counts: a busy host slows both sides.
struct RoundTrips {
  std::vector<double> bare_us, event_us, receipt_us, answer_us, ratio;
};

void MeasureRoundTrips(BareTls& bare, ChatPair& pair, int rounds, RoundTrips& out) {
  EventTls events;
  const auto median_us = [](auto& side, auto method) {
    Samples samples;
    (side.*method)(kTripsARound, kMessage, samples);
    return samples.Percentile(0.5) * 1000;
  };
  for (int round = 0; round < rounds; ++round) {
    const auto yardsticks = [&] {
      out.bare_us.push_back(median_us(bare, &BareTls::PingPong));
      out.event_us.push_back(median_us(events, &EventTls::PingPong));
    };
    // Who goes first meets a machine that has rested.
    if (round % 2 == 0) yardsticks();
    out.receipt_us.push_back(median_us(pair, &ChatPair::Deliver));
    out.answer_us.push_back(median_us(pair, &ChatPair::PingPong));
    if (round % 2 == 1) yardsticks();
    out.ratio.push_back(out.receipt_us.back() / out.bare_us.back());
    if (round + 1 < rounds) std::this_thread::sleep_for(kRefill);
  }
}

struct Bulk {
  double bare_mib_s, chat_mib_s;  // From the first byte sent to the file in place.
  double moved_ratio, ratio;      // Without and with the hash that the offer carries.
};

Bulk MeasureBulk(BareTls& bare, ChatPair& pair, const std::string& directory, size_t mib,
                 int copies) {
  const std::string source = directory + "/source";
  {
    std::ofstream file(source, std::ios::binary);
    std::string block(1 << 20, '\0');
    crypto::OsRandom random;
    for (size_t i = 0; i < mib; ++i) {
      random.Fill({reinterpret_cast<uint8_t*>(block.data()), block.size()});
      file << block;
    }
  }
  Samples bare_moved, moved;
  std::vector<double> moved_ratios, ratios;
  for (int round = 0; round < copies; ++round) {
    const BareTls::Copied alone = bare.Copy(source, directory + "/copy");
    bare_moved.Add(alone.moved);
    // Both write into the same memory: pages that were never touched cost a guest several times
    // more.
    std::filesystem::remove(directory + "/copy");
    const ChatPair::Copied copied = pair.Copy(source);
    moved.Add(copied.moved);
    const auto share = [](Duration yardstick, Duration ours) {
      return std::chrono::duration<double>(yardstick) / ours;
    };
    moved_ratios.push_back(share(alone.moved, copied.moved));
    ratios.push_back(share(alone.hashed + alone.moved, copied.prepared + copied.moved));
  }
  const auto rate = [mib](Samples& samples) { return mib * 1000 / samples.Percentile(0.5); };
  return {rate(bare_moved), rate(moved), Median(moved_ratios), Median(ratios)};
}

int Run(const std::string& directory, size_t mib, bool works_only) {
  const int rounds = works_only ? 1 : 12;
  Samples first;
  ChatPair pair(directory);
  for (int i = 0; i < 20; ++i) {
    first.Add(pair.IntroduceAndSpeak());
    pair.HangUp();
  }
  pair.IntroduceAndSpeak();
  BareTls bare;
  RoundTrips trips;
  MeasureRoundTrips(bare, pair, rounds, trips);
  const Bulk bulk = MeasureBulk(bare, pair, directory, mib, rounds);
  const double ratio = Median(trips.ratio);
  const bool ok = works_only || (ratio <= kMostRoundTrip && bulk.ratio >= kLeastBulk &&
                                 first.Percentile(0.95) <= kMostFirstByteMs);
  const Json line = {{"bench", "chat_speed"},
                     {"bare_round_trip_us", Median(trips.bare_us)},
                     {"event_round_trip_us", Median(trips.event_us)},
                     {"message_to_receipt_us", Median(trips.receipt_us)},
                     {"message_to_answer_us", Median(trips.answer_us)},
                     {"round_trip_ratio", ratio},
                     {"bare_mib_s", bulk.bare_mib_s},
                     {"file_mib_s", bulk.chat_mib_s},
                     {"moved_ratio", bulk.moved_ratio},
                     {"bulk_ratio", bulk.ratio},
                     {"introduction_to_first_byte_p50_ms", first.Percentile(0.5)},
                     {"introduction_to_first_byte_p95_ms", first.Percentile(0.95)},
                     {"ok", ok}};
  std::printf("%s\n", line.dump().c_str());
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace p2p::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: chat_speed DIRECTORY [MiB [works]]\n");
    return 2;
  }
  std::string directory = std::string(argv[1]) + "/chat_speed.XXXXXX";
  P2P_CHECK(::mkdtemp(directory.data()) != nullptr);
  const int code = p2p::bench::Run(directory, argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 256,
                                   argc > 3 && std::string(argv[3]) == "works");
  std::filesystem::remove_all(directory);
  return code;
}
