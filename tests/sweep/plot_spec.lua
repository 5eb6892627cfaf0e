-- Pictures of a study, and the page that holds them.
local command = require "sweep.command"
local files = require "sweep.files"
local fs = require "luatrain.fs"
local gnuplot = require "luatrain.report.gnuplot"
local json = require "luatrain.json"
local png = require "png"
local program = require "program"

local sweep = command.run

describe("plots of a sweep", function()
  local folder
  before_each(function() folder = program.folder() end)
  teardown(program.clean)

  if not gnuplot.available() then
    pending "gnuplot is not installed"
    return
  end

  it("are drawn with all kinds of parameters, reports and pruned trials", function()
    local path = files.write(folder, "all", [[trials = 30, pruner = {name = "threshold", upper = 0.8},
      objective = function(trial)
        local lr = trial:suggest("lr", lt.log_uniform(1e-4, 1))
        local kind = trial:suggest("kind", lt.choice {"a", "b", true})
        local n = kind == "a" and trial:suggest("n", lt.integer(1, 9)) or 3
        for step = 1, 3 do
          trial:report(lr + n / 100, step)
          if trial:should_prune() then trial:prune() end
        end
        return lr + n / 100
      end]])
    assert.equal(0, sweep(folder, path, "run", "--quiet").code)
    local result = sweep(folder, path, "plot")
    assert.equal(0, result.code, result.err)
    local out = fs.join(folder, "runs/sweeps/all/report")
    for _, name in ipairs {"history", "reports", "parallel", "slices", "importance"} do
      assert.is_truthy(result.out:find(name .. ".png", 1, true))
      local width, height, bytes = png.size(fs.join(out, name .. ".png"))
      assert.is_true(width >= 700 and height >= 300 and bytes > 5000)
    end
    local page = fs.read(fs.join(out, "index.html"))
    local pictures = 0
    for _ in page:gmatch '<img src="data:image/png;base64,' do pictures = pictures + 1 end
    assert.equal(5, pictures)
    assert.is_nil(page:find "https?://")
    assert.is_truthy(page:find("parallel coordinates", 1, true) or page:find("parallel", 1, true))
    -- What matters is lr: the threshold prunes by it, and the objective is little else.
    local shares = json.decode(sweep(folder, path, "importance", "--json").out)
    local sum = 0
    for _, share in pairs(shares) do sum = sum + share end
    assert.is_true(math.abs(sum - 1) < 1e-9)
    assert.is_truthy(shares.lr and shares.kind)
    assert.is_truthy(sweep(folder, path, "importance").out:find "lr%s+0%.%d+")
    -- Elsewhere, if wanted.
    assert.equal(0, sweep(folder, path, "plot", "--out", "there").code)
    assert.is_true(fs.exists(fs.join(folder, "there/index.html")))
  end)

  it("of a large study miss neither its best trial nor a rare parameter", function()
    local folder_of = program.folder()
    local store = require("luatrain.sweep.storage").open(fs.join(folder_of, "study.db"), {create = true})
    local id = store:make_study("large", {directions = {"minimize"}, objective = "function"}).id
    local me = require("luatrain.sweep.storage").identity()
    local claimed = store:exchange(id, me, {claim = 2500, target = 2500}).claimed
    for i, trial in ipairs(claimed) do
      local rare = i == 1301
      trial.state, trial.values, trial.reports = "done", {rare and 1 or 2 + i}, '{"1":3}'
      trial.params = ('{"x":%d%s}'):format(i, rare and ',"rare":0.5' or "")
      trial.distributions = '{"x":{"kind":"integer","low":1,"high":2500}'
        .. (rare and ',"rare":{"kind":"float","low":0,"high":1}}' or "}")
    end
    store:exchange(id, me, {finished = claimed})
    local study = require("luatrain.sweep.study").find(store, "large")
    study:refresh()
    local written = require("luatrain.sweep.plot").write(study, fs.join(folder_of, "report"))
    store:close()
    assert.equal(6, #written)
    local page = fs.read(fs.join(folder_of, "report/index.html"))
    assert.is_truthy(page:find("2500 trials are done", 1, true))
    assert.is_truthy(page:find("<td>1300</td>", 1, true), "the best trial stands in the table")
  end)

  it("show a Pareto front", function()
    local path = files.write(folder, "front", [[trials = 15, direction = {"minimize", "minimize"},
      objective = function(trial)
        local x = trial:suggest("x", lt.uniform(0, 1))
        return {x, (1 - x) ^ 2}
      end]])
    assert.equal(0, sweep(folder, path, "run", "--quiet").code)
    assert.equal(0, sweep(folder, path, "plot").code)
    assert.is_true((png.size(fs.join(folder, "runs/sweeps/front/report/pareto.png"))) >= 800)
  end)

  it("say that there is nothing to draw", function()
    local path = files.write(folder, "none", [[trials = 1, objective = function() error "no" end]])
    sweep(folder, path, "run", "--quiet")
    local result = sweep(folder, path, "plot")
    assert.equal(1, result.code)
    assert.is_truthy(program.last_line(result.err):find "no trial of study none is done")
  end)
end)
