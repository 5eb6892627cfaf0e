--- Every combination of a list of values for each parameter.
--
-- Options: points = 5: how many values a range without steps gives, from low to high in equal distances (of
-- logarithms where the range is logarithmic), or a table of counts and lists of values by name:
--   { name = "grid", points = { lr = { 1e-4, 1e-3 }, dropout = 3 } }
-- Ranges with steps and choices give all their values unless points says otherwise. shuffle = true: the
-- combinations come in random order, so that a sweep stopped early has seen all corners; false: in order,
-- the last name (alphabetically) fastest. seed = 0.
--
-- Trial number k gets combination k. Beyond the last one come those whose trials failed, and then all of
-- them again (a recipe's, which would come to the same, at random between them). A study without a number of
-- trials ends with the last one. Parameters that are not in the declared space are drawn at random.
local core = require "luatrain.core"
local options = require "luatrain.options"
local draw = require "luatrain.sweep.draw"
local space = require "luatrain.sweep.space"
local random = require "luatrain.sweep.samplers.random"

local Grid = {}
Grid.__index = Grid

local grid = { options = { points = 5, shuffle = true, seed = 0 } }

local MAX = 1e6  -- combinations

--- A sampler; see above for the options.
function grid.new(given)
  local self = options.read("grid", given, grid.options)
  if type(self.points) ~= "table" then options.size("grid", "points", self.points) end
  if type(self.shuffle) ~= "boolean" then
    core.fail("grid: shuffle is %s, want true or false", tostring(self.shuffle))
  end
  return setmetatable(self, Grid)
end

-- n values of a distribution in equal distances, both ends among them, without repetition.
local function spread(d, n)
  local list, seen = {}, {}
  for i = 1, n do
    local share = n == 1 and 0.5 or (i - 1) / (n - 1)
    local value
    if d.kind == "choice" then value = d.choices[math.floor(share * (#d.choices - 1) + 0.5) + 1]
    elseif share == 0 then value = d.low
    elseif share == 1 then value = d.high
    elseif d.log then value = space.nearest(d, d.low * (d.high / d.low) ^ share)
    else value = space.nearest(d, d.low + share * (d.high - d.low)) end
    if not seen[value] then list[#list + 1] = value end
    seen[value] = true
  end
  return list
end

local function check_list(name, d, list)
  if #list == 0 then core.fail("grid: the list of points for '%s' is empty", name) end
  for _, value in ipairs(list) do
    if not space.contains(d, value) then
      core.fail("grid: the point %s of '%s' is outside of %s", tostring(value), name, tostring(d))
    end
  end
  return list
end

-- The values of one parameter.
local function values_of(self, name, d)
  local wanted = self.points
  if type(wanted) == "table" then wanted = wanted[name] end
  if type(wanted) == "table" then return check_list(name, d, wanted) end
  if type(self.points) == "table" and wanted ~= nil then
    return spread(d, options.size("grid", "points." .. name, wanted))
  end
  if space.count(d) < math.huge then
    if space.count(d) > MAX then
      core.fail("grid: '%s' has %.0f values; give a count of points for it", name, space.count(d))
    end
    return space.values(d)
  end
  return spread(d, wanted or grid.options.points)
end

-- Names, lists of values and the number of combinations of a declared space.
local function plan_of(self, known)
  if self.plan and self.known == known then return self.plan end
  local names = space.check(known, "grid")
  if type(self.points) == "table" then options.check("grid: points", self.points, known) end
  local plan = { names = names, lists = {}, count = 1 }
  for i, name in ipairs(names) do
    plan.lists[i] = values_of(self, name, known[name])
    plan.count = plan.count * #plan.lists[i]
  end
  if plan.count > MAX then
    core.fail("grid: %.0f combinations; give fewer points, or use another sampler", plan.count)
  end
  plan.order = self.shuffle and draw.stream(self.seed, 0, "grid"):permutation(plan.count) or nil
  self.plan, self.known = plan, known
  return plan
end

--- The number of combinations of a declared space: how many trials a study has that does not say it.
function Grid:count(known)
  return plan_of(self, known).count
end

-- Combination number k (from 0) in the order of trials.
local function combination(plan, k)
  local index = plan.order and plan.order[k + 1] - 1 or k
  local params = {}
  for i = #plan.names, 1, -1 do
    local list = plan.lists[i]
    params[plan.names[i]] = list[index % #list + 1]
    index = math.floor(index / #list)
  end
  return params
end

-- The combinations (from 0) whose first trials have failed.
local function failed(plan, trials)
  local list = {}
  for k = 0, math.min(plan.count, #trials) - 1 do
    if trials[k + 1].state == "failed" then list[#list + 1] = k end
  end
  return list
end

--- The combination of a trial.
function Grid:relative(history, number, known)
  if not known or next(known) == nil then
    core.fail "grid: this sampler needs a declared space; an objective that asks as it goes has none"
  end
  local plan = plan_of(self, known)
  if number < plan.count then return combination(plan, number) end
  local again, beyond = failed(plan, history.trials), number - plan.count
  if again[beyond + 1] then return combination(plan, again[beyond + 1]) end
  return combination(plan, (beyond - #again) % plan.count)
end

--- A value at random, for a parameter outside of the declared space.
Grid.independent = random.independent

return grid
