-- Requests byte for byte from the file named by REQUESTS (NUL between them); the numbers on one line at the end.
local requests = {}
for text in io.open(os.getenv("REQUESTS"), "rb"):read("*a"):gmatch("[^%z]+") do
  requests[#requests + 1] = text
end
local at = 0

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("NUMBERS %d %d %d %d\n", summary.requests, summary.duration, summary.errors.status, errors))
end
