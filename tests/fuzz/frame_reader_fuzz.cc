// The peer link's stream: it comes apart into the same frames however it was cut, nothing more is
// held than what came, and the frames written again are the beginning of the stream.
#include <algorithm>

#include "common/base/check.h"
#include "common/wire/frame_reader.h"
#include "tests/fuzz/op_stream.h"

namespace {

using namespace p2p;
using namespace p2p::wire;

struct Outcome {
  std::vector<Bytes> frames;
  bool failed = false;
  size_t left = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome Read(ByteView in, size_t step, size_t max_frame) {
  FrameReader reader(max_frame);
  Outcome outcome;
  fuzz::OpStream rest(in);
  while (!rest.empty()) {
    const size_t held = reader.buffered();
    const ByteView piece = rest.Take(step);
    reader.Feed(piece);
    P2P_CHECK(reader.buffered() <= held + piece.size());
    while (const auto frame = reader.Next()) {
      P2P_CHECK(!frame->empty() && frame->size() <= max_frame);
      outcome.frames.push_back(ToBytes(*frame));
    }
    // Judged by its length alone, it is not waited for.
    P2P_CHECK(reader.failed() || reader.buffered() < kPeerFrameHeaderSize + max_frame);
  }
  outcome.failed = reader.failed();
  outcome.left = outcome.failed ? 0 : reader.buffered();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::OpStream in(ByteView(data, size));
  const size_t max_frame = 1 + in.U8();
  const size_t step = 1 + in.U8() % 64;
  const ByteView stream = in.Take(size);
  const Outcome whole = Read(stream, std::max<size_t>(stream.size(), 1), max_frame);
  P2P_CHECK(Read(stream, step, max_frame) == whole && Read(stream, 1, max_frame) == whole);
  Bytes again;
  for (const Bytes& frame : whole.frames) AppendFrame(frame, again);
  P2P_CHECK(again.size() <= stream.size() &&
            std::equal(again.begin(), again.end(), stream.begin()));
  P2P_CHECK(whole.failed || again.size() + whole.left == stream.size());
  return 0;
}
