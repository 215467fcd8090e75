-- wrk -s award.lua URL -- TOKEN KEY-PREFIX KEYS FIRST-CUSTOMER LAST-CUSTOMER
-- Posts awards; with KEYS above 0 that many Idempotency-Keys take turns, else each is new.
local threads = 0

function setup(thread)
   thread:set("id", threads)
   threads = threads + 1
end

function init(args)
   keys, first, last = tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
   prefix = args[2] .. ":" .. id .. ":"
   count = 0
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
   if args[1] ~= "" then
      wrk.headers["Authorization"] = "Bearer " .. args[1]
   end
end

function request()
   local number = keys > 0 and count % keys or count
   count = count + 1
   wrk.headers["Idempotency-Key"] = prefix .. number
   local customer = first + (number * 7919) % (last - first + 1)
   return wrk.format(nil, nil, nil, string.format(
      '{"customer_id": %d, "points": 10, "description": "Welcome points"}', customer))
end

function done(summary, latency, requests)
   io.write(string.format('{"units": %d, "seconds": %f, "p50": %f, "p95": %f, "failures": %d}\n',
      summary.requests, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(95) / 1e3,
      summary.errors.connect + summary.errors.read + summary.errors.write
         + summary.errors.status + summary.errors.timeout))
end
