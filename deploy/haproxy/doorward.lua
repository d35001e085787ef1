-- Asks Doorward about a request: `http-request lua.doorward http://127.0.0.1:8080` (HAProxy 2.6 or newer).
--
-- What it sends: GET <address>/api/authz/haproxy, with
--   X-Forwarded-Method, -Proto, -Host, -Uri, -For   what HAProxy itself knows of the request, never the client's words
--   X-Doorward-Proxy-Secret                         the variable txn.doorward_secret, where it is set
--   the client's headers listed in PASSED           as they came, one line for each line
--
-- What it does with the answer:
--   200            removes every spelling of our identity headers, and of whatever else the answer names, that the client
--                  may have sent, and sets what the answer has: Cookie, Authorization and X-Api-Key without what is
--                  Doorward's own, headers of the app's own; sets the variable txn.doorward to "allowed"
--   anything else  goes to the client: status, headers (each Set-Cookie its own line) and body
--   no answer      503
--
-- HAProxy carries on with a request when a Lua action raises an error or runs out of time. So the action is followed by
--   http-request deny deny_status 503 unless { var(txn.doorward) -m str allowed }
-- and that line, not this script, is what keeps the door shut.

-- Milliseconds that Doorward may take to answer. HAProxy's client asks up to four times before it gives up.
local TIMEOUT = 1500

local IDENTITY = {
  "x-forwarded-user-email", "x-forwarded-user-name", "x-forwarded-user-groups",
  "remote-user", "remote-email", "remote-name", "remote-groups",
}

local PASSED = {
  "cookie", "authorization", "x-api-key", "user-agent", "accept", "x-requested-with", "origin",
  "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-site",
  -- By these Doorward knows a websocket from a page: HAProxy's client would not send an Upgrade on.
  "sec-websocket-key", "sec-websocket-version",
  "access-control-request-method", "access-control-request-headers",
}

local HOP_BY_HOP = {
  ["connection"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true, ["content-length"] = true,
  ["upgrade"] = true, ["te"] = true, ["trailer"] = true,
}

-- What an answer says about itself and not about the visitor.
local OWN = { ["cache-control"] = true, ["content-type"] = true, ["date"] = true, ["server"] = true }

local owned = {}
for _, name in ipairs(IDENTITY) do
  owned[name] = true
end

-- `X_Forwarded.User-Email` and its like: back ends that speak CGI, WSGI or PHP read them as the real one.
local function plain(name)
  return (string.gsub(string.lower(name), "[_.]", "-"))
end

-- HAProxy counts a header's lines from 0.
local function values(header)
  local found, index = {}, 0
  while header and header[index] do
    found[#found + 1] = header[index]
    index = index + 1
  end
  return found
end

local function question(txn, sent)
  local headers = {
    ["host"] = { "doorward" },
    ["x-forwarded-method"] = { txn.sf:method() },
    ["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" },
    ["x-forwarded-host"] = { txn.sf:req_fhdr("host") },
    ["x-forwarded-uri"] = { txn.sf:pathq() },
    ["x-forwarded-for"] = { txn.sf:src() },
  }
  local secret = txn:get_var("txn.doorward_secret")
  if secret then
    headers["x-doorward-proxy-secret"] = { secret }
  end
  for _, name in ipairs(PASSED) do
    if sent[name] then
      headers[name] = values(sent[name])
    end
  end
  return headers
end

local function refuse(txn, answer)
  local reply = txn:reply({ status = answer.status, reason = answer.reason, body = answer.body })
  for name, header in pairs(answer.headers or {}) do
    if not HOP_BY_HOP[string.lower(name)] then
      for _, value in ipairs(values(header)) do
        reply:add_header(name, value)
      end
    end
  end
  txn:done(reply)
end

local function allow(txn, sent, answer)
  for name in pairs(sent) do
    if owned[plain(name)] then
      txn.http:req_del_header(name)
    end
  end
  for _, name in ipairs(IDENTITY) do
    for _, value in ipairs(values(answer.headers[name])) do
      txn.http:req_add_header(name, value)
    end
  end
  txn.http:req_del_header("cookie")
  for name, header in pairs(answer.headers) do
    name = string.lower(name)
    if not owned[name] and not OWN[name] and not HOP_BY_HOP[name] then
      for spelt in pairs(sent) do
        if plain(spelt) == name then
          txn.http:req_del_header(spelt)
        end
      end
      for _, value in ipairs(values(header)) do
        if value ~= "" then
          txn.http:req_add_header(name, value)
        end
      end
    end
  end
  txn:set_var("txn.doorward", "allowed")
end

core.register_action("doorward", { "http-req" }, function(txn, address)
  txn:set_var("txn.doorward", "asked")
  local sent = txn.http:req_get_headers()
  local asked, answer = pcall(function()
    return core.httpclient():get({
      url = address .. "/api/authz/haproxy",
      headers = question(txn, sent),
      timeout = TIMEOUT,
    })
  end)
  if not asked or not answer or not answer.status or answer.status < 100 then
    txn:Warning("doorward: no answer from " .. address)
    return -- the line that follows this action answers 503
  end
  if answer.status == 200 then
    allow(txn, sent, answer)
  else
    refuse(txn, answer)
  end
end, 1)
