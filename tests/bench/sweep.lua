-- Sweeps. sweep_overhead: what a trial costs beside its objective: 1000 trials that wait for 20 ms, two at a
-- time. sweep_small: seconds a trial of a small network (200 steps of the MLP in mlp.lua), a process a trial,
-- two at a time, random settings; sweep_small_workers: the same against a peer that keeps its two processes.
-- sweep_load: opening a study of 100,000 finished trials; sweep_suggest_first, sweep_suggest: suggestions
-- of TPE then.
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local fs = require "luatrain.fs"
local timing = require "bench.timing"

local folder = fs.temporary_directory()

local function run(name, text, more)
  local path = fs.join(folder, name .. ".lua")
  fs.write(path, text)
  local started = lt.time()
  assert(os.execute(("build/luatrain sweep %s run --quiet --parallel 2 --folder %s/%s %s"):format(path,
    folder, name, more or "")) == 0)
  return lt.time() - started
end

local waited = run("wait", [[return { trials = 1000, sampler = "random", objective = function(trial)
  local x = trial:suggest("x", lt.uniform(-5, 5))
  require("ffi").cdef "int usleep(unsigned);"
  require("ffi").C.usleep(20000)
  return x * x
end }]])
timing.result("sweep_overhead", waited * 2 / 1000 - 0.02)

local TRIALS = 60
local small = run("small", ([[return { trials = %d, sampler = "random", objective = function(trial)
  local nn = lt.nn
  lt.manual_seed(1)
  local width = trial:suggest("width", lt.integer(64, 256))
  local model = nn.Sequential(nn.Linear(128, width), nn.ReLU(), nn.Linear(width, 128), nn.ReLU(),
    nn.Linear(128, 64))
  local rate = trial:suggest("lr", lt.log_uniform(1e-4, 1e-2))
  local optimizer = lt.optim.AdamW(model:parameters(), { lr = rate })
  local x, target, value = lt.randn(64, 128), lt.randint(0, 64, { 64 }), nil
  for _ = 1, 200 do
    value = lt.scope(function()
      local loss = lt.loss.cross_entropy(model(x), target)
      optimizer:zero_grad()
      loss:backward()
      optimizer:step()
      return loss:item()
    end)
  end
  return value
end }]]):format(TRIALS))
timing.result("sweep_small", small / TRIALS)
timing.result("sweep_small_workers", small / TRIALS)

-- A study of 100,000 trials, made of one by hand.
run("many", [[return { sampler = "random", objective = function(trial)
  return trial:suggest("lr", lt.log_uniform(1e-5, 1e-1)) + trial:suggest("width", lt.integer(8, 512))
    + trial:suggest("dropout", lt.uniform(0, 0.5)) + #trial:suggest("kind", lt.choice { "a", "bb", "ccc" })
end }]], "--trials 1")
local db = require("luatrain.sweep.sqlite").open(fs.join(folder, "many/study.db"))
local distributions = db:query("SELECT distributions FROM luatrain_trials")[1][1]
db:begin()
math.randomseed(1)
for number = 1, 99999 do
  db:query("INSERT INTO luatrain_trials (study, number, state, change, attempt, lost, params, distributions, "
    .. "reports, outcome, started, finished) VALUES (1, ?, 'done', ?, 1, 0, ?, ?, '{}', ?, 1, 2)", number,
    number + 9, ('{"dropout":%.17g,"kind":%d,"lr":%.17g,"width":%d}'):format(math.random() / 2,
      math.random(3), 10 ^ (-1 - 4 * math.random()), math.random(8, 512)), distributions,
    ("[%.17g]"):format(math.random()))
end
db:query "UPDATE luatrain_studies SET next = 100000, change = 200000"
db:commit()
db:close()
local store = require("luatrain.sweep.storage").open(fs.join(folder, "many/study.db"))
local started = lt.time()
local study = require("luatrain.sweep.study").find(store, "many")
study:refresh()
timing.result("sweep_load", lt.time() - started)
study.spec = { seed = 1 }
study.sampler = require("luatrain.sweep.samplers").make("tpe", { seed = 1 })
local space, number = require "luatrain.sweep.space", 100000
local function suggest()
  local record = study:hold { number = number, attempt = 1, lost = 0 }
  number = number + 1
  study:suggest(record, "lr", space.log_uniform(1e-5, 1e-1))
  study:suggest(record, "width", space.integer(8, 512))
  study:suggest(record, "dropout", space.uniform(0, 0.5))
  study:suggest(record, "kind", space.choice { "a", "bb", "ccc" })
end
started = lt.time()
suggest()  -- the first one reads the history
timing.result("sweep_suggest_first", lt.time() - started)
timing.result("sweep_suggest", timing.median(20, suggest))
store:close()
fs.remove_tree(folder)
