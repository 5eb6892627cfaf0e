-- The bench driver: ./build.sh bench [NAME ...] [--rounds N]
--
-- Every tests/bench/NAME.lua has a peer tests/bench/peer_NAME.py (or .sh). Both print lines
--   RESULT name=resnet18_f32 value=0.41 unit=s
-- and are run in turn, several rounds in one go, so that a machine whose speed drifts hits both
-- alike; the medians and their ratio (above 1: luatrain is better) are printed and appended to
-- build/bench.jsonl. Peers need a Python with torch, torchaudio and librosa: the one named by
-- LUATRAIN_PEER_PYTHON, else python3. A row whose peer cannot run says so.

-- What each figure should reach: the ratio, or with limit the value itself.
local wanted = {
  resnet18_f32 = 1.2, resnet18_bf16 = 1.2, resnet18_f32_memory = 1 / 0.7,
  hdf5_mels = 0.8, hdf5_mels_two = 0.8, hdf5_audio = 10,
  chord = 1.2, mlp = 3, transformer = 1.1, logmel_librosa = 10, logmel_torchaudio = 1.5,
  inversion_step_f32 = 1.3, inversion_step_bf16 = 1.3,
  inversion_evaluate_f32 = 1.3, inversion_evaluate_bf16 = 1.3,
  decode_greedy = 5, decode_beam5 = 5, decoder_step = 1.2,
  ast_base = 1,
  sweep_small = 10,
}
local limits = { startup = 0.015, startup_prompt = 0.03, synthesizer_matrix = 0.01, synthesizer_all = 0.01,
  synthesizer_random = 0.01, decode_10s_greedy = 0.1, decode_10s_beam5 = 0.5,
  sweep_overhead = 0.01, sweep_suggest = 0.05, sweep_suggest_first = 0.05 }
for _, name in ipairs { "emotion", "melody", "harmony", "dynamics", "groove" } do
  wanted["musician_" .. name], wanted["musician_" .. name .. "_compiled"] = 5, 2
  wanted["latency_" .. name] = 10
end
for _, name in ipairs { "random", "sobol", "cmaes", "tpe", "tpe_mixed", "tpe_single", "tpe_single_mixed",
  "tpe_two_objectives" } do limits["suggest_" .. name] = 0.05 end
-- Those that have no peer.
local alone = { synthesizer = true, suggest = true }

local self = "build/luatrain"
local python = os.getenv "LUATRAIN_PEER_PYTHON" or "python3"

local function capture(command)
  local pipe = io.popen(command .. " 2>build/bench.err")
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local function results(command)
  local list, notes = {}, {}
  for line in capture(command):gmatch "[^\n]+" do
    local name, value, unit, note = line:match "^RESULT name=(%S+) value=(%S+) unit=(%S+)%s*(.*)$"
    if name then
      -- a peer that was run in several ways counts by its best
      if not list[name] then notes[#notes + 1] = name end
      if not list[name] or tonumber(value) < list[name].value then
        list[name] = { value = tonumber(value), unit = unit, note = note }
      end
    end
  end
  return list, notes
end

local function exists(path)
  local f = io.open(path)
  if f then f:close() end
  return f ~= nil
end

local function median(list)
  table.sort(list)
  local n = #list
  if n % 2 == 1 then return list[(n + 1) / 2] end
  return (list[n / 2] + list[n / 2 + 1]) / 2
end

local function add(store, order, found, names)
  for _, name in ipairs(names) do
    if not store[name] then
      store[name] = { values = {}, unit = found[name].unit }
      order[#order + 1] = name
    end
    table.insert(store[name].values, found[name].value)
    store[name].note = found[name].note
  end
end

local function peer_command(name)
  if alone[name] then return "true" end
  if exists("tests/bench/peer_" .. name .. ".py") then
    return python .. " tests/bench/peer_" .. name .. ".py"
  end
  return "sh tests/bench/peer_" .. name .. ".sh"
end

local function show(value, unit)
  if not value then return "-" end
  if unit == "s" then
    if value < 1e-3 then return ("%.1f us"):format(value * 1e6) end
    if value < 1 then return ("%.2f ms"):format(value * 1e3) end
    return ("%.2f s"):format(value)
  end
  return ("%.1f %s"):format(value, unit)
end

local function json_text(row)
  local parts = {}
  for _, key in ipairs { "name", "ours", "peer", "peer_name", "unit", "ratio", "wanted" } do
    local v = row[key]
    local text = v == nil and "null" or type(v) == "number" and ("%.6g"):format(v) or ("%q"):format(v)
    parts[#parts + 1] = ("%q: %s"):format(key, text)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

local function report(name, ours, peer, log)
  local row = { name = name, unit = ours.unit, ours = median(ours.values) }
  if peer then
    row.peer, row.peer_name = median(peer.values), peer.note ~= "" and peer.note or "peer"
    row.ratio = row.peer / row.ours
  end
  row.wanted = wanted[name]
  local verdict = ""
  if limits[name] then
    verdict = row.ours <= limits[name] and "reached" or "missed"
    verdict = ("at most %s: %s"):format(show(limits[name], ours.unit), verdict)
  elseif row.wanted and row.ratio then
    verdict = ("wanted %.2fx: %s"):format(row.wanted, row.ratio >= row.wanted and "reached" or "missed")
  end
  print(("%-22s %12s %12s %9s  %s%s"):format(name, show(row.ours, row.unit), show(row.peer, row.unit),
    row.ratio and ("%.2fx"):format(row.ratio) or "no peer", verdict,
    row.peer_name and row.peer_name ~= "peer" and " (peer: " .. row.peer_name .. ")" or ""))
  log:write(json_text(row), "\n")
  log:flush()
end

local function run_pair(name, rounds, log)
  local ours, peer, order = {}, {}, {}
  for _ = 1, rounds do
    local found, names = results(self .. " tests/bench/" .. name .. ".lua")
    if #names == 0 then
      print(("%-22s failed: %s"):format(name, (capture "tail -n 1 build/bench.err"):gsub("\n", "")))
      return
    end
    add(ours, order, found, names)
    found, names = results(peer_command(name))
    add(peer, {}, found, names)
  end
  for _, row in ipairs(order) do report(row, ours[row], peer[row], log) end
end

local function all_names()
  local list = {}
  for path in capture "ls tests/bench/*.lua":gmatch "[^\n]+" do
    local name = path:match "([^/]+)%.lua$"
    if name ~= "bench" and (alone[name] or exists("tests/bench/peer_" .. name .. ".py")
      or exists("tests/bench/peer_" .. name .. ".sh")) then
      list[#list + 1] = name
    end
  end
  return list
end

local names, rounds = {}, 3
local i = 1
while arg[i] do
  if arg[i] == "--rounds" then
    i = i + 1
    rounds = tonumber(arg[i]) or rounds
  else
    names[#names + 1] = arg[i]
  end
  i = i + 1
end
local known = all_names()
for _, name in ipairs(names) do
  if not exists("tests/bench/" .. name .. ".lua") or name == "bench" then
    io.stderr:write(("bench: there is no %q; there are: %s\n"):format(name, table.concat(known, ", ")))
    os.exit(2)
  end
end
if #names == 0 then names = known end
print(("%-22s %12s %12s %9s"):format("", "luatrain", "peer", "ratio"))
local log = assert(io.open("build/bench.jsonl", "a"))
for _, name in ipairs(names) do run_pair(name, rounds, log) end
log:close()
