-- Every op: the cases of tests/ops/*.lua, and that no registered kernel goes untested.
local ffi = require "ffi"
local core = require "luatrain.core"
local harness = require "ops_harness"
local C = core.C

local function stems()
  local list = {}
  local pipe = io.popen "ls tests/ops/*.lua"
  for line in pipe:lines() do list[#list + 1] = line:match "ops/(.-)%.lua$" end
  pipe:close()
  return list
end

local function called(info)
  local list = {}
  for i = 0, C.lt_op_count() - 1 do
    core.check(C.lt_op_get(info, i))
    list[ffi.string(info.name)] = tonumber(info.calls)
  end
  return list
end

describe("ops", function()
  for _, stem in ipairs(stems()) do
    local file = dofile("tests/ops/" .. stem .. ".lua")
    describe(stem, function()
      local golden
      for _, case in ipairs(file.cases) do
        it(case.name, function()
          lt.manual_seed(7)
          if file.golden and not golden then
            golden = lt.keep(lt.safetensors.load("tests/golden/" .. file.golden .. ".safetensors"))
          end
          harness.check(case, golden)
        end)
      end
    end)
  end

  it("leaves no registered op untested", function()
    local missing = {}
    for name, calls in pairs(called(ffi.new "lt_op_info")) do
      if calls == 0 then missing[#missing + 1] = name end
    end
    table.sort(missing)
    assert.are.same({}, missing)
  end)

  it("has a gradient or an explicit 'no gradient' for every op", function()
    for name, def in pairs(lt.op.defined) do
      assert(def.backward or def.no_gradient, name)
    end
  end)

  it("catches a wrong gradient", function()
    local wrong = lt.op.define {
      name = "wrong_square",
      forward = function(saved, x) saved.x = x return x * x end,
      backward = function(saved, dy) return dy * saved.x * 1.98 end,
    }
    local caught = 0
    for seed = 1, 20 do
      lt.manual_seed(seed)
      lt.scope(function()
        local e = harness.directional({ fn = wrong }, { lt.randn(4, 5) })
        if e > 1e-3 then caught = caught + 1 end
      end)
    end
    lt.op.defined.wrong_square = nil
    assert.is_true(caught >= 18)
  end)
end)
