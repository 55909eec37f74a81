-- Colour and route receipt: one script for the gateway, and for the two listeners of a sidecar.
-- Which of them runs it is said by `role` of the filter context (mesh/translation/filters.py).
-- All listeners of a proxy share one Lua machine (shared_vm_id) and a proxy has one worker, so that the tables below
-- join what comes in with what the application sends out. They are bounded; nothing here grows with traffic.
-- Rules: W3C Trace Context (traceparent, tracestate) and W3C Baggage.

local bit = require("bit")
local band, bor, bxor, bnot = bit.band, bit.bor, bit.bxor, bit.bnot
local rshift, lshift, ror, tobit, tohex = bit.rshift, bit.lshift, bit.ror, bit.tobit, bit.tohex
local find, match, gmatch, gsub, sub = string.find, string.match, string.gmatch, string.gsub, string.sub
local char, byte, concat = string.char, string.byte, table.concat

local COLORS_KEPT = 4096   -- colours whose code is remembered
local REQUESTS_KEPT = 5000 -- requests whose trace id is remembered; not near a power of two (see test_filters.py)
local HOPS_KEPT = 32       -- elements of one receipt
local COLOR_LENGTH = 40
local NO_CODE = "000000000000"
local TUNNEL = "tunnel.colorlane"
local RECEIPT, HOP, CODE = "x-colorlane-route", "x-colorlane-hop", "x-colorlane-code"

-- The code of a colour: the first 6 bytes of sha256("colorlane:" .. color), in hex ------------------------------------

local function primes(count)
  local found, n = {}, 2
  while #found < count do
    local prime = true
    for _, p in ipairs(found) do
      if n % p == 0 then prime = false break end
    end
    if prime then found[#found + 1] = n end
    n = n + 1
  end
  return found
end

local function fraction(x) return tobit((x % 1) * 4294967296 - (x % 1) * 4294967296 % 1) end

local K, H = {}, {}
for i, p in ipairs(primes(64)) do
  K[i] = fraction(p ^ (1 / 3))
  if i <= 8 then H[i] = fraction(p ^ 0.5) end
end

-- SHA-256 (FIPS 180-4) of one block: enough for the 50 bytes of the longest name.
local function sha256_start(text)
  local block = text .. "\128" .. string.rep("\0", 61 - #text) .. char(rshift(#text * 8, 8), band(#text * 8, 255))
  local w = {}
  for i = 1, 16 do
    local a, b, c, d = byte(block, i * 4 - 3, i * 4)
    w[i] = bor(lshift(a, 24), lshift(b, 16), lshift(c, 8), d)
  end
  for i = 17, 64 do
    local x, y = w[i - 15], w[i - 2]
    local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
    local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
    w[i] = tobit(w[i - 16] + s0 + w[i - 7] + s1)
  end
  local a, b, c, d, e, f, g, h = unpack(H)
  for i = 1, 64 do
    local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
    local t1 = tobit(h + s1 + bxor(band(e, f), band(bnot(e), g)) + K[i] + w[i])
    local s0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
    local t2 = tobit(s0 + bxor(band(a, b), band(a, c), band(b, c)))
    h, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
  end
  return tohex(tobit(a + H[1])) .. sub(tohex(tobit(b + H[2])), 1, 4)
end

local codes, colors, known = {}, {}, 0

-- Return the code of a colour, and remember which colour the code means.
local function code_of(color)
  local code = codes[color]
  if code then return code end
  if known >= COLORS_KEPT then codes, colors, known = {}, {}, 0 end
  code = sha256_start("colorlane:" .. color)
  codes[color], colors[code], known = code, color, known + 1
  return code
end

-- Reading -------------------------------------------------------------------------------------------------------------

local function valid(color)
  return color and #color <= COLOR_LENGTH and find(color, "^[a-z0-9][a-z0-9-]*$") and byte(color, -1) ~= 45 and color
end

local function trim(text) return match(text, "^[ \t]*(.-)[ \t]*$") end

local function unescape(text)
  return (gsub(text, "%%(%x%x)", function(hex) return char(tonumber(hex, 16)) end))
end

local function in_x_color(value) return value and valid(trim(match(value, "^[^,]*"))) end

local function in_baggage(value)
  if not value or not find(value, "color", 1, true) then return nil end
  for member in gmatch(value, "[^,]+") do
    local raw = match(member, "^[ \t]*color[ \t]*=([^;]*)")
    local color = raw and valid(unescape(trim(raw)))
    if color then return color end
  end
end

local function in_tracestate(value)
  if not value or not find(value, "colorlane=", 1, true) then return nil end
  for member in gmatch(value, "[^,]+") do
    local color = valid(match(member, "^[ \t]*colorlane=(.-)[ \t]*$"))
    if color then return color end
  end
end

local function in_cookie(value)
  if not value or not find(value, "colorlane=", 1, true) then return nil end
  for pair in gmatch(value, "[^;]+") do
    local color = valid(match(pair, '^[ \t]*colorlane="?([^"]-)"?[ \t]*$'))
    if color then return color end
  end
end

-- <color>.<domain> or <color>--<service>.<domain>, with or without a port.
local function in_host(host, domain)
  if not host or not domain then return nil end
  host = gsub(host:lower(), ":%d+$", "")
  if #host <= #domain + 1 or sub(host, -#domain - 1) ~= "." .. domain then return nil end
  local label = sub(host, 1, -#domain - 2)
  return valid(match(label, "^(.-)%-%-") or label)
end

-- Return trace id, parent id and flags; nothing if the header is not a valid traceparent.
local function in_traceparent(value)
  if not value then return nil end
  local version, id, parent, flags, rest = match(value, "^(%x%x)%-(%x+)%-(%x+)%-(%x%x)(.*)$")
  if not version or #id ~= 32 or #parent ~= 16 or version == "ff" or find(value, "%u") then return nil end
  if rest ~= "" and (version == "00" or byte(rest) ~= 45) then return nil end
  if not find(id, "[^0]") or not find(parent, "[^0]") then return nil end
  return id, parent, flags
end

local function carried(headers)
  return in_x_color(headers:get("x-color"))
    or in_baggage(headers:get("baggage"))
    or in_tracestate(headers:get("tracestate"))
end

-- Writing -------------------------------------------------------------------------------------------------------------

do
  local source = io.open("/dev/urandom", "rb")
  local a, b, c, d = byte(source and source:read(4) or tostring({}), -4, -1)
  if source then source:close() end
  math.randomseed(((a * 256 + b) * 256 + c) * 256 + d + os.time())
end

local random = math.random
local function random_word() return tohex(tobit(random(0, 4294967295))) end
local function new_parent() return random_word() .. random_word() end
local function new_id(code) return code .. random_word() .. random_word() .. sub(random_word(), 1, 4) end
local function new_traceparent(code) return "00-" .. new_id(code) .. "-" .. new_parent() .. "-01" end

-- Envoy's own replace() changes only the first of several lines.
local function put(headers, name, value)
  headers:remove(name)
  if value then headers:add(name, value) end
end

-- This proxy's name in Via (RFC 9110, 7.6.3): what comes back under it would go round until no port is left.
local OWN_NAME = "colorlane-" .. random_word() .. random_word()

-- Return the list without the members of that key, or nil if none is left.
local function without(list, key)
  local rest = {}
  for member in gmatch(list, "[^,]+") do
    if match(member, "^[ \t]*([^=; \t]+)") ~= key then rest[#rest + 1] = trim(member) end
  end
  return rest[1] and concat(rest, ",") or nil
end

local function strip(headers)
  local baggage, tracestate = headers:get("baggage"), headers:get("tracestate")
  headers:remove("x-color")
  headers:remove(CODE)
  if baggage and find(baggage, "color", 1, true) then put(headers, "baggage", without(baggage, "color")) end
  if tracestate and find(tracestate, "colorlane", 1, true) then
    put(headers, "tracestate", without(tracestate, "colorlane"))
  end
end

-- Write all carriers. A valid trace id of the application's own is left alone: it would lose its spans.
local function restore(headers, color, id)
  local baggage, tracestate = headers:get("baggage"), headers:get("tracestate")
  if headers:get("x-color") ~= color then put(headers, "x-color", color) end
  if baggage ~= "color=" .. color then
    local rest = baggage and without(baggage, "color")
    put(headers, "baggage", (rest and rest .. "," or "") .. "color=" .. color)
  end
  if tracestate ~= "colorlane=" .. color then
    local rest = tracestate and without(tracestate, "colorlane")
    put(headers, "tracestate", "colorlane=" .. color .. (rest and "," .. rest or ""))
  end
  if not id then
    put(headers, "traceparent", new_traceparent(code_of(color)))
  end
end

-- What is remembered of requests, by trace id: {color, open, hops, slot} ------------------------------------------------

local requests, slots, last_slot = {}, {}, 0

local function remember(id, color)
  local request = requests[id]
  if not request then
    last_slot = last_slot % REQUESTS_KEPT + 1
    local old = slots[last_slot]
    if old then requests[old] = nil end
    request = { open = 0, slot = last_slot }
    slots[last_slot], requests[id] = id, request
  end
  request.color = color or false
  request.open = request.open + 1
end

local function add_hops(request, receipt)
  local hops = request.hops or {}
  request.hops = hops
  for hop in gmatch(receipt, "[^,]+") do
    hop = trim(hop)
    if not hops[hop] and #hops < HOPS_KEPT then
      hops[#hops + 1] = hop
      hops[hop] = true
    end
  end
end

-- Requests ------------------------------------------------------------------------------------------------------------

-- The trust boundary: only what host, cookie or (if trusted) the client's carriers say becomes the colour.
local function enter(handle, headers, context)
  local trusted = context:get("trusted")
  local color = in_host(headers:get(":authority"), context:get("domain"))
    or trusted and carried(headers)
    or in_cookie(headers:get("cookie"))
  local id, parent, flags = in_traceparent(headers:get("traceparent"))
  local keep = trusted and id and (not color or sub(id, 1, 12) == code_of(color))
  if color or not trusted then strip(headers) end
  headers:remove(RECEIPT)
  if not keep then
    -- The trace is restarted (W3C Trace Context 3.4): its id says the colour, or provably none.
    id = new_id(color and code_of(color) or NO_CODE)
    put(headers, "traceparent", "00-" .. id .. "-" .. (parent or new_parent()) .. "-" .. (flags or "01"))
  end
  if color then restore(headers, color, id) end
  handle:clearRouteCache()
end

-- Some clients (Node's fetch) ask a proxy for a tunnel even for plain HTTP. What comes out of it is sent through this
-- listener once more, where it is an ordinary request; the route table has a virtual host for that.
local function tunnel(handle, headers)
  headers:replace(":authority", TUNNEL)
  handle:clearRouteCache()
end

-- A captured CONNECT was sent to another proxy, not to this one.
local function go_out(handle, headers, captured)
  if headers:get(":method") == "CONNECT" and not captured then return tunnel(handle, headers) end
  local id = in_traceparent(headers:get("traceparent"))
  local request = id and requests[id]
  local color = carried(headers) or request and request.color or id and colors[sub(id, 1, 12)]
  local before = headers:get("x-color")
  headers:remove(CODE)
  if color then
    restore(headers, color, id)
    if before ~= color then handle:clearRouteCache() end
    return
  end
  strip(headers) -- what is left is malformed
  if id and not request and sub(id, 1, 12) ~= NO_CODE then
    headers:add(CODE, sub(id, 1, 12)) -- a colour this proxy has not met; the route table may know it
  elseif not id then
    put(headers, "traceparent", new_traceparent(NO_CODE))
  end
  handle:clearRouteCache()
end

-- Colours stay inside; a request for this very proxy is answered, not sent through it again. Captured ones cannot come
-- back (their listener refuses its own port), and nobody who is not asked is named in Via: it changes what servers do.
local function go_outside(handle, headers, captured)
  strip(headers)
  headers:remove(RECEIPT)
  if captured then return end
  local via = headers:get("via")
  if via and find(via, OWN_NAME, 1, true) then
    handle:respond({ [":status"] = "508" }, "Colorlane: this address is the sidecar itself.\n")
    return
  end
  put(headers, "via", (via and via .. ", " or "") .. "1.1 " .. OWN_NAME)
end

local function come_in(headers)
  local id = in_traceparent(headers:get("traceparent"))
  local color = carried(headers)
  headers:remove(CODE)
  headers:remove(RECEIPT)
  if color then code_of(color) end
  if id then remember(id, color or colors[sub(id, 1, 12)]) end
end

function envoy_on_request(handle)
  local context = handle:filterContext()
  local role, captured, headers = context:get("role"), context:get("captured"), handle:headers()
  if role == "outbound" then
    go_out(handle, headers, captured)
  elseif role == "inbound" then
    come_in(headers)
  elseif role == "gateway" then
    enter(handle, headers, context)
  elseif not captured and headers:get(":method") == "CONNECT" and find(headers:get(":authority") or "", ":80$") then
    tunnel(handle, headers)
  else
    go_outside(handle, headers, captured)
  end
end

-- Responses -----------------------------------------------------------------------------------------------------------

-- One element of the receipt: who answered, and why it was not the lane's own workload.
local function element(service, color, version, lane, attempts, intended)
  if service == "" then return intended ~= "" and intended .. "@" .. lane .. "=-" or nil end
  local fallback = ""
  if lane ~= "" and lane ~= "-" and lane ~= color then
    fallback = ";fallback=" .. ((tonumber(attempts) or 0) > 1 and "failed" or "unhealthy")
  end
  return service .. "@" .. color .. "=" .. version .. fallback
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local hop = headers:get(HOP)
  if not hop then return end
  headers:remove(HOP)
  local service, color, version, lane, attempts, intended, traceparent =
    match(hop, "^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$")
  local role = handle:filterContext():get("role")
  local request = role ~= "gateway" and requests[sub(traceparent, 4, 35)]
  if role == "inbound" then
    put(headers, RECEIPT, request and request.hops and concat(request.hops, ", "))
    if request then
      request.open = request.open - 1
      if request.open <= 0 then request.open, request.hops = 0, nil end
    end
  elseif role == "passthrough" then
    headers:remove(RECEIPT)
  else
    local nested, own = headers:get(RECEIPT), element(service, color, version, lane, attempts, intended)
    local receipt = own and nested and own .. ", " .. nested or own or nested
    put(headers, RECEIPT, receipt)
    if receipt and request and request.open > 0 then add_hops(request, receipt) end
  end
end
