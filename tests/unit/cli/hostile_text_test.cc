// Whatever a server or a peer writes into any field, the plain face's lines hold nothing that moves
// a terminal, hides, turns the reading direction or piles up marks.
#include <gmock/gmock.h>
#include <utf8proc.h>

#include "absl/strings/str_cat.h"
#include "common/base/text.h"
#include "peer-client/cli/plain_text.h"

// A record is given the fields that hold texts; the others keep their defaults.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace p2p::client {
namespace {

std::string Utf8(int32_t c) {
  uint8_t bytes[4];
  const auto n = utf8proc_encode_char(c, bytes);
  return std::string(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
}

std::vector<std::string> HostileTexts() {
  std::vector<std::string> out;
  for (int c = 0; c < 0x20; ++c) out.push_back(absl::StrCat("a", std::string(1, char(c)), "b"));
  for (int c = 0x7F; c < 0xA0; ++c) out.push_back(absl::StrCat("a", Utf8(c), "2Jb"));
  for (const int c : {0x200B, 0x200E, 0x200F, 0x061C, 0xFEFF, 0x2028, 0x2029, 0xE0001, 0xE0041}) {
    out.push_back(absl::StrCat("a", Utf8(c), "b"));
  }
  for (int c = 0x202A; c <= 0x202E; ++c) out.push_back(absl::StrCat("a", Utf8(c), "b"));
  for (int c = 0x2066; c <= 0x2069; ++c) out.push_back(absl::StrCat("a", Utf8(c), "b"));
  for (const char* text :
       {"\x1b[2J", "\x1b]0;title\x07", "\x1b]52;c;ZXZpbA==\x07", "\x1bPq\x1b\\", "\x1b[?1049h",
        "\x1b[200~paste\x1b[201~", "fine\n99:99 <carol> hello", "x\r99:99 -!- carol is verified.",
        "\xFF\xFE", "\xC0\xAF\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80",
        "\x9b"
        "31m"}) {
    out.push_back(text);
  }
  std::string marks = "e", hidden = "e";
  for (int i = 0; i < 10'000; ++i) {
    marks += "\xCC\x81";
    hidden += i % 8 == 7 ? "\xCC\x81\xE2\x80\x8B" : "\xCC\x81";
  }
  out.push_back(marks);
  out.push_back(hidden);
  return out;
}

// Every record that holds a text of somebody else's, with `t` in each such field.
std::vector<Output> EveryRecordWith(const std::string& t) {
  const WallTime never = WallFromMs(INT64_MIN), always = WallFromMs(INT64_MAX);
  std::vector<Output> all;
  all.push_back(out::Connected{.server_name = t, .greeting = t});
  all.push_back(out::Retry{.in = 5s, .attempt = 1, .of = 6, .detail = t});
  all.push_back(out::SignedUp{.username = t, .message = t});
  all.push_back(out::SignedUp{.username = t});
  all.push_back(out::LoggedIn{.username = t});
  all.push_back(out::LoggedOut{.username = t});
  all.push_back(out::Active{.clients = {{t, t}, {"bob", "10.0.0.1"}}});
  all.push_back(out::PeerRequest{.request_id = t, .from = t, .ip_address = t, .reason = t});
  all.push_back(out::RequestSent{.request_id = t, .to = t});
  for (const char* outcome : {"approved", "denied", "expired", "cancelled", "unavailable"}) {
    all.push_back(out::RequestOutcome{.request_id = t, .peer = t, .outcome = outcome});
  }
  all.push_back(out::ChatOpen{.peer = t, .path = t, .identity = "unverified"});
  all.push_back(out::ChatOpen{.peer = t, .path = t, .reopened = true, .identity = "changed"});
  all.push_back(out::Identity{.peer = t, .state = "changed", .safety_number = t});
  all.push_back(out::Path{.peer = t, .open = true, .path = t, .tried = {t}});
  all.push_back(out::Outbox{.entries = {{t, t, never, t}}});
  all.push_back(out::Requests{.incoming = {{t, t, t, t}}, .outgoing = {{t, t, t, t}}});
  all.push_back(out::Blocked{.entries = {{t, 3}}});
  all.push_back(out::Chat{.peer = t, .id = t, .text = t, .sent_at = never});
  all.push_back(out::Chat{.peer = t, .id = t, .text = t, .sent_at = always, .replayed = true});
  all.push_back(out::Receipt{.peer = t, .id = t, .state = "read"});
  all.push_back(out::ChatClosed{.peer = t, .reason = t});
  all.push_back(out::FileOffer{.peer = t, .id = t, .name = t, .size = UINT64_MAX});
  for (const char* state : {"waiting", "running", "paused", "done", "cancelled", "failed"}) {
    for (const bool incoming : {true, false}) {
      all.push_back(out::Transfer{.peer = t,
                                  .id = t,
                                  .name = t,
                                  .incoming = incoming,
                                  .state = state,
                                  .bytes = 1,
                                  .size = UINT64_MAX,
                                  .path = t,
                                  .reason = t});
    }
  }
  all.push_back(out::Transfers{.entries = {{.peer = t, .id = t, .name = t, .state = "running"}}});
  all.push_back(out::History{.entries = {{"in", t, t, never, t}, {"broadcast", t, t, always, t}}});
  all.push_back(out::Exported{.path = t, .lines = 1});
  all.push_back(out::Broadcast{
      .id = t, .sender = t, .sent_at = never, .expires_at = always, .text = t, .via = "udp"});
  all.push_back(out::BroadcastRevoked{.id = t, .sender = t, .sent_at = always, .text = t});
  all.push_back(
      out::BroadcastStatus{.id = t, .sender = t, .due = 1, .deliveries = {{t, "queued"}}});
  all.push_back(out::Penalties{
      .entries = {{.reason = t, .start = never, .end = always, .next_step = t, .count = 1}}});
  all.push_back(out::Doctor{.checks = {{"server", false, t}}});
  all.push_back(out::Penalised{.reason = t, .until = always, .next_step = t});
  all.push_back(out::Error{.code = t, .message = t, .fingerprint = t});
  all.push_back(out::Error{.code = "SERVER_IDENTITY_CHANGED", .message = t, .fingerprint = t});
  all.push_back(out::Notice{.text = t});
  return all;
}

bool IsMark(int32_t c) {
  const auto category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
         category == UTF8PROC_CATEGORY_MC;
}

// Empty: harmless. Else what is wrong.
std::string Harm(absl::string_view text) {
  if (!IsValidUtf8(text)) return "not UTF-8";
  int marks = 0;
  while (!text.empty()) {
    int32_t c = 0;
    text.remove_prefix(
        static_cast<size_t>(utf8proc_iterate(reinterpret_cast<const uint8_t*>(text.data()),
                                             static_cast<utf8proc_ssize_t>(text.size()), &c)));
    const bool bad = (c < 0x20 && c != '\n') || (c >= 0x7F && c < 0xA0) || c == 0x200B ||
                     c == 0x200E || c == 0x200F || c == 0x061C || c == 0xFEFF ||
                     (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) ||
                     (c >= 0xE0000 && c <= 0xE007F);
    if (bad) return absl::StrCat("code point ", c);
    marks = IsMark(c) ? marks + 1 : 0;
    if (marks > 8) return "marks";
  }
  return "";
}

TEST(HostileTextTest, NoFieldOfAnyRecordReachesTheTerminalAsItCame) {
  PlainStyle style{.server = "example.org:4400", .me = "alice", .focus = "bob"};
  for (const std::string& hostile : HostileTexts()) {
    for (const Output& record : EveryRecordWith(hostile)) {
      const std::string shown = ToPlainText(record, WallFromMs(1'772'366'400'123), style);
      ASSERT_EQ(Harm(shown), "") << "record " << record.index() << " with "
                                 << hostile.substr(0, 40);
      ASSERT_EQ(shown.find("\n99:99"), std::string::npos) << "record " << record.index();
    }
  }
}

}  // namespace
}  // namespace p2p::client
