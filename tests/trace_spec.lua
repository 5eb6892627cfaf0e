-- Hot Lua code must compile: a loop of ops makes a trace and no abort that blacklists it.
local vmdef_ok = pcall(require, "jit.util")

-- Runs f with every trace event counted: {stop = n, abort = n}.
local function traced(f)
  local events = { start = 0, stop = 0, abort = 0, flush = 0 }
  local reasons = {}
  local function on_trace(what, trace, _, _, code, reason)
    events[what] = (events[what] or 0) + 1
    if what == "abort" then
      reasons[#reasons + 1] = ("trace %d: %s %s"):format(trace, tostring(code), tostring(reason))
    end
  end
  jit.flush()
  jit.attach(on_trace, "trace")
  f()
  jit.attach(on_trace)
  return events, reasons
end

describe("traces", function()
  if not vmdef_ok or not jit.status() then return end

  it("compile a loop of ops without gradients", function()
    local x = lt.randn(8, 8)
    local y = lt.randn(8, 8)
    local events = traced(function()
      lt.no_grad(function()
        for _ = 1, 400 do lt.scope(function() return nil end) end
        for _ = 1, 400 do lt.Tensor.release(x + y) end
      end)
    end)
    assert.is_true(events.stop > 0)
    assert.are.equal(0, events.flush)
  end)

  it("compile reading elements and sizes", function()
    local x = lt.randn(100)
    local sum
    local events, reasons = traced(function()
      sum = 0
      local data = x:data()
      for i = 0, x:numel() - 1 do sum = sum + data[i] end
      for _ = 1, 300 do sum = sum + x:size(1) end
    end)
    assert.is_true(events.stop >= 1, table.concat(reasons, "; "))
  end)
end)
