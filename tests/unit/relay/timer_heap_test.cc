#include "udp-relay/core/timer_heap.h"

#include <gtest/gtest.h>

#include <map>

#include "common/base/random.h"

namespace p2p::relay {
namespace {

TEST(TimerHeapTest, AgreesWithASortedMapThroughEveryChange) {
  SeededRandom random(3);
  TimerHeap heap;
  std::map<TimerHeap::Slot, MonoTime> model;
  for (int i = 0; i < 50'000; ++i) {
    const auto slot = static_cast<TimerHeap::Slot>(random.Below(200));
    if (random.Below(4) == 0) {
      heap.Set(slot, std::nullopt);
      model.erase(slot);
    } else {
      const MonoTime at{Duration(static_cast<int64_t>(random.Below(1000)))};
      heap.Set(slot, at);
      model[slot] = at;
    }
    ASSERT_EQ(heap.size(), model.size());
    if (model.empty()) {
      ASSERT_EQ(heap.top(), nullptr);
      continue;
    }
    MonoTime least = model.begin()->second;
    for (const auto& [s, at] : model) least = std::min(least, at);
    ASSERT_EQ(heap.top()->at, least);
    ASSERT_EQ(model.at(heap.top()->slot), least);
  }
}

}  // namespace
}  // namespace p2p::relay
