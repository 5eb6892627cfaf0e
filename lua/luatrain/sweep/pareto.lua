--- Several objectives: which trials are not beaten in all of them.
--
-- A trial dominates another when it is at least as good in every objective and better in one. The front
-- is what nothing dominates.
local seen_of = require "luatrain.sweep.seen"

local pareto = {}

--- Whether point a (a list of numbers to minimise) dominates b.
local function dominates(a, b)
  for i = 1, #a do
    if a[i] > b[i] then return false end
  end
  for i = 1, #a do
    if a[i] < b[i] then return true end
  end
  return false
end
pareto.dominates = dominates

--- The objective values of a record, negated where the direction is "maximize": smaller is better.
local function point_of(record, directions)
  local point = {}
  for i, direction in ipairs(directions) do
    point[i] = direction == "maximize" and -record.values[i] or record.values[i]
  end
  return point
end
pareto.point = point_of

local function before(a, b)
  for i = 1, #a do
    if a[i] ~= b[i] then return a[i] < b[i] end
  end
  return false
end

--- The trials of a history that are done and that no other dominates, in order of the first objective (best
-- first), those of equal values by number. With one objective: the best trials.
--   for _, record in ipairs(pareto.front(history)) do print(record.number, unpack(record.values)) end
function pareto.front(history)
  local list = {}
  for i = 1, #history.trials do
    local record = history.trials[i]
    if seen_of.is_done(record) then
      list[#list + 1] = { point = point_of(record, history.directions), record = record }
    end
  end
  -- In lexicographic order nothing is dominated by what comes later.
  table.sort(list, function(a, b)
    if before(a.point, b.point) then return true end
    if before(b.point, a.point) then return false end
    return a.record.number < b.record.number
  end)
  local front, records = {}, {}
  for _, one in ipairs(list) do
    local beaten = false
    for k = #front, 1, -1 do
      if dominates(front[k], one.point) then
        beaten = true
        break
      end
    end
    if not beaten then
      front[#front + 1] = one.point
      records[#records + 1] = one.record
    end
  end
  return records
end

--- The non-domination rank of each point of a list: 1 for the front, 2 for the front of the rest, and so on.
-- @param enough stop when so many have a rank (default all)
function pareto.ranks(points, enough)
  local ranks, left, rank = {}, math.min(enough or #points, #points), 0
  while left > 0 do
    rank = rank + 1
    local front = {}
    for i, a in ipairs(points) do
      if not ranks[i] then
        local beaten = false
        for k, b in ipairs(points) do
          if not ranks[k] and dominates(b, a) then
            beaten = true
            break
          end
        end
        if not beaten then front[#front + 1] = i end
      end
    end
    for _, i in ipairs(front) do ranks[i] = rank end
    left = left - #front
  end
  return ranks
end

--- The crowding distance of each point of a list (Deb, Pratap, Agarwal, Meyarivan, "NSGA-II", 2002): the sum
-- over the objectives of the gap between its neighbours, as a share of the range; infinite at the ends.
function pareto.crowding(points)
  local distance, order = {}, {}
  for i = 1, #points do distance[i], order[i] = 0, i end
  for m = 1, #points > 0 and #points[1] or 0 do
    table.sort(order, function(a, b)
      if points[a][m] ~= points[b][m] then return points[a][m] < points[b][m] end
      return a < b
    end)
    local range = points[order[#order]][m] - points[order[1]][m]
    distance[order[1]], distance[order[#order]] = math.huge, math.huge
    for i = 2, #order - 1 do
      if range > 0 then
        local gap = points[order[i + 1]][m] - points[order[i - 1]][m]
        distance[order[i]] = distance[order[i]] + gap / range
      end
    end
  end
  return distance
end

-- ---- the best of a growing history -------------------------------------------------------------

local Pool = {}
Pool.__index = Pool

--- Follows a history and keeps the trials that fewer than `size` others dominate: the first `size` by rank
-- are always among these, so that a long history need not be gone through each time.
function pareto.pool(size)
  return setmetatable({ size = size, used = 0, generation = 0, list = {} }, Pool)
end

local function add(self, id, point)
  local list, beaten = self.list, 0
  for i = 1, #list do
    if dominates(list[i].point, point) then
      beaten = beaten + 1
      -- What this point dominates is dominated by the same others, so it is not there either.
      if beaten >= self.size then return end
    end
  end
  local kept = {}
  for _, other in ipairs(list) do
    if dominates(point, other.point) then other.beaten = other.beaten + 1 end
    if other.beaten < self.size then kept[#kept + 1] = other end
  end
  kept[#kept + 1] = { id = id, point = point, beaten = beaten }
  self.list = kept
end

--- Takes what is new among the finished trials of `seen`.
function Pool:follow(seen, directions)
  if self.generation ~= seen.generation then
    self.generation, self.used, self.list = seen.generation, 0, {}
  end
  for id = self.used + 1, seen.count do
    local record = seen.records[id]
    if seen_of.is_done(record) then add(self, id, point_of(record, directions)) end
  end
  self.used = seen.count
end

--- The ids of the n (at most `size`) best: by rank, within the last rank the least crowded first.
function Pool:best(n)
  local points, ids = {}, {}
  for i, one in ipairs(self.list) do points[i] = one.point end
  local ranks = pareto.ranks(points, n)
  local rank = 0
  while #ids < n and rank < #points do
    rank = rank + 1
    local members, front = {}, {}
    for i, one in ipairs(self.list) do
      if ranks[i] == rank then
        members[#members + 1] = one.id
        front[#front + 1] = one.point
      end
    end
    if #ids + #members <= n then
      for _, id in ipairs(members) do ids[#ids + 1] = id end
    else
      local distance, order = pareto.crowding(front), {}
      for i = 1, #members do order[i] = i end
      table.sort(order, function(a, b)
        if distance[a] ~= distance[b] then return distance[a] > distance[b] end
        return members[a] < members[b]
      end)
      for i = 1, n - #ids do ids[#ids + 1] = members[order[i]] end
    end
  end
  return ids
end

return pareto
