#include <catch2/catch.hpp>

#include <cstdlib>
#include <set>

#include "mk/base/bytes.h"
#include "mk/base/crc32c.h"
#include "mk/base/files.h"
#include "mk/base/hash.h"
#include "mk/base/ids.h"
#include "mk/base/result.h"
#include "mk/base/strings.h"

using namespace mk;

TEST_CASE("every reason survives its spelling") {
  for (int i = 0; i <= static_cast<int>(Reason::kServiceUnavailable); ++i) {
    const auto reason = static_cast<Reason>(i);
    CHECK(reason_from_string(to_string(reason)) == reason);
  }
  CHECK(http_code(Reason::kConflict) == 409);
  CHECK(reason_from_http(404) == Reason::kNotFound);
}

TEST_CASE("an error keeps its reason when context is added") {
  auto failing = []() -> Result<int> { return Error(Reason::kTimeout, "refused").wrap("dial x"); };
  const auto result = failing();
  REQUIRE(!result.ok());
  CHECK(result.error().message() == "dial x: refused");
  CHECK(result.error().is(Reason::kTimeout));
}

TEST_CASE("base64 round trips and refuses garbage") {
  for (const std::string text : {"", "f", "fo", "foo", "foob", "\xff\xfe"}) {
    CHECK(base64_decode(base64_encode(text)) == text);
    CHECK(base64url_decode(base64url_encode(text)) == text);
  }
  CHECK(base64_encode("foob") == "Zm9vYg==");
  CHECK(!base64_decode("Zm9vYg="));
  CHECK(!base64_decode("Zm9*"));
}

TEST_CASE("url decoding refuses a broken escape") {
  CHECK(url_decode("a%20b+c", true) == "a b c");
  CHECK(url_decode("a+b", false) == "a+b");
  CHECK(!url_decode("a%2", false));
  CHECK(url_encode("a b/c") == "a%20b%2Fc");
}

TEST_CASE("parse_int takes whole numbers only") {
  CHECK(parse_int("-12") == -12);
  CHECK(!parse_int(""));
  CHECK(!parse_int("1x"));
  CHECK(!parse_int("99999999999999999999"));
}

namespace mk::detail {
std::uint32_t crc32c_by_table(std::string_view bytes);
}

TEST_CASE("crc32c gives the published values, by instruction and by table, in one piece and in two") {
  CHECK(crc32c("123456789") == 0xe3069283u);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aau);  // RFC 3720, B.4
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43u);
  CHECK(crc32c("456789", crc32c("123")) == 0xe3069283u);
  for (std::size_t size = 0; size < 40; ++size) {
    const std::string bytes(size, static_cast<char>(size * 7));
    CHECK(crc32c(bytes) == detail::crc32c_by_table(bytes));
  }
}

TEST_CASE("uids are version 4 and differ") {
  const auto uid = new_uid();
  CHECK(uid.size() == 36);
  CHECK(uid[14] == '4');
  CHECK(uid != new_uid());
}

TEST_CASE("files are written whole, with their mode, and trees removed") {
  char pattern[] = "/tmp/mk-base-XXXXXX";
  const std::string dir = ::mkdtemp(pattern);
  REQUIRE(make_dirs(dir + "/a/b").ok());
  REQUIRE(write_file(dir + "/a/b/c", "hello", 0600).ok());
  CHECK(read_file(dir + "/a/b/c").value() == "hello");
  CHECK(read_file(dir + "/none").error().is(Reason::kNotFound));
  REQUIRE(remove_tree(dir).ok());
  CHECK(!file_exists(dir));
  CHECK(remove_tree(dir).ok());
}

TEST_CASE("hash64 tells texts, lengths and seeds apart, and is the same in every version") {
  CHECK(hash64("", 0) != hash64(std::string_view("\0", 1), 0));
  CHECK(hash64("a", 0) != hash64("a", 1));
  const std::string text(100, 'x');
  std::set<std::uint64_t> seen;
  for (std::size_t size = 0; size <= text.size(); ++size) seen.insert(hash64(text.substr(0, size), 7));
  CHECK(seen.size() == text.size() + 1);
  CHECK(hash64("the quick brown fox jumps", 42) == 0x49ed9c58aacc692);
}
