--- A study as tables and texts: status, trials, settings, importance.
local core = require "luatrain.core"
local display = require "luatrain.sweep.display"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local journal = require "luatrain.train.journal"
local last_report = require("luatrain.sweep.seen").last_report
local text = require "luatrain.text"

local tables = {}

--- Names of all parameters that any trial of a study has, sorted.
function tables.names(study)
  local seen = {}
  for _, record in ipairs(study.history.trials) do
    for name in pairs(record.params) do seen[name] = true end
  end
  return core.sorted_keys(seen)
end

--- What the objectives are called: the metrics' names, else "value" or "value1", "value2", ...
function tables.objectives(study)
  local stored = study.stored.objective
  if type(stored) == "table" then return stored end
  local names = {}
  for i = 1, #study.history.directions do
    names[i] = #study.history.directions == 1 and "value" or "value" .. i
  end
  return names
end

--- A record as plain values for JSON.
function tables.plain(record)
  local reports = {}
  for step, value in pairs(record.reports) do
    reports[("%d"):format(step)] = value == value and math.abs(value) ~= math.huge and value or json.null
  end
  return {number = record.number, state = record.state, params = record.params, reports = reports,
    values = record.values and json.array(record.values) or nil, message = record.message,
    attempt = record.attempt, started = record.started, finished = record.finished}
end

--- A record in several lines, for people.
function tables.describe(record)
  local lines = {("trial %d: %s"):format(record.number,
    record.state == "done" and display.values(record.values) or record.state)}
  for _, name in ipairs(core.sorted_keys(record.params)) do
    local value = record.params[name]
    lines[#lines + 1] = ("  %-20s %s"):format(name, type(value) == "number" and json.number(value)
      or tostring(value))
  end
  return table.concat(lines, "\n")
end

-- ---- trials -------------------------------------------------------------------------------------

local function columns_of(study)
  local columns = {"number", "state"}
  for _, name in ipairs(tables.objectives(study)) do columns[#columns + 1] = name end
  local names = tables.names(study)
  for _, name in ipairs(names) do columns[#columns + 1] = "params." .. name end
  for _, name in ipairs {"steps", "attempt", "seconds", "started", "message"} do
    columns[#columns + 1] = name
  end
  return columns, names
end

local function cell(value)
  if value == nil then return "" end
  if type(value) == "number" then
    return value == value and math.abs(value) ~= math.huge and json.number(value) or tostring(value)
  end
  return tostring(value)
end

local function row_of(study, record, names)
  local row = {cell(record.number), record.state}
  for i = 1, #tables.objectives(study) do row[#row + 1] = cell(record.values and record.values[i]) end
  for _, name in ipairs(names) do row[#row + 1] = cell(record.params[name]) end
  row[#row + 1] = cell((last_report(record)))
  row[#row + 1] = cell(record.attempt)
  row[#row + 1] = record.finished and record.started
    and ("%.3f"):format(record.finished - record.started) or ""
  row[#row + 1] = record.started and os.date("!%Y-%m-%dT%H:%M:%SZ", record.started) or ""
  row[#row + 1] = cell(record.message)
  return row
end

local function csv_cell(words)
  if words:find '[",\n\r]' then return '"' .. words:gsub('"', '""') .. '"' end
  return words
end

--- All trials as comma-separated values (RFC 4180, but for plain newlines), a text with a header.
function tables.csv(study)
  local columns, names = columns_of(study)
  local lines = {}
  local function add(row)
    local cells = {}
    for i, one in ipairs(row) do cells[i] = csv_cell(one) end
    lines[#lines + 1] = table.concat(cells, ",")
  end
  add(columns)
  for _, record in ipairs(study.history.trials) do add(row_of(study, record, names)) end
  return table.concat(lines, "\n") .. "\n"
end

--- All trials as a table for people.
function tables.text(study)
  local columns, names = columns_of(study)
  local rows, widths = {columns}, {}
  for _, record in ipairs(study.history.trials) do
    local row = row_of(study, record, names)
    for i = 3, 2 + #tables.objectives(study) + #names do
      local number = tonumber(row[i])
      if number then row[i] = ("%.6g"):format(number) end
    end
    rows[#rows + 1] = row
  end
  for _, row in ipairs(rows) do
    for i, one in ipairs(row) do widths[i] = math.max(widths[i] or 0, text.width(one)) end
  end
  local lines = {}
  for k, row in ipairs(rows) do
    local cells = {}
    for i, one in ipairs(row) do cells[i] = text.pad(one, widths[i]) end
    lines[k] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  return table.concat(lines, "\n") .. "\n"
end

-- ---- status -------------------------------------------------------------------------------------

--- Facts about a study: {name, storage, trials (wanted: what its file says, or more where it was extended),
-- counts, parents, best, mean_seconds}.
function tables.status(study, spec, grace)
  local sum, n = 0, 0
  for _, record in ipairs(study.history.trials) do
    if record.finished and record.started and record.state ~= "running" then
      sum, n = sum + record.finished - record.started, n + 1
    end
  end
  local best, parents = {}, study.storage:parents(study.id, grace)
  for i, record in ipairs(study:best()) do best[i] = tables.plain(record) end
  for i, one in ipairs(parents) do parents[i] = {host = one.host, pid = one.pid, age = one.age} end
  local trials = math.max(require("luatrain.sweep.file").trials(spec), #study.history.trials)
  return {name = study.name, storage = study.storage.path, trials = trials, counts = study:counts(),
    parents = json.array(parents), best = json.array(best), mean_seconds = n > 0 and sum / n or nil}
end

--- The same for people.
function tables.status_text(study, status)
  local counts = status.counts
  local lines = {("study %s in %s"):format(status.name, status.storage),
    ("%d of %d trials are finished: %d done, %d pruned, %d failed; %d running, %d waiting"):format(
      counts.done + counts.pruned + counts.failed, status.trials, counts.done, counts.pruned, counts.failed,
      counts.running, counts.waiting)}
  if status.mean_seconds then
    lines[#lines + 1] = ("a trial takes %.3g s on average"):format(status.mean_seconds)
  end
  for _, one in ipairs(status.parents) do
    lines[#lines + 1] = ("process %d on %s works on it, heard of %.0f s ago"):format(one.pid, one.host,
      one.age)
  end
  if #status.parents == 0 then
    lines[#lines + 1] = "nobody works on it now"
      .. (counts.running > 0 and "; the running trials were killed, and `run` begins them again" or "")
  end
  local now = study.storage.db:now()
  for _, record in ipairs(#status.parents > 0 and study.history.trials or {}) do
    if record.state == "running" then
      local line = ("  trial %d has run for %s  %s"):format(record.number,
        journal.clock(math.max(0, now - record.started)), display.params(record.params))
      lines[#lines + 1] = line:gsub("%s+$", "")
    end
  end
  local best = study:best()
  for i = 1, math.min(#best, 10) do lines[#lines + 1] = "best " .. display.result(best[i]) end
  if #best > 10 then lines[#lines + 1] = ("and %d more of the Pareto front"):format(#best - 10) end
  return table.concat(lines, "\n")
end

-- ---- settings -----------------------------------------------------------------------------------

--- What a recipe must be told to repeat a trial: fixed settings and the trial's own, nested as in config
-- files.
function tables.settings(study, record)
  local all = {}
  local function put(name, value)
    local section, inner = name:match "^(.-)%.(.+)$"
    if not section then
      all[name] = value
      return
    end
    all[section] = all[section] or {}
    all[section][inner] = value
  end
  for name, value in pairs(study.spec.settings or {}) do put(name, value) end
  for name, value in pairs(record.params) do put(name, value) end
  return all
end

local function lua_text(value, indent)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or type(value) == "number" and json.number(value)
      or tostring(value)
  end
  local parts, inner = {}, indent .. "  "
  for i, one in ipairs(value) do parts[i] = inner .. lua_text(one, inner) .. ",\n" end
  if #value == 0 then
    for _, name in ipairs(core.sorted_keys(value)) do
      parts[#parts + 1] = ("%s[%q] = %s,\n"):format(inner, name, lua_text(value[name], inner))
    end
  end
  return "{\n" .. table.concat(parts) .. indent .. "}"
end

--- Writes settings as a config file; what kind of file, its name's end tells.
function tables.write_settings(path, settings)
  local kind = fs.extension(path)
  if kind == "lua" then
    fs.write(path, "return " .. lua_text(settings, "") .. "\n")
  elseif kind == "json" or kind == "yaml" or kind == "yml" then
    json.save(path, settings)  -- JSON is YAML, too
  else
    failure.raise("usage", "%s: a config file ends in .yaml, .json or .lua", path)
  end
end

-- ---- importance ---------------------------------------------------------------------------------

--- How much each parameter mattered for an objective (default the first): a list of {name, importance}, the
-- largest first, see luatrain.sweep.importance. Raises where there are too few finished trials to tell.
function tables.importance(study, objective)
  local done = 0
  for _, record in ipairs(study.history.trials) do
    if record.state == "done" then done = done + 1 end
  end
  if done < 4 then
    failure.raise("run", "importance: study %s has %d trials that are done, wanted at least 4", study.name,
      done)
  end
  return require("luatrain.sweep.importance").of(study.history, {objective = objective})
end

return tables
