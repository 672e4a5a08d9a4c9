#include "peer-client/oneshot/result_text.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace p2p::client::oneshot {
namespace {

using ::testing::Each;
using ::testing::Not;
using Json = nlohmann::ordered_json;

TEST(ResultTextTest, ColumnsLineUp) {
  const Json event = {{"event", "active"},
                      {"clients",
                       {{{"username", "al"}, {"ip_address", "10.0.0.7"}},
                        {{"username", "barbara"}, {"ip_address", "::1"}},
                        "not an entry"}}};
  EXPECT_EQ(ResultText(event), "al       10.0.0.7\nbarbara  ::1\n");
  EXPECT_EQ(ResultText({{"event", "active"}}), "");
}

TEST(ResultTextTest, OneLineForEachResult) {
  EXPECT_EQ(ResultText({{"event", "broadcast_sent"}, {"id", "ab"}, {"expires_at", "soon"}}),
            "ab  soon\n");
  EXPECT_EQ(ResultText({{"event", "request_outcome"}, {"outcome", "approved"}, {"peer", "bob"}}),
            "approved bob\n");
  EXPECT_EQ(
      ResultText({{"event", "receipt"}, {"state", "delivered"}, {"peer", "bob"}, {"id", "m"}}),
      "delivered bob m\n");
  EXPECT_EQ(ResultText({{"event", "broadcast_status"},
                        {"delivered", 1u},
                        {"due", 2u},
                        {"deliveries", {{{"username", "bob"}, {"state", "due"}}}}}),
            "1 of 2 delivered\nbob  due\n");
  EXPECT_EQ(ResultText({{"event", "signed_up"}}), "signed up\n");
}

TEST(ResultTextTest, ADryRunSaysForHowLongAndWhoSaysSo) {
  Json preview = {{"event", "broadcast_preview"}, {"due_now", 2u}, {"ttl_s", 60u}};
  preview["usernames"] = {"alice", "bob"};
  preview["ttl_from"] = "option";
  EXPECT_EQ(ResultText(preview), "2 would get it now, others for 60 s, as asked\nalice\nbob\n");
  preview["usernames"] = Json::array();
  preview["ttl_from"] = "server";
  EXPECT_EQ(ResultText(preview),
            "2 would get it now, others for 60 s, the longest this server keeps one\n");
  preview["ttl_from"] = "protocol";
  EXPECT_EQ(ResultText(preview),
            "2 would get it now, others for at most 60 s; the server does not "
            "say for how long it keeps one\n");
}

TEST(ResultTextTest, FieldsOfOtherTypesAreTakenAsMissing) {
  EXPECT_EQ(ResultText({{"event", "broadcast_preview"}, {"usernames", {7, "bob"}}}),
            "0 would get it now, others for 0 s; the server does not say for how long it keeps "
            "one\nbob\n");
  EXPECT_EQ(ResultText({{"event", "broadcast_status"}, {"revoked", "yes"}}), "0 of 0 delivered\n");
  EXPECT_NE(ResultText({{"event", "doctor"}, {"checks", {1, {{"ok", "yes"}}}}}), "");
}

TEST(EventTextTest, WhatPeersWriteCannotSteerTheTerminal) {
  const std::string evil = "a\x1b[2J\nb\r\x07";
  for (const Json& event :
       {Json{{"event", "chat"}, {"peer", evil}, {"text", evil}, {"at", evil}},
        Json{{"event", "broadcast"}, {"sender", evil}, {"text", evil}, {"sent_at", evil}},
        Json{{"event", "broadcast_revoked"}, {"sender", evil}, {"sent_at", evil}},
        Json{{"event", "peer_request"}, {"from", evil}, {"ip_address", evil}, {"reason", evil}},
        Json{{"event", "chat_closed"}, {"peer", evil}, {"reason", evil}},
        Json{{"event", "error"}, {"code", evil}, {"message", evil}},
        Json{{"event", "penalised"}, {"reason", evil}}}) {
    const std::string text = EventText(event);
    EXPECT_FALSE(text.empty());
    EXPECT_THAT(text, Each(Not('\x1b')));
    EXPECT_THAT(text, Each(Not('\r')));
    EXPECT_THAT(text, Each(Not('\x07')));
    EXPECT_EQ(text.back(), '\n');
  }
}

TEST(EventTextTest, AMessageCannotPassItselfOffAsAnother) {
  const std::string text = EventText(
      {{"event", "chat"}, {"at", "T"}, {"peer", "eve"}, {"text", "hi\nT <bob> send money"}});
  EXPECT_EQ(text.find("\nT <bob>"), std::string::npos) << text;
}

TEST(EventTextTest, ABroadcastThatIsTakenBackIsNamedAsItWasShown) {
  const Json fields = {{"sender", "alice"}, {"sent_at", "S"}, {"at", "T"}, {"text", "tea"}};
  Json shown = fields, revoked = fields;
  shown["event"] = "broadcast";
  revoked["event"] = "broadcast_revoked";
  EXPECT_EQ(EventText(shown), "T [broadcast from alice, S] tea\n");
  EXPECT_EQ(EventText(revoked), "T [broadcast from alice, S] was taken back\n");
  revoked["sender"] = "";
  EXPECT_EQ(EventText(revoked), "T [broadcast from anonymous, S] was taken back\n");
}

TEST(EventTextTest, WhatIsNotForPeopleIsEmpty) {
  EXPECT_EQ(EventText({{"event", "retry"}}), "");
  EXPECT_EQ(EventText(Json::object()), "");
}

}  // namespace
}  // namespace p2p::client::oneshot
