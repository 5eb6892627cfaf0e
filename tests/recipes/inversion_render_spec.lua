-- Rendering data for the inversion recipe: what the file holds, and that being killed changes nothing.
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local hdf5 = require "luatrain.data.hdf5"
local lv2 = require "luatrain.music.lv2"
local program = require "program"
local synthesizer = require "luatrain.music.synthesizer"

local folder, recipe

setup(function()
  folder = program.folder()
  recipe = fs.join(folder, "render.lua")
  fs.write(recipe, ([[
package.path = %q .. ";" .. package.path
local render = require "inversion_render"
return { commands = { render = { config = render.config, run = render.run } } }
]]):format(program.here "recipes/inversion/?.lua"))
end)
teardown(program.clean)

local function arguments(out, ...)
  return { "run", recipe, "render", "--out", out, "--presets", "60", "--shard", "4", "--seconds", "0.3",
    "--gate", "0.2", "--sample-rate", "11025", "--chunk", "0.2", ... }
end

local function render(out, ...)
  local result = program.run(arguments(out, ...))
  assert.are.equal(0, result.code, result.err)
  return result.err
end

describe("render", function()
  local whole

  setup(function()
    whole = fs.join(folder, "whole.h5")
    local said = render(whole, "--threads", "2")
    assert.is_truthy(said:find("60 presets, 180 sounds", 1, true), said)
    assert.is_false(fs.exists(whole .. ".shards"))
  end)

  it("writes sounds, presets and what they mean", function()
    local f, s = hdf5.open(whole), synthesizer.open "builtin"
    local about = f:attributes "/"
    assert.are.same({ 180, 3308 }, f:dataset("audio").shape)
    assert.are.same({ 15, 3308 }, f:dataset("audio").chunk)
    assert.are.same({ 180, 117 }, f:dataset("params/continuous").shape)
    assert.are.equal("builtin", about.synthesizer)
    assert.are.same({ 48, 60, 72 }, about.notes)
    assert.are.equal(117, #about.continuous_names)
    assert.are.equal(46, #about.categorical_n_options)
    assert.are.same(s.categorical[2].options, lt.json.decode(about.categorical_options)[2])
    local learnable = 0
    for _, one in ipairs(about.continuous_learnable) do learnable = learnable + one end
    assert.are.equal(61, learnable)
    assert.are.equal("osc_1_on+osc_1_unison", about.continuous_switches[4])
    -- Rows of a preset follow each other; each sound is that of its row's preset and note.
    local hashes, notes = f:strings "metadata/preset_hash", f:dataset("metadata/note"):read(1, 180):tolist()
    local audio = f:dataset("audio"):read(1, 180)
    local rms, peak = (audio * audio):mean(2):sqrt(), audio:abs():amax(2)
    assert.is_true(rms:min():item() > 0.01 and peak:max():item() < 0.99)
    for _, row in ipairs { 1, 77, 180 } do
      local preset = { continuous = f:dataset("params/continuous"):read(row, 1):select(1, 1),
        categorical = f:dataset("params/categorical"):read(row, 1):select(1, 1) }
      assert.are.equal(hashes[row], s:hash(preset))
      assert.are.equal(({ 48, 60, 72 })[(row - 1) % 3 + 1], notes[row])
      assert.are.equal(hashes[row], hashes[row - (row - 1) % 3])
      local sound = s:render(preset, { note = notes[row], seconds = 0.3, gate = 0.2, sample_rate = 11025 })
      assert.are.equal(0, (sound - audio:select(1, row)):abs():max():item())
    end
    f:close()
  end)

  it("gives the same file whatever the number of threads", function()
    local one = fs.join(folder, "one.h5")
    render(one, "--threads", "1")
    assert.is_true(fs.read(one) == fs.read(whole))
  end)

  it("that is killed twenty times and resumed gives the file of one that was not", function()
    local out = fs.join(folder, "killed.h5")
    local started = core.C.lt_time()
    render(fs.join(folder, "timed.h5"))
    local seconds = core.C.lt_time() - started
    local killed, early, random = 0, 0, require("luatrain.random").generator(11)
    while killed < 20 do
      local share = lt.rand(1, { generator = random }):item()
      local result = program.run(arguments(out), { timeout = 0.02 + 1.1 * seconds * share })
      if result.killed then
        killed = killed + 1
        -- What is there is whole: nothing under the file's name but the file.
        if fs.exists(out) then assert.is_true(fs.read(out) == fs.read(whole)) else early = early + 1 end
        for _, name in ipairs(fs.is_dir(out .. ".shards") and fs.list(out .. ".shards") or {}) do
          if name:find "%.h5$" then hdf5.open(fs.join(out .. ".shards", name)):close() end
        end
      else
        assert.are.equal(0, result.code, result.err)
        assert.is_true(fs.read(out) == fs.read(whole))
        fs.remove(out)  -- and again from nothing
      end
    end
    assert.is_true(early > 5)
    render(out)
    assert.is_true(fs.read(out) == fs.read(whole))
    assert.is_false(fs.exists(out .. ".shards"))
    for _, name in ipairs(fs.list(folder)) do assert.is_nil(name:find "%.tmp") end
  end)

  it("leaves a finished file alone, and refuses another's place", function()
    local said = render(whole)
    assert.is_truthy(said:find("is there already", 1, true), said)
    local result = program.run(arguments(whole, "--seed", "5"))
    assert.are.equal(2, result.code)
    assert.is_truthy(result.err:find("made with other settings; --overwrite", 1, true), result.err)
    local out = fs.join(folder, "other.h5")
    fs.mkdir(out .. ".shards")
    fs.write(out .. ".shards/shards.json", fs.read(whole) and '{"seed": 7}')
    result = program.run(arguments(out))
    assert.are.equal(3, result.code)
    assert.is_truthy(result.err:find("seed (was 7, is ", 1, true), result.err)
    result = program.run(arguments(fs.join(folder, "n.h5"), "--notes", "48,200"))
    assert.are.equal(2, result.code)
    result = program.run(arguments(fs.join(folder, "n.h5"), "--synth", "lv2:urn:no:such"))
    assert.are_not.equal(0, result.code)
    assert.is_truthy(result.err:find("lv2:urn:no:such", 1, true), result.err)
  end)

  it("says what cannot be drawn", function()
    local result = program.run(arguments(fs.join(folder, "n.h5"), "--silent", "10"))
    assert.are.equal(1, result.code)
    assert.is_truthy(result.err:find("silent, clipped or failed in 256 drawings", 1, true), result.err)
  end)

  it("goes on where a plugin crashes", function()
    local bundles = lv2.program() and fs.join(fs.dirname(lv2.program()), "tests/lv2")
    if not bundles or not fs.is_file(fs.join(bundles, "misbehave.lv2/misbehave.so")) then
      pending "skipped: luatrain-lv2 was not built (no lilv)"
      return
    end
    local out = fs.join(folder, "lv2.h5")
    local result = program.run({ "run", recipe, "render", "--out", out, "--presets", "12", "--shard", "5",
      "--seconds", "0.3", "--gate", "0.2", "--sample-rate", "11025", "--timeout", "1", "--synth",
      "lv2:urn:luatrain:misbehave" }, { env = { LV2_PATH = bundles } })
    assert.are.equal(0, result.code, result.err)
    assert.is_truthy(result.err:find("preset %d+ %(attempt %d+%), note 48: the plugin crashed"), result.err)
    local f = hdf5.open(out)
    assert.are.same({ 36, 3308 }, f:dataset("audio").shape)
    f:close()
    -- A plugin that never sounds is given up.
    result = program.run({ "run", recipe, "render", "--out", fs.join(folder, "lifeless.h5"), "--synth",
      "lv2:urn:luatrain:lifeless" }, { env = { LV2_PATH = bundles } })
    assert.are.equal(1, result.code, result.err)
    assert.is_truthy(result.err:find("could be made; the last: the plugin cannot be instantiated", 1, true),
      result.err)
    assert.are.equal(20, select(2, result.err:gsub("attempt 1", "")))
  end)
end)
