#include "http/html_links.h"

#include <catch2/catch.hpp>

using namespace mk::apiserver;

TEST_CASE("links of a proxied page move below the proxy") {
  const std::pair<const char*, const char*> cases[] = {
      {"<a href=\"/x\">t</a>", "<a href=\"/p/x\">t</a>"},
      {"<A class=b HREF='/x?a=1'/>", "<A class=b HREF='/p/x?a=1'/>"},
      {"<img src=/i.png alt=\"/no\">", "<img src=/p/i.png alt=\"/no\">"},
      {"<a href=\"rel\"><a href=\"//h/x\"><a href=\"http://h/\">",
       "<a href=\"rel\"><a href=\"//h/x\"><a href=\"http://h/\">"},
      {"<a href=\"/p/x\">", "<a href=\"/p/x\">"},
      {"<!-- <a href=\"/x\"> --><form action = \"/f\" >",
       "<!-- <a href=\"/x\"> --><form action = \"/p/f\" >"},
      {"<script src=\"/s.js\">if (a < b) x('<a href=\"/x\">');</script><p>a < b",
       "<script src=\"/p/s.js\">if (a < b) x('<a href=\"/x\">');</script><p>a < b"},
      {"<a href=\"/unfinished", "<a href=\"/p/unfinished"},
      {"<", "<"},
      {"<a href=", "<a href="},
      {"no tags", "no tags"},
  };
  for (const auto& [page, moved] : cases) CHECK(move_links(page, "/p") == moved);
}
