// A conversation against bare TLS 1.3, in turns in the same run: the round trip of a message, and a
// file. chat_speed DIRECTORY [MiB]: where the state and the files are; a disk pays for each fsync,
// a file system in memory does not. One JSON line; 1 when a budget is not met (there it counts in
// memory only).
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

constexpr size_t kRounds = 6;
constexpr size_t kTripsARound = 95;
constexpr Duration kRefill = 5000ms;  // For a round: 20 messages a second each, PEER_LINK.md.
constexpr size_t kMessage = 64;
constexpr int kCopies = 11;
constexpr double kMostRoundTrip = 1.5;
constexpr double kLeastBulk = 0.8;

struct RoundTrips {
  double bare_us, event_us, receipt_us, answer_us;
};

RoundTrips MeasureRoundTrips(BareTls& bare, ChatPair& pair) {
  EventTls events;
  Samples warm, bare_samples, event_samples, receipts, answers;
  pair.Deliver(kTripsARound, kMessage, warm);
  for (size_t round = 0; round < kRounds; ++round) {
    // Who goes first meets a machine that has rested.
    const auto yardsticks = [&] {
      bare.PingPong(kTripsARound, kMessage, bare_samples);
      events.PingPong(kTripsARound, kMessage, event_samples);
    };
    if (round % 2 == 0) yardsticks();
    std::this_thread::sleep_for(kRefill);
    pair.Deliver(kTripsARound, kMessage, receipts);
    std::this_thread::sleep_for(kRefill);
    pair.PingPong(kTripsARound, kMessage, answers);
    if (round % 2 == 1) yardsticks();
  }
  return {bare_samples.Percentile(0.5) * 1000, event_samples.Percentile(0.5) * 1000,
          receipts.Percentile(0.5) * 1000, answers.Percentile(0.5) * 1000};
}

struct Bulk {
  double bare_mib_s, chat_mib_s, prepare_mib_s, ratio;
};

Bulk MeasureBulk(BareTls& bare, ChatPair& pair, const std::string& directory, size_t mib) {
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
  Samples bare_s, moved, prepared;
  std::vector<double> ratios;  // Of neighbours in time: a busy host slows both.
  for (int round = 0; round < kCopies; ++round) {
    const Duration alone = bare.Copy(source, directory + "/copy");
    bare_s.Add(alone);
    // Both write into the same memory: pages that were never touched cost a guest several times
    // more.
    std::filesystem::remove(directory + "/copy");
    const ChatPair::Copied copied = pair.Copy(source);
    moved.Add(copied.moved);
    prepared.Add(copied.prepared);
    ratios.push_back(std::chrono::duration<double>(alone) / copied.moved);
  }
  const auto rate = [mib](Samples& samples) { return mib * 1000 / samples.Percentile(0.5); };
  std::nth_element(ratios.begin(), ratios.begin() + kCopies / 2, ratios.end());
  return {rate(bare_s), rate(moved), rate(prepared), ratios[kCopies / 2]};
}

int Run(const std::string& directory, size_t mib) {
  Samples first;
  ChatPair pair(directory);
  for (int i = 0; i < 20; ++i) {
    first.Add(pair.IntroduceAndSpeak());
    pair.HangUp();
  }
  pair.IntroduceAndSpeak();
  BareTls bare;
  const RoundTrips trips = MeasureRoundTrips(bare, pair);
  const Bulk bulk = MeasureBulk(bare, pair, directory, mib);
  const double trip_ratio = trips.receipt_us / trips.bare_us;
  const bool ok = trip_ratio <= kMostRoundTrip && bulk.ratio >= kLeastBulk;
  const Json line = {{"bench", "chat_speed"},
                     {"directory", directory},
                     {"bare_round_trip_us", trips.bare_us},
                     {"event_round_trip_us", trips.event_us},
                     {"message_to_receipt_us", trips.receipt_us},
                     {"message_to_answer_us", trips.answer_us},
                     {"round_trip_ratio", trip_ratio},
                     {"bare_mib_s", bulk.bare_mib_s},
                     {"file_mib_s", bulk.chat_mib_s},
                     {"prepare_mib_s", bulk.prepare_mib_s},
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
    std::fprintf(stderr, "usage: chat_speed DIRECTORY [MiB]\n");
    return 2;
  }
  std::string directory = std::string(argv[1]) + "/chat_speed.XXXXXX";
  P2P_CHECK(::mkdtemp(directory.data()) != nullptr);
  const int code = p2p::bench::Run(directory, argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 256);
  std::filesystem::remove_all(directory);
  return code;
}
