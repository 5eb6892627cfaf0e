-- Allocation number n fails, for every n of a small training run: each time an error or a recovery,
-- never a crash, a leak or a half-done step that goes unnoticed.
local C = require("luatrain.core").C

local function train_once()
  lt.manual_seed(3)
  local model = lt.nn.Sequential {
    lt.nn.Conv2d(1, 4, 3, { padding = 1 }), lt.nn.BatchNorm2d(4), lt.nn.ReLU(),
    lt.nn.AdaptiveAvgPool2d(1), lt.nn.Flatten(), lt.nn.Linear(4, 3),
  }
  local optimizer = lt.optim.AdamW(model:parameters(), { lr = 1e-2 })
  local loss
  for _ = 1, 2 do
    lt.scope(function()
      local scores = model(lt.randn(2, 1, 6, 6))
      local l = lt.loss.cross_entropy(scores, lt.tensor({ 0, 2 }, "i64"))
      l:backward()
      optimizer:step()
      optimizer:zero_grad()
      loss = l:item()
    end)
  end
  return loss
end

-- Finalizers run in the cycle after the one that finds their object dead, and compiled traces hold on to
-- what they have seen.
local function collect()
  jit.flush()
  for _ = 1, 4 do collectgarbage() end
end

describe("running out of memory", function()
  it("is an error or a recovery at every allocation", function()
    local expected = train_once()
    collect()
    local first = lt.memory()
    train_once()
    local count = lt.memory().allocations - first.allocations
    assert.is_true(count > 20)
    local failed, recovered = 0, 0
    for n = 1, count do
      C.lt_memory_fail_at(n)
      local ok, result = pcall(train_once)
      C.lt_memory_fail_at(0)
      if ok then
        recovered = recovered + 1
        assert.are.equal(expected, result)
      else
        failed = failed + 1
        assert.is_truthy(tostring(result):find "out of memory", result)
      end
      assert.is_true(lt.grad_enabled())
    end
    collect()
    assert.are.equal(count, failed + recovered)
    assert.are.equal(first.storages, lt.memory().storages)
    assert.are.equal(expected, train_once())
  end)
end)
