-- Histories for tests of samplers: a study that runs by itself.
local history = {}

--- An empty history.
function history.new(directions)
  return { trials = {}, directions = directions or { "minimize" }, version = 0 }
end

--- Begins a trial with given values; returns its record.
function history.begin(h, params, distributions)
  local record = { number = #h.trials, state = "running", params = params or {},
    distributions = distributions or {}, reports = {} }
  h.trials[record.number + 1] = record
  h.version = h.version + 1
  return record
end

--- Ends a trial with its values.
function history.finish(h, record, ...)
  record.state, record.values = "done", { ... }
  h.version = h.version + 1
end

--- What a sampler suggests for a trial of a space.
function history.ask(sampler, h, number, space)
  local params = sampler:relative(h, number, space)
  for name, d in pairs(space) do
    if params[name] == nil then params[name] = sampler:independent(h, number, name, d) end
  end
  return params
end

--- Runs n trials of objective(params) in a space, one after the other; returns the history.
function history.run(sampler, space, n, objective, h)
  h = h or history.new()
  for _ = 1, n do
    local record = history.begin(h, nil, space)
    record.params = history.ask(sampler, h, record.number, space)
    history.finish(h, record, objective(record.params))
  end
  return h
end

return history
