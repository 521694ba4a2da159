-- wrk's side of measure_api.py: one kind of request, chosen by the words after "--", and one line of JSON at the end.
local method, path, prefix, body
local count = 0

function init(words)
  method, path, prefix, body = words[1], words[2], words[3], words[4]
  wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
  wrk.headers["Accept"] = "application/json"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  if method ~= "POST" then return wrk.format(method, path) end
  count = count + 1
  return wrk.format(method, path, nil, (body:gsub("NAME", prefix .. count, 1)))
end

function done(summary, latency)
  local wrong = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "p50": %d, "p99": %d, "bytes": %d}\n',
    summary.requests, summary.duration, wrong.status, wrong.connect + wrong.read + wrong.write + wrong.timeout,
    latency:percentile(50), latency:percentile(99), summary.bytes))
end
