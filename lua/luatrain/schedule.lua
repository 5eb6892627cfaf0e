--- Learning rates over time. A schedule sets the rates of an optimizer's groups: at once for the
-- first step, and with each schedule:step() for the next one, as PyTorch's do.
--
--   local schedule = lt.schedule.cosine(optimizer, { total = steps, warmup = 500, floor = 1e-5 })
--   for step = 1, steps do
--     ...
--     optimizer:step()
--     schedule:step()
--   end
--
-- Options of all: warmup = w (0): step n <= w has n / w of the base rate, so the first step moves
-- and step w has exactly the base rate; warmup_epochs with steps_per_epoch says the same in epochs.
-- per = "step" or "epoch" tells a trainer when to call step(); all counts are in that unit. The
-- base rate of a group is the one it had when the schedule was made. After its end a schedule
-- stays at its last value.
local core = require "luatrain.core"
local options = require "luatrain.options"

local schedule = {}
local Schedule = {}
Schedule.__index = Schedule

-- Options over defaults; unknown names are refused. REQUIRED marks what must be given.
local REQUIRED = {}
local common = { warmup = 0, warmup_epochs = 0, steps_per_epoch = 0, per = "step" }
local function options_of(name, given, known)
  local o = {}
  for _, defaults in ipairs { common, known } do
    for key, value in pairs(defaults) do o[key] = value end
  end
  o = options.read("schedule." .. name, given, o)
  for key, value in pairs(o) do
    if value == REQUIRED then core.fail("schedule.%s: option '%s' is missing", name, key) end
  end
  if o.per ~= "step" and o.per ~= "epoch" then
    core.fail("schedule.%s: per is '%s'; there are step and epoch", name, tostring(o.per))
  end
  if o.warmup_epochs > 0 then
    if o.per == "step" and o.steps_per_epoch < 1 then
      core.fail("schedule.%s: warmup_epochs needs steps_per_epoch", name)
    end
    o.warmup = o.warmup_epochs * (o.per == "step" and o.steps_per_epoch or 1)
  end
  if o.warmup < 0 then core.fail("schedule.%s: warmup is %g; it must be at least 0", name, o.warmup) end
  return o
end

-- Sets what the optimizer uses for the coming step.
local function apply(self)
  for i, group in ipairs(self.optimizer.param_groups) do
    group.lr = self:rate(self.position, i)
    if self.momentum then
      local m = self:momentum(self.position)
      if group.betas then group.betas[1] = m else group.momentum = m end
    end
  end
end

local function new(name, optimizer, o, methods)
  local self = setmetatable({ name = name, optimizer = optimizer, options = o,
    per = o.per, position = 1, base = {} }, Schedule)
  for key, f in pairs(methods) do self[key] = f end
  for i, group in ipairs(optimizer.param_groups) do self.base[i] = group.lr end
  if self.open then self:open() end
  apply(self)
  return self
end

-- Steps since the base rate was reached: 0 at step `warmup`, or at step 1 without warm-up.
local function since(self, position)
  return position - math.max(self.options.warmup, 1)
end

-- Length of what follows the warm-up, of `total` steps in all.
local function length(self)
  return math.max(self.options.total - self.options.warmup, 1)
end

--- The rate of group i (default 1) at step `position`, counted from 1.
function Schedule:rate(position, i)
  local base = self.base[i or 1]
  if position <= self.options.warmup then
    return position == self.options.warmup and base or base * position / self.options.warmup
  end
  return self:shape(since(self, position), base, i or 1)
end

--- Moves on to the next step (or epoch). plateau takes the measured value.
function Schedule:step(metric)
  self.position = self.position + 1
  if self.observe then self:observe(metric) end
  apply(self)
end

--- What a resumed run needs.
function Schedule:state_dict()
  local dict = { position = self.position, base = { unpack(self.base) } }
  if self.watch then
    dict.watch = {}
    for key, value in pairs(self.watch) do
      dict.watch[key] = type(value) == "table" and { unpack(value) } or value
    end
  end
  return dict
end

--- Goes on where the state was taken, and sets the optimizer's rates.
function Schedule:load_state_dict(dict)
  self.position = dict.position
  self.base = { unpack(dict.base) }
  if self.watch and dict.watch then
    self.watch = { bad = 0, left = 0 }
    for key, value in pairs(dict.watch) do
      self.watch[key] = type(value) == "table" and { unpack(value) } or value
    end
  end
  apply(self)
end

function Schedule:__tostring()
  return ("schedule.%s(per %s, at %d, lr=%g)"):format(self.name, self.per, self.position,
    self.optimizer.param_groups[1].lr)
end

-- ---- shapes --------------------------------------------------------------------------------------
--- The base rate throughout.
function schedule.constant(optimizer, given)
  return new("constant", optimizer, options_of("constant", given, {}), {
    shape = function(_, _, base) return base end,
  })
end

--- From start_factor (1) to end_factor (0) of the base rate in a straight line over `total` steps.
function schedule.linear(optimizer, given)
  local o = options_of("linear", given, { total = REQUIRED, start_factor = 1, end_factor = 0 })
  return new("linear", optimizer, o, {
    shape = function(self, t, base)
      local done = math.min(t / length(self), 1)
      return base * (o.start_factor + (o.end_factor - o.start_factor) * done)
    end,
  })
end

--- Half a cosine from the base rate down to `floor` (0, a rate) over `total` steps, warm-up included.
function schedule.cosine(optimizer, given)
  local o = options_of("cosine", given, { total = REQUIRED, floor = 0 })
  return new("cosine", optimizer, o, {
    shape = function(self, t, base)
      local done = math.min(t / length(self), 1)
      if done == 1 then return o.floor end
      return o.floor + (base - o.floor) * (1 + math.cos(math.pi * done)) / 2
    end,
  })
end

--- The base rate times gamma (0.1) to the power of the number of whole `size` steps behind.
function schedule.step(optimizer, given)
  local o = options_of("step", given, { size = REQUIRED, gamma = 0.1 })
  return new("step", optimizer, o, {
    shape = function(_, t, base) return base * o.gamma ^ math.floor(t / o.size) end,
  })
end

--- The base rate times gamma at every step.
function schedule.exponential(optimizer, given)
  local o = options_of("exponential", given, { gamma = REQUIRED })
  return new("exponential", optimizer, o, {
    shape = function(_, t, base) return base * o.gamma ^ t end,
  })
end

--- The base rate times sqrt(w / n) at step n, w being the warm-up, or `timescale` (1) without one
-- (A. Vaswani et al., "Attention is all you need", 2017).
function schedule.inverse_sqrt(optimizer, given)
  local o = options_of("inverse_sqrt", given, { timescale = 1 })
  local w = o.warmup > 0 and o.warmup or o.timescale
  return new("inverse_sqrt", optimizer, o, {
    shape = function(_, t, base) return base * math.sqrt(w / (w + t)) end,
  })
end

--- The base rate times f(t), t = 0, 1, 2 ... after the warm-up.
function schedule.custom(optimizer, f, given)
  return new("custom", optimizer, options_of("custom", given, {}), {
    shape = function(_, t, base) return base * f(t) end,
  })
end

-- ---- one cycle -----------------------------------------------------------------------------------
-- Phases of {end, rate from, rate to, momentum from, momentum to}; s counts from 0.
local function phases_of(o, top)
  local first, last = top / o.div_factor, o.total - 1
  local final = first / o.final_div_factor
  local rise = o.warmup > 0 and o.warmup - 1 or o.pct_start * o.total - 1
  local low, high = o.base_momentum, o.max_momentum
  if o.three_phase then
    return { { rise, first, top, high, low }, { 2 * rise, top, first, low, high },
      { last, first, final, high, high } }
  end
  return { { rise, first, top, high, low }, { last, top, final, low, high } }
end

local function along(o, phases, s, from, to)
  local start = 0
  for i, phase in ipairs(phases) do
    if s <= phase[1] or i == #phases then
      local span = phase[1] - start
      local done = span > 0 and math.min((s - start) / span, 1) or 1
      local a, b = phase[from], phase[to]
      if o.anneal_strategy == "linear" then return a + (b - a) * done end
      return b + (a - b) / 2 * (1 + math.cos(math.pi * done))
    end
    start = phase[1]
  end
end

--- L. N. Smith and N. Topin, "Super-convergence", 2018, as PyTorch's OneCycleLR: from max_lr (default
-- the group's rate) / div_factor (25) up to max_lr within pct_start (0.3) of `total` steps, then
-- down to the first rate / final_div_factor (1e4). anneal_strategy "cos" or "linear"; three_phase
-- comes down as it went up first. With cycle_momentum (true) momentum, or betas[1], goes from
-- max_momentum (0.95) to base_momentum (0.85) and back. warmup = w puts the top at step w.
function schedule.one_cycle(optimizer, given)
  local o = options_of("one_cycle", given, { total = REQUIRED, max_lr = 0, pct_start = 0.3,
    anneal_strategy = "cos", cycle_momentum = true, base_momentum = 0.85, max_momentum = 0.95,
    div_factor = 25, final_div_factor = 1e4, three_phase = false })
  if o.anneal_strategy ~= "cos" and o.anneal_strategy ~= "linear" then
    core.fail("schedule.one_cycle: anneal_strategy is '%s'; there are cos and linear",
      tostring(o.anneal_strategy))
  end
  return new("one_cycle", optimizer, o, {
    rate = function(self, position, i)
      local top = o.max_lr > 0 and o.max_lr or self.base[i or 1]
      return along(o, phases_of(o, top), position - 1, 2, 3)
    end,
    momentum = o.cycle_momentum and function(_, position)
      return along(o, phases_of(o, 1), position - 1, 4, 5)
    end or nil,
  })
end

-- ---- plateau -------------------------------------------------------------------------------------
-- Whether x is better than the best so far.
local function better(o, x, best)
  if best == nil then return x == x end
  if o.threshold_mode == "abs" then
    if o.mode == "min" then return x < best - o.threshold end
    return x > best + o.threshold
  end
  if o.mode == "min" then return x < best * (1 - o.threshold) end
  return x > best * (1 + o.threshold)
end

--- Multiplies the rate with factor (0.1), not below min_lr (0), once step(metric) has seen no better
-- value more than patience (10) times in a row. mode "min" or "max" says what is better, by
-- threshold (1e-4), "rel" or "abs" (threshold_mode); cooldown (0) counts after a reduction before
-- watching again; changes below eps (1e-8) are not made. per is "epoch" unless said.
function schedule.plateau(optimizer, given)
  local o = options_of("plateau", given, { factor = 0.1, patience = 10, mode = "min",
    threshold = 1e-4, threshold_mode = "rel", cooldown = 0, min_lr = 0, eps = 1e-8 })
  if not (given and given.per) then o.per = "epoch" end
  return new("plateau", optimizer, o, {
    open = function(self)
      self.watch = { bad = 0, left = 0, rates = { unpack(self.base) } }
    end,
    shape = function(self, _, _, i) return self.watch.rates[i] end,
    observe = function(self, metric)
      if type(metric) ~= "number" then
        core.fail("schedule.plateau: step(metric) wants a number, got %s", type(metric))
      end
      local w = self.watch
      if better(o, metric, w.best) then
        w.best, w.bad = metric, 0
      else
        w.bad = w.bad + 1
      end
      if w.left > 0 then w.left, w.bad = w.left - 1, 0 end
      if w.bad <= o.patience then return end
      w.bad, w.left = 0, o.cooldown
      for i, rate in ipairs(w.rates) do
        local lower = math.max(rate * o.factor, o.min_lr)
        if rate - lower > o.eps then w.rates[i] = lower end
      end
    end,
  })
end

return schedule
