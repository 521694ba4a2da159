#include "mk/base/ids.h"

#include <sys/random.h>

#include <string_view>

#include "mk/base/assert.h"
#include "mk/base/strings.h"

namespace mk {

std::string random_bytes(std::size_t count) {
  std::string out(count, '\0');
  for (std::size_t done = 0; done < count;) {
    const ssize_t got = ::getrandom(out.data() + done, count - done, 0);
    if (got > 0) done += static_cast<std::size_t>(got);
  }
  return out;
}

std::string new_uid() {
  // Every request has one, and a call of the kernel costs more than the rest: so 32 at a time. What was given
  // out is overwritten by the next batch.
  thread_local std::string batch;
  if (batch.size() < 16) batch = random_bytes(512);
  std::string raw = batch.substr(batch.size() - 16);
  batch.resize(batch.size() - 16);
  raw[6] = static_cast<char>((raw[6] & 0x0f) | 0x40);
  raw[8] = static_cast<char>((raw[8] & 0x3f) | 0x80);
  std::string text = hex(raw);
  for (std::size_t at : {20, 16, 12, 8}) text.insert(at, 1, '-');
  return text;
}

std::string random_suffix(std::size_t length) {
  // No vowels (no words), no 0, 1, 3 (no look-alikes): the alphabet clients know from pod names.
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (unsigned char byte : random_bytes(length)) out.push_back(kAlphabet[byte % kAlphabet.size()]);
  return out;
}

std::string random_token(std::size_t hex_digits) {
  return hex(random_bytes((hex_digits + 1) / 2)).substr(0, hex_digits);
}

}  // namespace mk
