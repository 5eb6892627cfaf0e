-- Every layer against PyTorch: outputs, gradients, evaluation mode, ten steps of SGD and AdamW.
-- The weights come from PyTorch's state_dict by name, strictly, which proves the names too.
local lt = require "luatrain"
local cases = require "nn.cases"
local safetensors = require "luatrain.safetensors"

local TOLERANCE = 1e-4

-- Largest |a - b| over the largest |b|.
local function error_of(a, b)
  local x, y = a:flat(), b:flat()
  local worst, scale = 0, 0
  for i = 1, #y do
    local d = math.abs(x[i] - y[i])
    if not (d <= worst) then worst = d end
    scale = math.max(scale, math.abs(y[i]))
  end
  return worst / math.max(scale, 1e-3)
end

local function close(got, want, what)
  assert.are.same(want:size(), got:size(), what)
  local e = error_of(got, want)
  assert(e <= TOLERANCE, ("%s: relative error %.3g\n%s\nwanted\n%s"):format(what, e, tostring(got),
    tostring(want)))
end

-- What the golden file holds under a prefix, without it.
local function below(golden, prefix)
  local part = {}
  for name, t in pairs(golden) do
    if name:sub(1, #prefix) == prefix then part[name:sub(#prefix + 1)] = t end
  end
  return part
end

local function numbered(golden, name)
  local list = {}
  while golden[name .. #list + 1] do list[#list + 1] = golden[name .. #list + 1] end
  return list
end

local function flatten(list, ...)
  for _, t in ipairs { ... } do list[#list + 1] = t end
  return list
end

local function check_gradients(name, golden, model, call, inputs)
  local leaves = {}
  for i, x in ipairs(inputs) do
    leaves[i] = x:detach()
    if golden[name .. ".dx" .. i] then leaves[i]:set_requires_grad(true) end
  end
  local ys = flatten({}, call(model, unpack(leaves)))
  local total
  for i, want in ipairs(numbered(golden, name .. ".y")) do
    close(ys[i], want, name .. " output " .. i)
    local dy = golden[name .. ".dy" .. i]
    if dy then
      local part = (ys[i] * dy):sum()
      total = total and total + part or part
    end
  end
  total:backward()
  for i, leaf in ipairs(leaves) do
    local dx = golden[name .. ".dx" .. i]
    if dx then close(leaf.grad, dx, name .. " gradient of input " .. i) end
  end
  for _, entry in ipairs(model:named_parameters()) do
    local want = golden[name .. ".grad." .. entry[1]]
    -- what is 0 in exact arithmetic (a bias before a norm) is only rounding here
    local scale = 0
    for _, v in ipairs(want:flat()) do scale = math.max(scale, math.abs(v)) end
    if scale > 1e-6 then
      close(entry[2].grad, want, name .. " gradient of " .. entry[1])
    else
      close(entry[2].grad + 1, want + 1, name .. " gradient of " .. entry[1])
    end
  end
  model:zero_grad()
  for buffer, want in pairs(below(golden, name .. ".after.")) do
    close(model:state_dict()[buffer], want, name .. " buffer " .. buffer)
  end
end

local function check_training(name, golden, model, call, inputs, rule)
  local target, want = golden[name .. ".t"], golden[name .. "." .. rule .. ".loss"]
  local optimizer
  if rule == "sgd" then
    optimizer = lt.optim.SGD(model:parameters(), { lr = 0.05, momentum = 0.9 })
  else
    optimizer = lt.optim.AdamW(model:parameters(), { lr = 0.01, weight_decay = 0.01, eps = 1e-5 })
  end
  local losses = {}
  for step = 1, 10 do
    local difference = call(model, unpack(inputs)) - target
    local loss = (difference * difference):mean()
    optimizer:zero_grad()
    loss:backward()
    optimizer:step()
    losses[step] = loss:item()
  end
  close(lt.tensor(losses), want, name .. " losses of ten steps of " .. rule)
  local y = lt.no_grad(function() return (call(model, unpack(inputs))) end)
  close(y, golden[name .. "." .. rule .. ".y"], name .. " output after ten steps of " .. rule)
end

local function check_case(name, golden, make, call)
  local model = make()
  local state = below(golden, name .. ".state.")
  model:load_state_dict(state)
  local inputs = numbered(golden, name .. ".x")
  check_gradients(name, golden, model, call, inputs)
  model:eval()
  close(lt.no_grad(function() return (call(model, unpack(inputs))) end), golden[name .. ".eval"],
    name .. " in evaluation mode")
  model:train()
  for _, rule in ipairs { "sgd", "adamw" } do
    if golden[name .. "." .. rule .. ".loss"] then
      model:load_state_dict(state)
      check_training(name, golden, model, call, inputs, rule)
    end
  end
end

local function plain_call(m, ...) return m(...) end

for family, list in pairs(cases) do
  describe("parity with PyTorch: " .. family, function()
    local golden = safetensors.load("tests/golden/" .. family .. ".safetensors")
    local names = {}
    for key in pairs(golden) do names[key:match "^[^.]+"] = true end
    names.resnet18 = nil

    it("knows every case of the golden file", function()
      for name in pairs(names) do assert.is_truthy(list[name], name) end
    end)

    for name, case in pairs(list) do
      it(name, function()
        assert.is_truthy(names[name], "the golden file has no case " .. name)
        local make = type(case) == "table" and case[1] or case
        local call = type(case) == "table" and case[2] or plain_call
        lt.scope(check_case, name, golden, make, call)
      end)
    end
  end)
end
