# The front end's way to redis: its wire protocol over nc. Sourced by the CGI programs.
#
# From the pod: BACKEND_HOST, BACKEND_PORT (where redis is) and BACKEND_PASSWORD (from the Secret).

# Words as one command on the wire; lengths are bytes.
redis_encode() {
  printf '*%d\r\n' $#
  for word in "$@"; do
    printf '$%d\r\n%s\r\n' "$(printf %s "$word" | wc -c)" "$word"
  done
}

# Replies to AUTH, the command and QUIT -> the command's values, one a line. An error, or an end before QUIT is
# answered, is a failure.
redis_decode() {
  tr -d '\r' | awk '
    value { print; value = 0; next }
    /^-/ { print "redis: " substr($0, 2) > "/dev/stderr"; failed = 1; exit }
    /^\$-1$/ { next }
    /^\$/ { value = 1; next }
    /^\+/ { good++ }
    END { exit failed || good < 2 }'
}

redis_command() {
  {
    redis_encode AUTH "$BACKEND_PASSWORD"
    redis_encode "$@"
    redis_encode QUIT
  } | nc -w 5 "${BACKEND_HOST:-redis}" "${BACKEND_PORT:-6379}" | redis_decode
}

escape_html() {
  sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g' -e 's/"/\&quot;/g'
}

# The title is a file mounted from a ConfigMap: read at every request, so an edited ConfigMap shows at the next one.
title() {
  cat /etc/guestbook/title 2> /dev/null || echo Guestbook
}

answer() { # STATUS, then the body on standard input
  printf 'Status: %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n\r\n' "$1" "${2:-text/plain; charset=utf-8}"
  cat
}

no_backend() {
  echo "the back end does not answer; is the Deployment redis ready?" | answer '503 Service Unavailable'
  exit 0
}
