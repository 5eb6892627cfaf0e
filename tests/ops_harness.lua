-- Runs the cases of tests/ops/<stem>.lua: golden forward and gradients, directional derivative,
-- strided inputs, leaks.
local lt = require "luatrain"
local Tensor = lt.Tensor

local harness = {}

-- Largest |a - b| over the scale of b.
function harness.error_of(a, b)
  local x, y = a:flat(), b:flat()
  assert(#x == #y, ("%d elements, wanted %d"):format(#x, #y))
  local worst, scale = 0, 0
  for i = 1, #x do
    if x[i] ~= x[i] or y[i] ~= y[i] then
      if (x[i] ~= x[i]) ~= (y[i] ~= y[i]) then return math.huge end
    elseif x[i] ~= y[i] then
      worst = math.max(worst, math.abs(x[i] - y[i]))
    end
    if y[i] == y[i] and math.abs(y[i]) ~= math.huge then scale = math.max(scale, math.abs(y[i])) end
  end
  return worst / math.max(scale, 1e-6)
end

function harness.close(a, b, tolerance, what)
  assert(table.concat(a:size(), ",") == table.concat(b:size(), ","),
    ("%s: shape %s, wanted %s"):format(what, a:shape_text(), b:shape_text()))
  local e = harness.error_of(a, b)
  assert(e <= tolerance, ("%s: relative error %.3g above %.3g\n%s\nwanted\n%s"):format(what, e,
    tolerance, tostring(a), tostring(b)))
end

--- Expects f(...) to raise an error that contains these words.
function harness.raises(words, f, ...)
  local ok, e = pcall(f, ...)
  assert(not ok, "no error; wanted: " .. words)
  assert(tostring(e):find(words, 1, true), tostring(e) .. "\nwanted: " .. words)
end

local function copy_of(t)
  return t:detach():clone()
end

-- The same values in memory with gaps: every second element of a tensor twice as large.
local function strided_copy(t)
  local n = t:dim()
  if n == 0 then return copy_of(t) end
  local sizes = t:size()
  sizes[n] = sizes[n] * 2
  local wide = Tensor.empty(sizes, t:dtype()):fill_(0)
  local part = wide:slice(n, 1, math.max(t:size(n) * 2 - 1, 1), 2)
  if t:size(n) == 0 then return copy_of(t) end
  part:copy_(t)
  return part
end

local function is_float(t)
  return t:dtype() == "f32"
end

local function run(case, inputs, needs)
  for i, x in ipairs(inputs) do
    if needs[i] then x:set_requires_grad() end
  end
  return { case.fn(unpack(inputs)) }
end

local function outputs_of(golden, name)
  local list = {}
  if golden[name .. ".y"] then return { golden[name .. ".y"] }, { golden[name .. ".dy"] } end
  local gradients = {}
  for i = 1, 9 do
    local y = golden[name .. ".y" .. i]
    if not y then break end
    list[i], gradients[i] = y, golden[name .. ".dy" .. i] or false
  end
  return list, gradients
end

local function weighted_sum(ys, dys)
  local total
  for i, y in ipairs(ys) do
    if dys[i] and Tensor.is_tensor(y) and y.requires_grad then
      local part = (y:cast("f32") * dys[i]):sum()
      total = total and total + part or part
    end
  end
  return total
end

local function check_golden(case, golden, transform, label)
  local tolerance = case.tolerance or 1e-4
  local inputs, needs = {}, {}
  for i = 1, 99 do
    local x = golden[case.name .. ".x" .. i]
    if not x then break end
    inputs[i] = transform(x)
    needs[i] = golden[case.name .. ".dx" .. i] ~= nil
  end
  local want, dys = outputs_of(golden, case.name)
  assert(#want > 0, "the golden file has no case " .. case.name)
  local ys = run(case, inputs, needs)
  for i, y in ipairs(want) do
    harness.close(ys[i], y, tolerance, label .. " output " .. i)
  end
  local total = weighted_sum(ys, dys)
  if not total then return end
  total:backward()
  for i, x in ipairs(inputs) do
    if needs[i] then
      assert(x.grad, label .. ": no gradient of input " .. i)
      harness.close(x.grad, golden[case.name .. ".dx" .. i], case.gradient_tolerance or
        math.max(tolerance, 1e-4), label .. " gradient " .. i)
    end
  end
end

-- ---- directional derivative ---------------------------------------------------------------------
local function draw(spec, kinks)
  local shape = spec.shape or spec
  local t
  if spec.dtype and spec.dtype ~= "f32" then
    local low, high = spec.low or 0, spec.high or 3
    t = lt.randint(low, high, shape, { dtype = spec.dtype })
    return t
  end
  local low, high = spec.low or -2, spec.high or 2
  t = lt.rand(shape) * (high - low) + low
  if kinks then
    -- away from 0 by 0.1, keeping the sign
    t = t + lt.where(t:ge(0), lt.full(shape, 0.1), lt.full(shape, -0.1))
  end
  return t
end

local function objective(case, inputs, dys)
  local ys = { case.fn(unpack(inputs)) }
  local sum = 0
  for i, y in ipairs(ys) do
    if dys[i] then
      local a, b = y:flat(), dys[i]
      for k = 1, #a do sum = sum + a[k] * b[k] end
    end
  end
  return sum
end

-- Gradient along a random direction against a central difference, in Lua doubles.
function harness.directional(case, inputs)
  local needs = {}
  for i, x in ipairs(inputs) do
    local spec = case.inputs and case.inputs[i]
    needs[i] = is_float(x) and not (spec and spec.grad == false)
  end
  local leaves = {}
  for i, x in ipairs(inputs) do leaves[i] = copy_of(x) end
  local ys = run(case, leaves, needs)
  local dys, tensors = {}, {}
  for i, y in ipairs(ys) do
    if Tensor.is_tensor(y) and y.requires_grad then
      tensors[i] = lt.randn(y:size())
      dys[i] = tensors[i]:flat()
    end
  end
  local total = weighted_sum(ys, tensors)
  if not total then return nil end
  total:backward()
  local eps, analytic, scale = case.eps or 1e-2, 0, 0
  local directions = {}
  for i, x in ipairs(inputs) do
    if needs[i] and leaves[i].grad then
      directions[i] = lt.randn(x:size())
      local dv, gv = directions[i]:flat(), leaves[i].grad:flat()
      for k = 1, #dv do
        analytic = analytic + dv[k] * gv[k]
        scale = scale + (dv[k] * gv[k]) ^ 2
      end
    end
  end
  local function at(step)
    local moved = {}
    for i, x in ipairs(inputs) do moved[i] = directions[i] and x + directions[i] * step or copy_of(x) end
    return objective(case, moved, dys)
  end
  -- Fourth order, so that curvature does not look like an error.
  local numeric = lt.no_grad(function()
    return (8 * (at(eps) - at(-eps)) - (at(2 * eps) - at(-2 * eps))) / (12 * eps)
  end)
  -- Relative to the size of the sum, so that cancellation in it does not look like an error.
  return math.abs(numeric - analytic) / math.max(math.sqrt(scale), math.abs(analytic), 1e-3)
end

local function check_directional(case)
  local inputs = {}
  for i, spec in ipairs(case.inputs) do inputs[i] = draw(spec, case.kinks) end
  local e = harness.directional(case, inputs)
  local limit = case.grad_tolerance or 1e-3
  assert(e == nil or e <= limit, ("directional derivative off by %.3g (limit %.3g)"):format(
    e or 0, limit))
end

-- ---- one case -----------------------------------------------------------------------------------
--- Every check of one case; raises at the first failure.
function harness.check(case, golden)
  collectgarbage()
  collectgarbage()
  local before = lt.memory().storages
  local own_truth = case.check or case.reference
  assert(golden or own_truth or case.inputs, case.name .. ": nothing to judge by")
  lt.scope(function()
    if golden and case.golden ~= false and (not own_truth or golden[case.name .. ".x1"]) then
      check_golden(case, golden, copy_of, case.name)
      if not case.contiguous_only then
        check_golden(case, golden, strided_copy, case.name .. " (strided)")
      end
    end
    if case.reference then
      local inputs = {}
      for i, spec in ipairs(case.inputs) do inputs[i] = draw(spec, case.kinks) end
      local ys, want = { case.fn(unpack(inputs)) }, { case.reference(unpack(inputs)) }
      for i, y in ipairs(want) do
        if Tensor.is_tensor(y) then
          harness.close(ys[i], y, case.tolerance or 1e-4, case.name .. " output " .. i)
        else
          assert(ys[i] == y, ("%s: %s, wanted %s"):format(case.name, tostring(ys[i]), tostring(y)))
        end
      end
    end
    if case.inputs and not case.no_directional then check_directional(case) end
    if case.check then case.check() end
  end)
  collectgarbage()
  collectgarbage()
  local after = lt.memory().storages
  if after ~= before then
    -- A trace may hold on to a table that it was compiled for (seen in 1 run of 6).
    jit.flush()
    collectgarbage()
    collectgarbage()
    after = lt.memory().storages
  end
  assert(after == before, ("%s: %d storages before, %d after"):format(case.name, before, after))
end

return harness
