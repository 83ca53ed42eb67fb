#include "tsingest/service/scrub.h"

#include <gtest/gtest.h>

namespace tsingest {
namespace {

TEST(ScrubSecrets, HidesThePasswordOfAUri) {
  EXPECT_EQ(ScrubSecrets("to postgresql://user:p%40ss@host:5432/db failed"),
            "to postgresql://user:****@host:5432/db failed");
  EXPECT_EQ(ScrubSecrets("mqtt://u:a/b@c:d@broker:1883/t, mqtts://x:y@z"),
            "mqtt://u:****@broker:1883/t, mqtts://x:****@z");
  EXPECT_EQ(ScrubSecrets("a://u:1@h b://v:2@i"), "a://u:****@h b://v:****@i");
}

TEST(ScrubSecrets, HidesValuesOfSecretKeys) {
  EXPECT_EQ(ScrubSecrets("host=h password=hush dbname=d"), "host=h password=**** dbname=d");
  EXPECT_EQ(ScrubSecrets("password='hu\\'sh x' dbname=d"), "password='****' dbname=d");
  EXPECT_EQ(ScrubSecrets("password = hush"), "password = ****");
  EXPECT_EQ(ScrubSecrets("sasl.PASSWORD=hush"), "sasl.PASSWORD=****");
  EXPECT_EQ(ScrubSecrets("postgresql://h/d?user=u&password=a,b&x=1"),
            "postgresql://h/d?user=u&password=****&x=1");
  EXPECT_EQ(ScrubSecrets(R"({"password": "hu\"sh", "user": "u"})"),
            R"({"password": "****", "user": "u"})");
  EXPECT_EQ(ScrubSecrets("client.secret=1 access_token=2 ssl.key.passphrase=3"),
            "client.secret=**** access_token=**** ssl.key.passphrase=****");
  EXPECT_EQ(ScrubSecrets("password=a&b c"), "password=**** c");
}

TEST(ScrubSecrets, LeavesEverythingElse) {
  for (const char* text :
       {"", "plain", "password authentication failed for user \"u\"", "postgresql://host/db",
        "http://h:8080/status", "postgresql://u@h/db", "error: password: wrong", "tokens=5",
        "password=", "a=b:c@d", "postgresql://h/d?options=a:b@c"}) {
    EXPECT_EQ(ScrubSecrets(text), text);
  }
}

}  // namespace
}  // namespace tsingest
