local ops = require "luatrain.ops.reverb"

local DELAYS = { { 3, 4, 5, 6, 7, 8, 9, 10, 2, 3, 5, 1 }, { 11, 2, 3, 1, 5, 13, 4, 7, 1, 2, 1, 4 } }
local GAINS = { { 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0 }, { 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8 } }

-- Combs side by side and all-passes in a row, by their difference equations.
local function reference(damping)
  return function(x)
    local rows = {}
    for b, row in ipairs(x:tolist()) do
      local y = {}
      for n = 1, #row do y[n] = 0 end
      for k = 1, 8 do
        local delay, gain, low, line = DELAYS[b][k], GAINS[b][k], 0, {}
        for n = 1, #row do
          local out = line[n - delay] or 0
          low = out * (1 - damping) + low * damping
          line[n] = row[n] + gain * low
          y[n] = y[n] + out / 8
        end
      end
      for k = 9, 12 do
        local delay, line = DELAYS[b][k], {}
        for n = 1, #row do
          local out = (line[n - delay] or 0) - 0.5 * y[n]
          line[n] = y[n] + 0.5 * out
          y[n] = out
        end
      end
      rows[b] = y
    end
    return lt.tensor(rows)
  end
end

local function room(damping)
  return function(x) return ops.reverb(x, lt.tensor(DELAYS, "i32"), lt.tensor(GAINS), damping) end
end

return {
  cases = {
    { name = "reverb", golden = false, inputs = { { 2, 60 } }, fn = room(0.4), reference = reference(0.4) },
    { name = "reverb_undamped", golden = false, inputs = { { 2, 33 } }, fn = room(0),
      reference = reference(0) },
    { name = "reverb_edges", golden = false, check = function()
      assert(room(0.5)(lt.zeros(2, 0)):numel() == 0)
      for wrong, change in pairs {
        ["damping is 1"] = function() return room(1)(lt.zeros(2, 5)) end,
        ["a delay is 0"] = function()
          return ops.reverb(lt.zeros(1, 5), lt.zeros({ 1, 12 }, { dtype = "i32" }), lt.zeros(1, 8), 0)
        end,
        ["a gain is 1"] = function()
          return ops.reverb(lt.zeros(1, 5), lt.ones({ 1, 12 }, { dtype = "i32" }), lt.ones(1, 8), 0)
        end,
        ["they must be (2, 12), (2, 8)"] = function()
          return ops.reverb(lt.zeros(2, 5), lt.ones({ 1, 12 }, { dtype = "i32" }), lt.ones(1, 8), 0)
        end,
      } do
        local ok, e = pcall(change)
        assert(not ok and tostring(e):find(wrong, 1, true), tostring(e))
      end
    end },
  },
}
