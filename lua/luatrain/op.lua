--- Defining ops: a forward and its gradient, side by side; the tape that remembers them.
--
-- A node is the `saved` table that a forward filled. Backward walks the nodes that the result
-- depends on from the youngest to the oldest, adds gradients up, and drops each node's tensors as
-- it passes.
local ffi = require "ffi"
local clear = require "table.clear"
local new_table = require "table.new"
local core = require "luatrain.core"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local op = { defined = {} }

-- ---- grad mode ----------------------------------------------------------------------------------
local enabled = true      -- whether ops record now
local user_enabled = true -- what no_grad asked for; ops themselves always run unrecorded
local autocast = false    -- dtype code that autocast ops compute in, or false

core.on_raise[#core.on_raise + 1] = function() enabled = user_enabled end

local function with_mode(mode, f, ...)
  local outer, outer_user = enabled, user_enabled
  enabled, user_enabled = mode, mode
  local function finish(ok, ...)
    enabled, user_enabled = outer, outer_user
    if not ok then error((...), 0) end
    return ...
  end
  return finish(core.protect(f, ...))
end

--- Runs f(...) without recording; returns what f returns.
function op.no_grad(f, ...)
  return with_mode(false, f, ...)
end

--- Runs f(...) with recording on, also inside no_grad.
function op.enable_grad(f, ...)
  return with_mode(true, f, ...)
end

--- Whether ops are being recorded.
function op.grad_enabled()
  return enabled
end

--- Runs f(...) with matrix products, convolutions and attention in "bf16" (f32 accumulation);
-- dtype false or "f32" switches it off inside. "f16": what these ops take in, and the gradients that go
-- back through it, are rounded to half precision (Inf above 65504) and computed with in f32: it shows
-- what f16 does to a model, and is slower than f32 on a processor.
function op.autocast(dtype, f, ...)
  local outer = autocast
  if dtype and dtype ~= "f32" and dtype ~= "bf16" and dtype ~= "f16" then
    core.fail("autocast: '%s'; there are f32, bf16 and f16", tostring(dtype))
  end
  autocast = dtype and dtype ~= "f32" and Tensor.dtype_code[dtype] or false
  local function finish(ok, ...)
    autocast = outer
    if not ok then error((...), 0) end
    return ...
  end
  return finish(core.protect(f, ...))
end

--- The dtype that autocast ops compute in now: "bf16", "f16" or nil.
function op.autocast_dtype()
  return autocast and Tensor.dtype_name[autocast] or nil
end

-- ---- define -------------------------------------------------------------------------------------
local BF16 = C.LT_BF16
local BF16_NUMBER, F32_NUMBER = tonumber(BF16), tonumber(C.LT_F32)
local F16 = C.LT_F16

-- Casts are ops themselves (ops/view.lua); fetched at first use.
local cast_op
local function cast(t, dtype)
  cast_op = cast_op or require("luatrain.ops.view").methods.cast
  return cast_op(t, dtype)
end

-- A tensor as f16 holds it, in f32: no kernel here computes with f16.
local function rounded(a)
  return autocast == F16 and a.c.dtype == F32_NUMBER and cast(cast(a, "f16"), "f32") or a
end

local function prepare(def)
  -- What an argument becomes before forward sees it.
  if def.autocast == "inside" then return rounded end
  if def.autocast then
    return function(a)
      if type(a) == "table" and a.c and autocast and a.c.dtype == F32_NUMBER then
        return autocast == F16 and rounded(a) or cast(a, "bf16")
      end
      return a
    end
  end
  return function(a)
    if type(a) == "table" and a.c and a.c.dtype == BF16_NUMBER then return cast(a, "f32") end
    return a
  end
end

local function float(t)
  local d = t.c.dtype
  return d <= 3
end

-- Marks an output of a recorded call.
local function record(saved, y)
  if y and getmetatable(y) == Tensor and float(y) then
    y.requires_grad = true
    y.node = saved
  end
end

-- The end of a recorded call: its outputs, as many as there are.
local function finish(saved, y1, y2, y3)
  enabled = user_enabled
  saved.serial = C.lt_tick()
  if saved.backward then
    saved.y1, saved.y2, saved.y3 = y1, y2, y3
    record(saved, y1)
    if y2 then record(saved, y2) end
    if y3 then record(saved, y3) end
  end
  if y3 then return y1, y2, y3 end
  if y2 then return y1, y2 end
  return y1
end

local source = [[
local state, forward, name, convert, backward, fixed, new_table, finish = ...
return function(ARGS)
  CONVERT
  if state.enabled() and (NEEDS) then
    local saved = new_table(0, 16)
    saved.active, saved.name, saved.backward, saved.count = true, name, backward, COUNT
    saved.serial, saved.inputs, saved.needs = 0, { ARGS }, { NEED_LIST }
    state.enter()
    return finish(saved, forward(saved, ARGS))
  end
  return forward(fixed, ARGS)
end
]]

local black_hole = setmetatable({ active = false, needs = {} }, { __newindex = function() end })

local state = {
  enabled = function() return enabled end,
  enter = function() enabled = false end,
}

-- The wrapper's text for a given number of arguments: fixed arity compiles, varargs would not.
local function wrapper_source(arity, converts)
  local args, needs, need_list, convert = {}, {}, {}, {}
  for i = 1, arity do
    local a = "a" .. i
    args[i] = a
    local need = ("type(%s) == 'table' and %s.requires_grad"):format(a, a)
    needs[i] = need
    need_list[i] = ("%s and true or false"):format(need)
    if converts then
      convert[i] = ("if type(%s) == 'table' and %s.c then %s = convert(%s) end"):format(a, a, a, a)
    end
  end
  local fill = { ARGS = table.concat(args, ", "), NEEDS = table.concat(needs, " or "),
    NEED_LIST = table.concat(need_list, ", "), CONVERT = table.concat(convert, "\n  "),
    COUNT = tostring(arity) }
  return (source:gsub("[A-Z_]+", fill))
end

-- For ops with any number of arguments (cat, stack).
local function vararg_wrapper(def, convert, backward)
  local forward, name = def.forward, def.name
  return function(...)
    local n = select("#", ...)
    local args, needs, any = { ... }, {}, false
    for i = 1, n do
      if convert then args[i] = convert(args[i]) end
      local a = args[i]
      needs[i] = type(a) == "table" and a.requires_grad and true or false
      any = any or needs[i]
    end
    if not (enabled and any) then return forward(black_hole, unpack(args, 1, n)) end
    local saved = { active = true, name = name, backward = backward, count = n,
      serial = 0, inputs = args, needs = needs }
    state.enter()
    return finish(saved, forward(saved, unpack(args, 1, n)))
  end
end

--- Defines a differentiable function.
-- def.name: as users call it. def.forward(saved, ...) returns up to three outputs; what backward
-- needs goes into fields of `saved` (saved.active says whether anyone will ask, saved.needs[i]
-- whether argument i wants a gradient). def.backward(saved, dy1, dy2, dy3) returns gradients
-- aligned with forward's arguments, nil where there is none. def.no_gradient = true says that
-- there is no gradient. def.half: takes bf16 as it is (otherwise inputs are cast to f32).
-- def.autocast: computes in the autocast dtype ("inside": forward itself casts to bf16). Neither function
-- is recorded itself.
-- A recipe may define its own ops in the same way.
function op.define(def)
  if not def.backward and not def.no_gradient then
    core.fail("op %s: give a backward or say no_gradient = true", tostring(def.name))
  end
  local convert = (def.autocast or not def.half) and prepare(def) or nil
  local backward = def.backward or false
  op.defined[def.name] = def
  local info = debug.getinfo(def.forward, "u")
  if info.isvararg or info.nparams < 2 then return vararg_wrapper(def, convert, backward) end
  local text = wrapper_source(info.nparams - 1, convert ~= nil)
  return loadstring(text, "@luatrain/op/" .. def.name)(state, def.forward, def.name, convert,
    backward, black_hole, new_table, finish)
end

-- ---- arguments ----------------------------------------------------------------------------------
--- Dimension d of x as 1..x:dim(); negative counts from the end.
function op.dim(x, d)
  local n = x.c.ndim
  if type(d) ~= "number" or d % 1 ~= 0 or d == 0 or d > n or d < -n then
    core.fail("dimension %s of a tensor with %d; dimensions count from 1, or from -1 at the end",
      tostring(d), n)
  end
  return d < 0 and n + d + 1 or d
end

-- ---- backward -----------------------------------------------------------------------------------
local function older(a, b)
  return a.serial > b.serial
end

-- Nodes that `root` depends on, youngest first.
local function reachable(root)
  local list, seen, stack = {}, { [root] = true }, { root }
  while #stack > 0 do
    local node = stack[#stack]
    stack[#stack] = nil
    list[#list + 1] = node
    if not node.inputs then
      core.fail("backward: the graph of %s was already used; say backward(nil, true) the first "
        .. "time to keep it", node.name)
    end
    for i = 1, node.count do
      local input = node.inputs[i]
      local parent = node.needs[i] and input.node
      if parent and not seen[parent] then
        seen[parent] = true
        stack[#stack + 1] = parent
      end
    end
  end
  for i = 2, #list do
    if list[i].serial > list[i - 1].serial then
      table.sort(list, older)
      break
    end
  end
  return list
end

-- A gradient that nothing else holds may become a parameter's .grad as it is. What the node saved does
-- not count: the node is about to be cleared (where it is kept, nothing is taken).
local function own_gradient(g, node, grads, dy1, dy2, dy3)
  if g == dy1 or g == dy2 or g == dy3 or g.uses or g.kept or g.c.storage.refs ~= 1 then return false end
  local times, inputs = 0, node.inputs
  for i = 1, node.count do
    if inputs[i] == g then return false end
    if grads[i] == g then times = times + 1 end
  end
  return times == 1
end

local tensor_bytes = ffi.sizeof "lt_tensor"

local function add_to_leaf(t, g, stealable)
  if t.grad then
    check(C.lt_add(t.grad.c, t.grad.c, g.c))
  elseif stealable then
    local spare = t.spare_grad
    if spare and spare.c.storage == nil then
      -- the value moves into the tensor that the optimizer emptied: no finaliser to make again
      ffi.copy(spare.c, g.c, tensor_bytes)
      g.c.storage = nil
      t.grad = spare
    else
      t.grad = scope.keep(g)
    end
  else
    local copy = scope.keep(g:like())
    check(C.lt_copy(copy.c, g.c))
    t.grad = copy
  end
end

-- Lets go of a pending gradient once every node that waited for it has run.
local function consume(g)
  if not g then return end
  g.uses = g.uses - 1
  if g.uses == 0 then
    g.uses = nil
    if not g.kept then g:release() end
  end
end

local function add_to_pending(t, g)
  local before = t.pending
  if not before then
    g.uses = (g.uses or 0) + 1
    t.pending = g
  elseif t.pending_own then
    check(C.lt_add(before.c, before.c, g.c))
  else
    local sum = before:like()
    check(C.lt_add(sum.c, before.c, g.c))
    consume(before)
    sum.uses = 1
    t.pending, t.pending_own = sum, true
  end
end

local function take_pending(y)
  if not y then return nil end
  local g = y.pending
  y.pending, y.pending_own = nil, nil
  if g and y.hooks then
    for _, hook in ipairs(y.hooks) do g = hook(g) or g end
    g.uses = g.uses or 1
  end
  if g and y.retains_grad then add_to_leaf(y, g, false) end
  return g
end

local function check_gradient(node, i, input, g)
  if C.lt_tensor_numel(g.c) ~= C.lt_tensor_numel(input.c) then
    core.fail("%s: gradient of argument %d is %s, the argument is %s", node.name, i,
      g:shape_text(), input:shape_text())
  end
end

-- Where bf16 met f32, the gradient of the bf16 side comes back in f32.
local function in_dtype(g, input)
  local y = g:like(input:dtype())
  check(C.lt_copy(y.c, g.c))
  return y
end

-- Outputs of a node whose gradients are all used: nothing on the tape looks at them again.
local function drop_output(y)
  if y and y.node and not y.kept and not y.retains_grad then y:release() end
end

-- ---- tensors changed since ------------------------------------------------------------------------
-- A node's serial number is lt_tick after its forward, and a storage remembers lt_tick of its latest
-- write: a larger one was written since. Arguments and results are what others can reach and change;
-- only where one of them was written is it worth looking whether backward needs it.
local bookkeeping = { inputs = true, needs = true, y1 = true, y2 = true, y3 = true }

local function holds(value, storage, depth)
  if type(value) ~= "table" then return false end
  if getmetatable(value) == Tensor then return value.c.storage == storage end
  if depth == 0 then return false end
  for _, inner in pairs(value) do
    if holds(inner, storage, depth - 1) then return true end
  end
  return false
end

local function check_written(t, node)
  local storage = t.c.storage
  if storage == nil or storage.written <= node.serial then return end
  for key, value in pairs(node) do
    if not bookkeeping[key] and holds(value, storage, 1) then
      core.fail("%s: a tensor %s that its gradient needs was changed in place after it was used; "
        .. "change a clone() of it, or call backward before", node.name, t:shape_text())
    end
  end
end

local function check_unchanged(node)
  local inputs = node.inputs
  for i = 1, node.count do
    local t = inputs[i]
    if type(t) == "table" and t.c then check_written(t, node) end
  end
  if node.y1 then check_written(node.y1, node) end
  if node.y2 then check_written(node.y2, node) end
  if node.y3 then check_written(node.y3, node) end
end

local function step_back(node, retain, release)
  local dy1, dy2, dy3 = take_pending(node.y1), take_pending(node.y2), take_pending(node.y3)
  if not (dy1 or dy2 or dy3) then return end
  check_unchanged(node)
  local grads = { node.backward(node, dy1, dy2, dy3) }
  for i = 1, node.count do
    local g = grads[i]
    if g and node.needs[i] then
      local input = node.inputs[i]
      check_gradient(node, i, input, g)
      if g.c.dtype ~= input.c.dtype then g = in_dtype(g, input) end
      if input.node then
        add_to_pending(input, g)
      else
        if input.hooks then
          for _, hook in ipairs(input.hooks) do g = hook(g) or g end
        end
        add_to_leaf(input, g, not retain and own_gradient(g, node, grads, dy1, dy2, dy3))
      end
    end
  end
  consume(dy1)
  consume(dy2)
  consume(dy3)
  if release then
    drop_output(node.y1)
    drop_output(node.y2)
    drop_output(node.y3)
  end
  if not retain then
    local name = node.name
    clear(node)
    node.name = name
  end
end

local function run_back(nodes, retain, release)
  for i = 1, #nodes do step_back(nodes[i], retain, release) end
end

--- Gradients of this tensor with respect to every leaf it was computed from, added to their .grad.
-- gradient: of the same shape, needed unless this tensor has one element. retain_graph = true keeps
-- the graph for a second call. release = true gives back the memory of every intermediate result
-- as soon as it has served (the trainer does this: a step's results are read before).
function Tensor:backward(gradient, retain_graph, release)
  if not self.requires_grad then
    core.fail("backward: this tensor does not depend on anything that requires a gradient")
  end
  if not gradient then
    if self:numel() ~= 1 then
      core.fail("backward: a tensor %s needs a gradient of its shape; only a single value has a "
        .. "natural one", self:shape_text())
    end
    gradient = self:like()
    check(C.lt_fill(gradient.c, 1))
  end
  if not self.node then
    add_to_leaf(self, gradient, false)
    return
  end
  local nodes = reachable(self.node)
  local uses = gradient.uses
  gradient.uses = (uses or 0) + 2  -- never released: the caller's
  self.pending = gradient
  local outer = enabled
  enabled = false
  local ok, problem = core.protect(run_back, nodes, retain_graph, release)
  enabled = outer
  gradient.uses = uses
  if not ok then error(problem, 0) end
end

--- Refuses to write `other` (a tensor or a number) into t where autograd would lose t's history or
-- other's. Backward itself finds values that a gradient needs and that were changed otherwise.
function op.overwritable(name, t, other)
  if enabled and (t.node or t.requires_grad or (Tensor.is_tensor(other) and other.requires_grad)) then
    core.fail("%s: autograd would not see this change; use lt.no_grad, detach() first, or the form "
      .. "that makes a new tensor", name)
  end
end

--- Calls f(gradient) when this tensor's gradient is known; what f returns replaces it.
function Tensor:register_hook(f)
  self.hooks = self.hooks or {}
  table.insert(self.hooks, f)
  return self
end

--- Keeps the gradient of a tensor that is not a leaf in its .grad.
function Tensor:retain_grad()
  self.retains_grad = true
  return self
end

--- Marks a leaf as wanting a gradient (or not: set_requires_grad(false)).
function Tensor:set_requires_grad(on)
  if self.node then core.fail("requires_grad can be set on leaves only; use detach()") end
  if on ~= false and not float(self) then
    core.fail("only floating point tensors have gradients, this one is %s", self:dtype())
  end
  self.requires_grad = on ~= false
  return self
end

return op
