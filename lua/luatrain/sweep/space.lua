--- Search spaces: what a parameter of a sweep may be.
--
--   space = {
--     lr      = lt.log_uniform(1e-5, 1e-2),
--     width   = lt.integer(16, 256, { log = true }),
--     dropout = lt.step(0, 0.5, 0.1),
--     act     = lt.choice { "relu", "gelu" },
--   }
--
-- A distribution is a plain table {kind = "float" | "integer" | "choice", low, high, log, step, choices};
-- both ends of a range belong to it. Conditional spaces are plain Lua: an objective that asks
-- trial:suggest(name, distribution) only where the parameter means something.
local core = require "luatrain.core"
local options = require "luatrain.options"

local space = {}

local floor, log, exp, max, min = math.floor, math.log, math.exp, math.max, math.min

local Distribution = {}
Distribution.__index = Distribution

local function finite(x)
  return type(x) == "number" and x == x and x > -math.huge and x < math.huge
end

local function show(value)
  return type(value) == "string" and ("'%s'"):format(value) or tostring(value)
end

-- The checks that all ranges share.
local function check_range(who, d)
  for _, name in ipairs { "low", "high" } do
    if not finite(d[name]) then
      core.fail("%s: %s is %s; wanted a finite number", who, name, show(d[name]))
    end
  end
  if d.low > d.high then
    core.fail("%s: the range is upside down: low is %g, high is %g", who, d.low, d.high)
  end
  if d.log ~= nil and type(d.log) ~= "boolean" then
    core.fail("%s: log is %s; wanted true or false", who, show(d.log))
  end
  if d.log and d.low <= 0 then
    core.fail("%s: low is %g; a logarithmic range begins above 0", who, d.low)
  end
  if d.step ~= nil and not (finite(d.step) and d.step > 0) then
    core.fail("%s: step is %s; wanted a number above 0", who, show(d.step))
  end
end

-- The last value that steps from low reach; the small share lets 0.3 be three times 0.1.
local function last_step(low, high, step)
  local count = floor((high - low) / step + 1e-9)
  return min(high, low + count * step)
end

local function check_choices(who, choices)
  if type(choices) ~= "table" or #choices == 0 then
    core.fail("%s: there is nothing to choose from; wanted a list such as { 'relu', 'gelu' }", who)
  end
  local seen = {}
  for key, value in pairs(choices) do
    if type(key) ~= "number" or key % 1 ~= 0 or key < 1 or key > #choices then
      core.fail("%s: the choices have the key %s; wanted a list without holes", who, show(key))
    end
    local kind = type(value)
    if kind ~= "number" and kind ~= "string" and kind ~= "boolean" or value ~= value then
      core.fail("%s: a choice is %s; wanted numbers, texts, true or false", who, show(value))
    end
    if seen[value] then core.fail("%s: the choice %s is there twice", who, show(value)) end
    seen[value] = true
  end
end

-- Checks a plain table and makes it a distribution. who begins the messages.
local function make(who, d)
  local one = { kind = d.kind }
  if d.kind == "choice" then
    check_choices(who, d.choices)
    one.choices = {}
    for i, value in ipairs(d.choices) do one.choices[i] = value end
    return setmetatable(one, Distribution)
  end
  if d.kind ~= "float" and d.kind ~= "integer" then
    core.fail("%s: the kind is %s; there are float, integer and choice", who, show(d.kind))
  end
  check_range(who, d)
  one.low, one.high, one.log, one.step = d.low, d.high, d.log and true or nil, d.step
  if d.kind == "integer" then
    one.step = d.step or 1
    for _, name in ipairs { "low", "high", "step" } do
      if one[name] % 1 ~= 0 or math.abs(one[name]) > 2 ^ 53 then
        core.fail("%s: %s is %s; wanted a whole number", who, name, show(one[name]))
      end
    end
    if one.log and one.step ~= 1 then
      core.fail("%s: a logarithmic range has no step other than 1, here it is %g", who, one.step)
    end
  elseif one.log and one.step then
    core.fail("%s: a logarithmic range of numbers has no step", who)
  end
  if one.step then one.high = last_step(one.low, one.high, one.step) end
  return setmetatable(one, Distribution)
end

--- A number between low and high, each as likely.
function space.uniform(low, high)
  return make("uniform", { kind = "float", low = low, high = high })
end

--- A number between low and high (low > 0) whose logarithm is uniform: learning rates, weight decays.
function space.log_uniform(low, high)
  return make("log_uniform", { kind = "float", low = low, high = high, log = true })
end

--- A whole number from low to high.
-- @param given {log = false: the logarithm is uniform (low >= 1), step = 1: low, low + step, ...}
function space.integer(low, high, given)
  local o = options.read("integer", given, { log = false, step = 1 })
  return make("integer", { kind = "integer", low = low, high = high, log = o.log, step = o.step })
end

--- low, low + step, low + 2 step, ... up to high, each as likely.
function space.step(low, high, step)
  if step == nil then core.fail("step: the third argument, the step, is missing") end
  return make("step", { kind = "float", low = low, high = high, step = step })
end

--- One of a list of numbers, texts, true and false; their order means nothing.
function space.choice(choices)
  return make("choice", { kind = "choice", choices = choices })
end

--- Whether this table is a distribution.
function space.is(d)
  return getmetatable(d) == Distribution
end

--- Refuses what is not a table of distributions by name; returns the names, sorted.
function space.check(distributions, who)
  who = who or "space"
  if type(distributions) ~= "table" then
    core.fail("%s: wanted a table of distributions by name, not a %s", who, type(distributions))
  end
  local names = {}
  for name, d in pairs(distributions) do
    if type(name) ~= "string" then core.fail("%s: a parameter needs a name, not %s", who, show(name)) end
    if not space.is(d) then
      core.fail("%s: '%s' is a %s; wanted lt.uniform, lt.log_uniform, lt.integer, lt.step or lt.choice",
        who, name, type(d))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- The name of a distribution as it is written in a script: "log_uniform(1e-05, 0.01)".
function Distribution.__tostring(d)
  if d.kind == "choice" then
    local parts = {}
    for i, value in ipairs(d.choices) do parts[i] = show(value) end
    return ("choice {%s}"):format(table.concat(parts, ", "))
  end
  local range = ("%.14g, %.14g"):format(d.low, d.high)
  if d.kind == "integer" then
    local more = d.log and ", {log = true}" or d.step ~= 1 and (", {step = %.14g}"):format(d.step) or ""
    return ("integer(%s%s)"):format(range, more)
  end
  if d.step then return ("step(%s, %.14g)"):format(range, d.step) end
  return ("%s(%s)"):format(d.log and "log_uniform" or "uniform", range)
end

--- Whether two distributions are the same.
function space.same(a, b)
  if a == b then return true end
  if a.kind ~= b.kind or a.low ~= b.low or a.high ~= b.high or a.step ~= b.step
    or (a.log or false) ~= (b.log or false) then
    return false
  end
  if a.kind ~= "choice" then return true end
  if #a.choices ~= #b.choices then return false end
  for i, value in ipairs(a.choices) do
    if b.choices[i] ~= value then return false end
  end
  return true
end

--- Whether only one value is possible.
function space.is_single(d)
  if d.kind == "choice" then return #d.choices == 1 end
  return d.low == d.high
end

--- Number of values, infinite where there is no step.
function space.count(d)
  if d.kind == "choice" then return #d.choices end
  if d.step then return floor((d.high - d.low) / d.step + 0.5) + 1 end
  return d.low == d.high and 1 or math.huge
end

--- All values of a distribution with finitely many, in order.
function space.values(d)
  if d.kind == "choice" then return { unpack(d.choices) } end
  local list = {}
  for i = 1, space.count(d) do list[i] = min(d.high, d.low + (i - 1) * (d.step or 0)) end
  return list
end

--- The position (from 1) of a value among the choices, or nil.
function space.index(d, value)
  for i, choice in ipairs(d.choices) do
    if choice == value then return i end
  end
end

--- The number that stands for a value in storage: the position of a choice, else the value itself.
function space.to_stored(d, value)
  if d.kind ~= "choice" then return value end
  return space.index(d, value) or core.fail("%s is none of %s", show(value), tostring(d))
end

--- The value that a stored number stands for.
function space.from_stored(d, stored)
  if d.kind ~= "choice" then return stored end
  local value = d.choices[stored]
  if value == nil then core.fail("choice number %s is none of %s", show(stored), tostring(d)) end
  return value
end

--- Whether a value can come from the distribution (a stepped one within 1e-8 of a step).
function space.contains(d, value)
  if d.kind == "choice" then return space.index(d, value) ~= nil end
  if type(value) ~= "number" or not (value >= d.low and value <= d.high) then return false end
  if not d.step then return true end
  local k = (value - d.low) / d.step
  return math.abs(k - floor(k + 0.5)) < 1e-8
end

--- The ends of the interval on which samplers work: logarithms where the range is logarithmic, and
-- half a step beyond both ends where the values are discrete (so that each has the same room).
function space.bounds(d)
  if d.kind == "choice" then return 0, #d.choices end
  local half = (d.step or 0) / 2
  if d.log then return log(d.low - half), log(d.high + half) end
  return d.low - half, d.high + half
end

-- The value of the distribution nearest to x, a number on the scale of the values.
local function nearest(d, x)
  if d.step then x = d.low + floor((x - d.low) / d.step + 0.5) * d.step end
  return max(d.low, min(d.high, x))
end
space.nearest = nearest

--- Where a value lies in [0, 1] on the scale of space.bounds; a choice at the middle of its share.
function space.to_unit(d, value)
  local low, high = space.bounds(d)
  local x = value
  if d.kind == "choice" then x = space.to_stored(d, value) - 0.5
  elseif d.log then x = log(value) end
  if high == low then return 0.5 end
  return (x - low) / (high - low)
end

--- The value at u in [0, 1]: the inverse of to_unit, rounded to a value of the distribution.
function space.from_unit(d, u)
  local low, high = space.bounds(d)
  local x = low + u * (high - low)
  if d.kind == "choice" then return d.choices[max(1, min(#d.choices, floor(x) + 1))] end
  return nearest(d, d.log and exp(x) or x)
end

--- A distribution as a JSON text, the same for equal distributions.
function space.to_json(d)
  local plain = { kind = d.kind, low = d.low, high = d.high, log = d.log, step = d.step,
    choices = d.choices }
  return require("luatrain.json").encode(plain, { pretty = false })
end

--- The distribution of a JSON text (or of the table decoded from it); checked as those of a script.
function space.from_json(text)
  local plain = text
  if type(text) == "string" then
    plain = require("luatrain.json").decode(text, { name = "distribution" })
  end
  if type(plain) ~= "table" then core.fail("distribution: wanted an object, got %s", show(plain)) end
  options.check("distribution", plain,
    { kind = true, low = true, high = true, log = true, step = true, choices = true })
  return make("distribution", plain)
end

return space
