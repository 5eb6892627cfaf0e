-- checkpoint: computing activations again in backward instead of keeping them (T. Chen et al. 2016).

local op = require "luatrain.op"
local random = require "luatrain.random"
local scope = require "luatrain.scope"
local tensor = require "luatrain.tensor"

-- Runs f as it ran the first time: the same random numbers, and the generator afterwards as before.
local function with_random_state(state, f, ...)
  local rng = random.default
  local now = rng:get_state()
  rng:set_state(state)
  local function finish(ok, ...)
    rng:set_state(now)
    if not ok then error((...), 0) end
    return ...
  end
  return finish(pcall(f, ...))
end

-- A gradient that was kept for a leaf, given back to the open scope.
local function take_gradient(leaf)
  local g = leaf.grad
  if not g then return nil end
  leaf.grad = nil
  g.kept = nil
  return scope.own(g)
end

-- The leaves that stand for the arguments in the second run.
local function as_leaves(arguments, needs)
  local leaves = {}
  for i = 1, arguments.n do
    local a = arguments[i]
    if tensor.is_tensor(a) then
      a = a:detach()
      if needs[i + 2] then a:set_requires_grad(true) end
    end
    leaves[i] = a
  end
  return leaves
end

-- Arguments: f, a tensor that requires a gradient (so that the call is recorded whatever f's own
-- arguments are), and what f is called with.
local run = op.define {
  name = "checkpoint",
  half = true,
  forward = function(saved, f, _, ...)
    if saved.active then
      saved.f, saved.arguments = f, { n = select("#", ...), ... }
      saved.random_state = random.default:get_state()
    end
    return f(...)
  end,
  backward = function(saved, ...)
    local leaves = as_leaves(saved.arguments, saved.needs)
    local outputs = with_random_state(saved.random_state, function()
      return { op.enable_grad(saved.f, unpack(leaves, 1, saved.arguments.n)) }
    end)
    local gradients, last = { ... }, 0
    for i = 1, 3 do
      if gradients[i] and outputs[i].requires_grad then last = i end
    end
    for i = 1, last do
      if gradients[i] and outputs[i].requires_grad then
        outputs[i]:backward(gradients[i], i < last)
      end
    end
    local results = {}
    for i = 1, saved.arguments.n do
      local leaf = leaves[i]
      results[i + 2] = tensor.is_tensor(leaf) and leaf.requires_grad and take_gradient(leaf) or nil
    end
    return unpack(results, 1, saved.arguments.n + 2)
  end,
}

local token

--- Calls f(...) keeping none of its activations; backward calls f again to have them.
-- Costs about a third more time, saves the memory between f's inputs and outputs. Random numbers are
-- the same in both runs. f may return up to three tensors; it should change nothing else (batch norm
-- inside counts its batch twice).
--
--     for i = 1, #blocks do x = nn.checkpoint(blocks[i], x) end
local function checkpoint(f, ...)
  if not op.grad_enabled() then return f(...) end
  token = token or scope.keep(tensor.empty({ 1 })):set_requires_grad(true)
  return run(f, token, ...)
end

return { checkpoint = checkpoint }
