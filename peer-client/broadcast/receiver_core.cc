#include "peer-client/broadcast/receiver_core.h"

#include <algorithm>

namespace p2p::client {
namespace {

constexpr uint16_t kMaxAckWindowMs = 1000;

uint16_t DelayMs(MonoTime since, MonoTime now) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count();
  return static_cast<uint16_t>(std::clamp<int64_t>(ms, 0, UINT16_MAX));
}

}  // namespace

ReceiverCore::ReceiverCore(const config::Timing& timing, Random& random, Inbox& inbox)
    : random_(random),
      inbox_(inbox),
      client_(RelayOptionsFromTiming(timing), random,
              [&inbox](size_t max) { return inbox.Newest(max); }),
      reassembler_(timing.partial_life) {}

void ReceiverCore::Start(ConnId conn_id, Secret<32> psk, MonoTime now) {
  pending_.clear();
  flush_at_.reset();
  path_response_.reset();
  ack_window_ = Duration(0);
  client_.Start(conn_id, std::move(psk), now);
}

void ReceiverCore::Stop(Datagrams& out) {
  client_.Stop(out);
  pending_.clear();
  flush_at_.reset();
  reassembler_.Clear();
}

void ReceiverCore::OnDatagram(ByteView datagram, MonoTime now) {
  counters_.Add(ReceiverCount::kDatagrams);
  std::array<uint8_t, wire::kMaxFrameBytes> plain;
  const auto received = client_.OnDatagram(datagram, now, plain);
  if (generation_ != client_.key_generation()) {
    // Packet numbers start anew: what is pending can no longer be named.
    generation_ = client_.key_generation();
    pending_.clear();
    ack_window_ = Duration(0);
  }
  if (!received) return;
  wire::FrameCursor frames(received->frames);
  while (const auto frame = frames.Next()) OnFrame(*frame, received->packet_no, now);
  if (!frames.ok()) counters_.Add(ReceiverCount::kBadFrames);
}

void ReceiverCore::OnFrame(const wire::RawFrame& frame, uint64_t packet_no, MonoTime now) {
  switch (static_cast<wire::FrameType>(frame.type)) {
    case wire::FrameType::kFragment: {
      const auto fragment = wire::FragmentFrame::Parse(frame.body);
      if (!fragment) return counters_.Add(ReceiverCount::kBadFrames);
      return OnFragment(*fragment, packet_no, now);
    }
    case wire::FrameType::kPathChallenge: {
      const auto challenge = wire::PathChallengeFrame::Parse(frame.body);
      if (!challenge) return counters_.Add(ReceiverCount::kBadFrames);
      path_response_ = wire::PathResponseFrame{challenge->token};
      flush_at_ = now;
      return;
    }
    case wire::FrameType::kAckWindow: {
      const auto window = wire::AckWindowFrame::Parse(frame.body);
      if (!window) return counters_.Add(ReceiverCount::kBadFrames);
      ack_window_ = std::chrono::milliseconds(std::min(window->window_ms, kMaxAckWindowMs));
      return;
    }
    case wire::FrameType::kPad:
    case wire::FrameType::kAck:
    case wire::FrameType::kDone:
    case wire::FrameType::kPing:
    case wire::FrameType::kPong:  // Its arrival is the answer.
    case wire::FrameType::kPathResponse:
    case wire::FrameType::kSync:
    case wire::FrameType::kClose:  // The channel says why and what next.
      return;
  }
}

void ReceiverCore::OnFragment(const wire::FragmentFrame& fragment, uint64_t packet_no,
                              MonoTime now) {
  Pending* pending = PendingFor(fragment.id);
  if (pending == nullptr) return counters_.Add(ReceiverCount::kAckOverflow);
  if (packet_no >= pending->packet_no) {
    pending->packet_no = packet_no;
    pending->arrived = now;
  }
  const auto known = inbox_.Find(fragment.id);
  if (known == Inbox::Known::kNotYetDurable) return;
  if (known == Inbox::Known::kDurable) {
    counters_.Add(ReceiverCount::kRepeatedFragments);
    pending->done = true;
    pending->due = true;
    return ScheduleFlush(now);
  }
  switch (reassembler_.OnFragment(fragment, now)) {
    case reliable::Reassembler::Result::kDuplicate:
      counters_.Add(ReceiverCount::kRepeatedFragments);
      [[fallthrough]];
    case reliable::Reassembler::Result::kStored:
      pending->due = true;
      return ScheduleFlush(now);
    case reliable::Reassembler::Result::kInconsistent:
      return counters_.Add(ReceiverCount::kInconsistent);
    case reliable::Reassembler::Result::kComplete:
      return inbox_.OnPayload(fragment.id, reassembler_.Take(fragment.id));
  }
}

void ReceiverCore::Done(BroadcastId id, MonoTime now) {
  for (Pending& pending : pending_) {
    if (pending.id != id) continue;
    pending.done = true;
    pending.due = true;
    ScheduleFlush(now);
  }
}

void ReceiverCore::ScheduleFlush(MonoTime now) {
  if (flush_at_) return;
  const auto window = static_cast<uint64_t>(ack_window_.count());
  flush_at_ = window == 0 ? now : now + Duration(static_cast<int64_t>(random_.Below(window)));
}

void ReceiverCore::Poll(MonoTime now, Datagrams& out) {
  reassembler_.Expire(now);
  if (flush_at_ && *flush_at_ <= now) Flush(now, out);
  client_.Poll(now, out);
}

void ReceiverCore::Flush(MonoTime now, Datagrams& out) {
  flush_at_.reset();
  constexpr size_t kLargestFrame = 64;  // ACK, DONE and PATH_RESPONSE are smaller.
  size_t next = 0;
  const auto write = [&](wire::SpanWriter& frames) {
    if (path_response_) path_response_->SerializeTo(frames);
    path_response_.reset();
    for (; next < pending_.size() && frames.room() >= kLargestFrame; ++next) {
      const Pending& p = pending_[next];
      if (!p.due) continue;
      const uint16_t delay = DelayMs(p.arrived, now);
      if (p.done) {
        wire::DoneFrame{p.id, p.packet_no, delay}.SerializeTo(frames);
      } else {
        wire::AckFrame{p.id, p.packet_no, delay, reassembler_.Bitmap(p.id)}.SerializeTo(frames);
      }
    }
  };
  while (client_.Seal(write, out) && next < pending_.size()) {
  }
  // What was complete but is not durable yet stays until Done(); the rest was said.
  std::erase_if(pending_, [](const Pending& p) { return p.due; });
}

ReceiverCore::Pending* ReceiverCore::PendingFor(BroadcastId id) {
  for (Pending& pending : pending_) {
    if (pending.id == id) return &pending;
  }
  if (pending_.size() >= kMaxPending) {
    // Places of what was refused or given up are the ones to reuse.
    const auto idle =
        std::find_if(pending_.begin(), pending_.end(), [](const Pending& p) { return !p.due; });
    if (idle == pending_.end()) return nullptr;
    pending_.erase(idle);
  }
  pending_.push_back({.id = id, .packet_no = 0, .arrived = {}, .done = false, .due = false});
  return &pending_.back();
}

std::optional<MonoTime> ReceiverCore::NextDeadline() const {
  std::optional<MonoTime> next = client_.NextDeadline();
  for (const auto& other : {flush_at_, reassembler_.NextDeadline()}) {
    if (other && (!next || *other < *next)) next = other;
  }
  return next;
}

}  // namespace p2p::client
