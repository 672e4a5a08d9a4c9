#include "peer-client/cli/plain_text.h"

#include <algorithm>
#include <ctime>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/text.h"

namespace p2p::client {
namespace {

constexpr absl::string_view kMenu = "1) list of active clients  2) broadcast a message";

constexpr absl::string_view kHelp =
    "  1, /list                     who is active\n"
    "  2, /broadcast TEXT           tell everybody; kept for half an hour\n"
    "  /status, /revoke [ID]        who has your last broadcast; take it back\n"
    "  /request NAME-or-ADDRESS [REASON]   ask somebody for a conversation\n"
    "  y, n  (/approve, /deny NAME)  answer somebody who asks you\n"
    "  /accept NAME 30m             a conversation that ends after that time\n"
    "  /cancel NAME, /requests      take a request back; what is open\n"
    "  /block, /unblock NAME, /blocked    hear no more requests of NAME\n"
    "  /msg NAME TEXT               say something; /chat NAME keeps NAME in view\n"
    "  /back, /hangup NAME          leave the view; end the conversation\n"
    "  /path NAME, /outbox          how you are connected; what has not arrived\n"
    "  /sendfile NAME PATH, /files  send a file; how files stand\n"
    "  /accept-file, /decline-file, /cancel-file, /pause-file, /resume-file [ID]   one of them\n"
    "  /history [NAME] [COUNT], /search TEXT, /export PATH   what was said\n"
    "  /verify NAME                 be sure that NAME is who you think; /trust NAME: a new key\n"
    "  /login, /signup, /logout     accounts; passwords are asked for and never shown\n"
    "  /doctor                      what works between you and the server\n"
    "  /penalties                   what you were penalised for, and what to do\n"
    "  /quit                        leave; you stay logged in for the next start\n";

std::string Line(absl::string_view untrusted) {
  return RenderUntrusted(untrusted, TextKind::kLine);
}

// The first few of those who do not have it yet.
std::string StillMissing(const out::BroadcastStatus& status) {
  constexpr size_t kNamed = 10;
  std::vector<std::string> names;
  size_t more = 0;
  for (const auto& delivery : status.deliveries) {
    if (delivery.state != "queued") continue;
    if (names.size() < kNamed) {
      names.push_back(Line(delivery.username));
    } else {
      ++more;
    }
  }
  std::string text = absl::StrJoin(names, ", ");
  if (more > 0) absl::StrAppend(&text, " and ", more, " more");
  return text;
}

// What a name is marked with: nothing when it is verified, or nobody.
std::string IdentityMark(absl::string_view state) {
  if (state == "unverified") return "unverified";
  if (state == "new-person") return "NEW PERSON";
  return state == "changed" ? "KEY CHANGED" : "";
}

// " (unverified)", to stand behind a name.
std::string Marked(absl::string_view state) {
  const std::string mark = IdentityMark(state);
  return mark.empty() ? "" : absl::StrCat(" (", mark, ")");
}

std::string LocalTime(WallTime t, const char* format) {
  const std::time_t seconds = static_cast<std::time_t>(ToMs(t) / 1000);
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[64];
  const size_t n = std::strftime(text, sizeof text, format, &local);
  return std::string(text, n);
}

std::string Clock(WallTime t) { return LocalTime(t, "%H:%M"); }

std::string Sentence(std::string text) {
  if (text.empty()) return text;
  text[0] = absl::ascii_toupper(static_cast<unsigned char>(text[0]));
  const char last = text.back();
  if (last != '.' && last != '!' && last != '?') text += '.';
  return text;
}

std::string Seconds(Duration d) {
  const auto s = std::chrono::ceil<std::chrono::seconds>(std::max(d, Duration::zero())).count();
  if (s < 120) return absl::StrCat(s, " s");
  return absl::StrCat((s + 30) / 60, " min");
}

std::string Size(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return unit == 0 ? absl::StrCat(bytes, " B") : absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string Milliseconds(Duration d) {
  return absl::StrFormat("%.1f ms", std::chrono::duration<double, std::milli>(d).count());
}

struct Renderer {
  WallTime now;
  const PlainStyle& style;

  std::string Struck(std::string text) const {
    return style.colour ? absl::StrCat("\033[9m", text, "\033[0m") : text;
  }
  std::string Bold(std::string text) const {
    return style.colour ? absl::StrCat("\033[1m", text, "\033[0m") : text;
  }
  // A line about what happens: "12:01 -!- text".
  std::string Info(absl::string_view text) const {
    const std::string stamp = absl::StrCat(Clock(now), " -!- ");
    return absl::StrCat(style.colour ? absl::StrCat("\033[2m", stamp, "\033[0m") : stamp, text,
                        "\n");
  }
  std::string Problem(absl::string_view text) const {
    return Info(style.colour ? absl::StrCat("\033[31m", text, "\033[0m") : std::string(text));
  }

  std::string operator()(const out::Connected& o) const {
    std::string text = Info(absl::StrCat(
        "Connected to ", o.server_name.empty() ? style.server : Line(o.server_name), "."));
    if (!o.greeting.empty()) text += Info(Line(o.greeting));
    if (o.resuming) return text;
    const bool signup =
        std::find(o.choices.begin(), o.choices.end(), Choice::kSignup) != o.choices.end();
    absl::StrAppend(&text, signup ? "Log in or sign up?\n1) log in  2) sign up\n"
                                  : "1) log in   (this server takes no sign-ups)\n");
    return text;
  }
  std::string operator()(const out::Retry& o) const {
    const std::string detail = Line(o.detail);
    const std::string when =
        absl::StrCat("next try in ", Seconds(o.in),
                     o.of > 0 ? absl::StrCat(" (", o.attempt, " of ", o.of, ")") : "");
    switch (o.reason) {
      case RetryReason::kFull:
        return Info(absl::StrCat("The server is full (", detail, "); ", when, "."));
      case RetryReason::kUnreachable:
        return Info(absl::StrCat("Cannot reach ", style.server, ": ", detail, "; ", when, "."));
      case RetryReason::kLost:
        return Info(absl::StrCat("The connection to the server was lost; ", when,
                                 ". Open conversations go on."));
      case RetryReason::kLimited:
        return Info(absl::StrCat(Sentence(detail), " Repeating by itself in ", Seconds(o.in), "."));
    }
    return "";
  }
  std::string operator()(const out::SignedUp& o) const {
    return absl::StrCat(Info(o.message.empty() ? absl::StrCat("Welcome, ", Line(o.username),
                                                              ". Now log in with your password.")
                                               : Line(o.message)),
                        "1) log in  2) sign up\n");
  }
  std::string operator()(const out::LoggedIn& o) const {
    std::string text =
        Info(absl::StrCat(o.resumed ? "Back as " : "Logged in as ", Bold(Line(o.username)), "."));
    absl::StrAppend(&text, kMenu, "\n");
    if (!o.resumed) {
      absl::StrAppend(&text, "/request NAME asks somebody for a conversation; /help shows all.\n");
    }
    return text;
  }
  std::string operator()(const out::LoggedOut& o) const {
    return Info(absl::StrCat("Logged out, ", Line(o.username), "."));
  }
  std::string operator()(const out::Active& o) const {
    std::string text = absl::StrCat("Active clients: ", o.clients.size(), "\n");
    size_t width = 0;
    for (const auto& c : o.clients) width = std::max(width, Line(c.username).size());
    for (const auto& c : o.clients) {
      const std::string name = Line(c.username);
      absl::StrAppend(&text, "  ", name, std::string(width - name.size() + 2, ' '),
                      Line(c.ip_address), c.username == style.me ? "  (you)" : "", "\n");
    }
    return text;
  }
  std::string operator()(const out::PeerRequest& o) const {
    const std::string from = Line(o.from);
    std::string text = Info(absl::StrCat(Bold(from), Marked(o.identity), " (", Line(o.ip_address),
                                         ") would like to talk with you",
                                         o.reason.empty() ? "." : ": ", Line(o.reason)));
    if (o.automatic) {
      return text + Info(absl::StrCat(from, " is on your list accept.auto: accepted."));
    }
    absl::StrAppend(&text, style.focus.empty()
                               ? std::string("Accept? y or n\n")
                               : absl::StrCat("/approve ", from, " or /deny ", from, "\n"));
    return text;
  }
  std::string operator()(const out::RequestSent& o) const {
    return Info(absl::StrCat(Line(o.to), " is being asked; the answer may take a minute."));
  }
  std::string operator()(const out::RequestOutcome& o) const {
    const std::string peer = Line(o.peer);
    if (o.outcome == "approved") {
      return Info(absl::StrCat("Approved: connecting you and ", peer, " directly."));
    }
    if (o.outcome == "denied") return Info(absl::StrCat("The request was declined (", peer, ")."));
    if (o.outcome == "expired") return Info(absl::StrCat("Nobody answered in time (", peer, ")."));
    if (o.outcome == "cancelled")
      return Info(absl::StrCat("The request was taken back (", peer, ")."));
    return Info(absl::StrCat(peer, " went away before the request was answered."));
  }
  std::string operator()(const out::ChatOpen& o) const {
    const std::string peer = Line(o.peer);
    if (o.reopened) {
      return Info(
          absl::StrCat(peer, Marked(o.identity), " is connected again (", Line(o.path), ")."));
    }
    std::string text = Info(absl::StrCat(
        "Talking with ", Bold(peer), ", directly and encrypted end to end (", Line(o.path), ")."));
    if (o.identity == "verified") text += Info(absl::StrCat(peer, " is verified."));
    if (o.identity == "unverified") {
      text += Info(absl::StrCat("Not verified yet; /verify ", peer, " shows how."));
    }
    if (o.identity == "new-person") {
      text +=
          Problem(absl::StrCat("A new person: somebody else was ", peer,
                               " when you last talked. /verify ", peer, " shows how to be sure."));
    }
    if (o.identity == "changed") {
      text += Problem(absl::StrCat(
          "Another key was shown for ", peer,
          " since: this conversation goes on by the one you knew. /verify ", peer, " says more."));
    }
    if (style.focus == o.peer) {
      absl::StrAppend(&text, "What you type now goes to ", peer,
                      ". /back returns to the menu, /list and /broadcast work too.\n");
    } else {
      absl::StrAppend(&text, "/chat ", peer, " to type to ", peer, "\n");
    }
    return text;
  }
  std::string operator()(const out::Path& o) const {
    const std::string peer = absl::StrCat(Line(o.peer), Marked(o.identity));
    std::string text =
        o.open ? Info(absl::StrCat(peer, ": connected, ", Line(o.path), ", round trip ",
                                   o.rtt ? Milliseconds(*o.rtt) : "not measured yet", "."))
               : Info(absl::StrCat(peer, ": not connected; tried again by itself."));
    for (const auto& line : o.tried) text += absl::StrCat("    ", Line(line), "\n");
    return text + Info(absl::StrCat(peer, " can dial you at port ", o.chat_port, "."));
  }
  std::string operator()(const out::Outbox& o) const {
    if (o.entries.empty()) return Info("Everything you said has arrived.");
    std::string text = Info(absl::StrCat("Not confirmed yet: ", o.entries.size()));
    for (const auto& entry : o.entries) {
      absl::StrAppend(&text, "    ", Clock(entry.sent_at), " to ", Line(entry.peer), ": ",
                      Line(entry.text), "\n");
    }
    return text;
  }
  std::string operator()(const out::Requests& o) const {
    if (o.incoming.empty() && o.outgoing.empty()) return Info("No request is open.");
    std::string text;
    const auto add = [&](const char* what, const out::Requests::Entry& entry) {
      absl::StrAppend(
          &text, "    ", what, " ", Line(entry.peer),
          entry.ip_address.empty() ? "" : absl::StrCat(" (", Line(entry.ip_address), ")"), ", ",
          Seconds(entry.age), " ago, ", Seconds(entry.left), " left",
          entry.reason.empty() ? "" : ": ", Line(entry.reason), "\n");
    };
    for (const auto& entry : o.incoming) add("from", entry);
    for (const auto& entry : o.outgoing) add("to  ", entry);
    return Info("Open requests:") + text;
  }
  std::string operator()(const out::Blocked& o) const {
    if (o.entries.empty()) return Info("You block nobody.");
    std::string text = Info("You block:");
    for (const auto& entry : o.entries) {
      absl::StrAppend(&text, "    ", Line(entry.peer), ", ", entry.ignored,
                      entry.ignored == 1 ? " request ignored\n" : " requests ignored\n");
    }
    return text;
  }
  std::string operator()(const out::Chat& o) const {
    return absl::StrCat(Clock(o.sent_at), " <", Bold(Line(o.peer)),
                        // Said with every line it would be noise, unless something is wrong.
                        o.identity == "changed" ? Marked(o.identity) : "", "> ",
                        RenderUntrusted(o.text), "\n");
  }
  // The typed line stands on the screen; how far the last one got stands in the prompt.
  std::string operator()(const out::Receipt&) const { return ""; }
  std::string operator()(const out::ChatClosed& o) const {
    if (!o.for_good) {
      std::string text = Info(absl::StrCat("No connection with ", Line(o.peer),
                                           " now, trying again: ", Sentence(Line(o.reason))));
      if (style.focus == o.peer) {
        text += Info(absl::StrCat("What you type waits for ", Line(o.peer), "; /back leaves."));
      }
      return text;
    }
    return Info(absl::StrCat("The conversation with ", Line(o.peer),
                             " was closed: ", Sentence(Line(o.reason))));
  }
  std::string operator()(const out::FileOffer& o) const {
    const std::string id = Line(o.id.substr(0, 8));
    return Info(absl::StrCat(Bold(Line(o.peer)), Marked(o.identity), " offers the file ",
                             Bold(Line(o.name)), ", ", Size(o.size), ".")) +
           absl::StrCat("/accept-file ", id, " or /decline-file ", id, "\n");
  }
  std::string operator()(const out::Transfer& o) const {
    const std::string what =
        absl::StrCat(Line(o.name), o.incoming ? " from " : " to ", Line(o.peer), ": ");
    if (o.state == "done") {
      return Info(absl::StrCat(what, "done, ", Size(o.size), ", verified.",
                               o.incoming ? absl::StrCat(" It is ", Line(o.path)) : ""));
    }
    if (o.state == "cancelled" || o.state == "failed") {
      return Problem(absl::StrCat(what, o.state, ", ", Sentence(Line(o.reason))));
    }
    const uint64_t percent = o.size == 0 ? 100 : o.bytes * 100 / o.size;
    std::string text = absl::StrCat(what, Line(o.state), ", ", percent, " % of ", Size(o.size));
    if (o.rate > 0) {
      absl::StrAppend(&text, ", ", Size(static_cast<uint64_t>(o.rate)), "/s");
    }
    if (o.left) absl::StrAppend(&text, ", ", Seconds(*o.left), " left");
    return Info(text + ".");
  }
  std::string operator()(const out::Transfers& o) const {
    if (o.entries.empty()) return Info("No files.");
    std::string text;
    for (const auto& entry : o.entries) {
      absl::StrAppend(&text, Line(entry.id.substr(0, 8)), "  ", (*this)(entry));
    }
    return text;
  }
  std::string operator()(const out::History& o) const {
    if (o.entries.empty()) return Info("Nothing was found.");
    std::string text;
    for (const auto& entry : o.entries) {
      const std::string peer = entry.peer.empty() ? "anonymous" : Line(entry.peer);
      const std::string who = entry.kind == "out"         ? absl::StrCat("<you to ", peer, "> ")
                              : entry.kind == "broadcast" ? absl::StrCat("[", peer, "] ")
                                                          : absl::StrCat("<", peer, "> ");
      absl::StrAppend(&text, LocalTime(entry.at, "%Y-%m-%d %H:%M"), " ", who,
                      RenderUntrusted(entry.text), "\n");
    }
    return text;
  }
  std::string operator()(const out::Exported& o) const {
    return Info(absl::StrCat(o.lines, " lines are in ", Line(o.path), "."));
  }
  std::string operator()(const out::Broadcast& o) const {
    const std::string from =
        o.sender.empty() ? "Anonymous broadcast" : absl::StrCat("Broadcast from ", Line(o.sender));
    return absl::StrCat(
        Bold(absl::StrCat("[", from, ", ", LocalTime(o.sent_at, "%Y-%m-%d %H:%M:%S"), "]")), " ",
        RenderUntrusted(o.text), "\n");
  }
  std::string operator()(const out::BroadcastRevoked& o) const {
    const std::string from =
        o.sender.empty() ? "an anonymous broadcast" : absl::StrCat(Line(o.sender), "'s broadcast");
    return Info(
        absl::StrCat("Taken back, ", from, " of ", Clock(o.sent_at), ": ", Struck(Line(o.text))));
  }
  std::string operator()(const out::BroadcastSent& o) const {
    return Info(absl::StrCat("Your broadcast is on its way; newcomers get it until ",
                             Clock(o.expires_at), "."));
  }
  std::string operator()(const out::BroadcastStatus& o) const {
    std::string text = Info(absl::StrCat("Broadcast ", Line(o.id), ": ", o.delivered, " of ", o.due,
                                         " have it.", o.revoked ? " It was taken back." : ""));
    const std::string missing = StillMissing(o);
    return missing.empty() ? text : text + Info(absl::StrCat("Not yet: ", missing, "."));
  }
  std::string operator()(const out::Identity& o) const {
    const std::string peer = Line(o.peer);
    std::string text = Info(absl::StrCat("Your safety number with ", peer, ":"));
    for (size_t i = 0; i < o.safety_number.size(); i += 5) {
      absl::StrAppend(&text, i % 20 == 0 ? "    " : " ", Line(o.safety_number.substr(i, 5)),
                      i % 20 == 15 ? "\n" : "");
    }
    if (o.state == "verified") return text + Info(absl::StrCat(peer, " is verified."));
    if (o.state == "changed") {
      return text +
             Problem(absl::StrCat("The key of ", peer,
                                  " has CHANGED; this number is of the new one.")) +
             Info(absl::StrCat("If ", peer, " reads the same one to you, /trust ", peer,
                               " takes it."));
    }
    return text +
           Info(absl::StrCat("Let ", peer, " read it to you, by voice or side by side. If it ",
                             "is the same: /verify ", peer, " ok"));
  }
  std::string operator()(const out::BroadcastProgress& o) const {
    const auto minutes = std::chrono::ceil<std::chrono::minutes>(o.left).count();
    return Info(absl::StrCat("Delivered ", o.delivered, "/", o.due, ", ", minutes, " min left."));
  }
  std::string operator()(const out::Penalties& o) const {
    if (o.entries.empty()) return Info("You have no penalties.");
    std::string text;
    for (const auto& entry : o.entries) {
      text += Info(absl::StrCat("Penalty of ", LocalTime(entry.start, "%Y-%m-%d %H:%M:%S"), ": ",
                                Sentence(Line(entry.reason))));
      text += Info(entry.end > entry.start
                       ? absl::StrCat("No log-in until ", LocalTime(entry.end, "%H:%M:%S"), "; ",
                                      entry.count, " count.")
                       : absl::StrCat("It ended that session; ", entry.count, " count."));
      if (!entry.next_step.empty()) text += Info(Sentence(Line(entry.next_step)));
    }
    return text;
  }
  std::string operator()(const out::Doctor& o) const {
    std::string text;
    for (const auto& check : o.checks) {
      const std::string line = absl::StrCat(check.check, ": ", Sentence(Line(check.detail)));
      text += check.ok ? Info(line) : Problem(line);
    }
    return text;
  }
  std::string operator()(const out::Penalised& o) const {
    std::string text =
        Problem(absl::StrCat("The server ended this session: ", Sentence(Line(o.reason))));
    if (o.until > now) {
      text += Info(absl::StrCat("You may log in again at ", LocalTime(o.until, "%H:%M:%S"), "."));
    }
    if (!o.next_step.empty()) text += Info(Sentence(Line(o.next_step)));
    return text;
  }
  std::string operator()(const out::Error& o) const {
    // The server names the field; a person knows it as the second line typed.
    const bool unequal = absl::StartsWith(o.message, "confirm_password is not the same");
    std::string message =
        unequal ? "The two passwords are not the same." : Sentence(Line(o.message));
    if (message.empty()) message = Sentence(Line(o.code));
    std::string text = Problem(message);
    if (!o.fingerprint.empty())
      text += Info(absl::StrCat("The key it showed: ", Line(o.fingerprint)));
    return text;
  }
  std::string operator()(const out::Prompt& o) const {
    if (o.field == PromptField::kTrustServer) {
      return absl::StrCat("This is the first time you meet ", style.server,
                          ". Its key has the fingerprint\n  ", Line(o.subject),
                          "\nCompare it with what the server's operator tells you "
                          "(the server prints it when it starts).\n");
    }
    if (o.field == PromptField::kSendRequestAnyway) {
      return absl::StrCat(Line(o.subject),
                          " is not on the list of active clients.\nA request for a name that does "
                          "not exist ends your session.\n");
    }
    if (o.field == PromptField::kKeepBroadcast) {
      return "There is no connection to the server now.\nThe message can wait for it, for half an "
             "hour at most.\n";
    }
    return "";
  }
  std::string operator()(const out::PromptDone&) const { return ""; }
  std::string operator()(const out::Notice& o) const { return Info(Line(o.text)); }
  std::string operator()(const out::Help&) const { return std::string(kHelp); }
};

}  // namespace

std::string ToPlainText(const Output& output, WallTime now, const PlainStyle& style) {
  return std::visit(Renderer{now, style}, output);
}

bool IsSecret(PromptField field) {
  return field == PromptField::kPassword || field == PromptField::kConfirmPassword;
}

std::string PromptText(const out::Prompt& prompt) {
  switch (prompt.field) {
    case PromptField::kUsername:
      return "Username: ";
    case PromptField::kPassword:
      return "Password: ";
    case PromptField::kConfirmPassword:
      return "Password again: ";
    case PromptField::kTrustServer:
      return "Trust this server from now on? [y/N] ";
    case PromptField::kSendRequestAnyway:
      return "Send it anyway? [y/N] ";
    case PromptField::kKeepBroadcast:
      return "Send it when the server is back? [y/N] ";
    case PromptField::kBroadcastText:
      return "Message to everybody (empty: none): ";
  }
  return "";
}

std::string IdlePrompt(const PlainStyle& style) {
  if (style.me.empty()) return "> ";
  if (style.focus.empty()) return absl::StrCat(Line(style.me), "> ");
  std::vector<std::string> marks;
  if (const std::string mark = IdentityMark(style.identity); !mark.empty()) marks.push_back(mark);
  if (!style.said.empty()) marks.push_back(style.said);
  return absl::StrCat(Line(style.me), " -> ", Line(style.focus),
                      marks.empty() ? "" : absl::StrCat(" (", absl::StrJoin(marks, ", "), ")"),
                      "> ");
}

}  // namespace p2p::client
