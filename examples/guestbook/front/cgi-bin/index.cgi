#!/bin/sh
# GET /: the page.
. /guestbook/redis.sh
entries=$(redis_command LRANGE entries 0 -1) || no_backend
title=$(title | escape_html)
{
  echo "<!doctype html><meta charset=\"utf-8\"><title>$title</title><h1>$title</h1>"
  echo '<form method="post" action="/cgi-bin/add"><input name="entry" maxlength="500" autofocus><button>Sign</button></form><ul>'
  printf '%s\n' "$entries" | escape_html | sed -n 's/..*/<li>&/p'
  echo "</ul><p>served by pod $(hostname)"
} | answer '200 OK' 'text/html; charset=utf-8'
