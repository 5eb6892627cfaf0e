-- The synthesizers' interface on the built-in one: presets, masks that tell the truth, sounds.
local synthesizer = require "luatrain.music.synthesizer"

local s = synthesizer.open "builtin"

local function refused(words, f, ...)
  local good, message = pcall(f, ...)
  assert.is_false(good)
  assert.is_truthy(tostring(message):find(words, 1, true), tostring(message))
end

local function distance(a, b)
  return (a - b):abs():max():item()
end

-- A preset with everything on, from the middle of each range.
local function busy()
  local preset = s:default()
  for i, p in ipairs(s.continuous) do preset.continuous:set(p.name:find "^mod_" and 0.5 or 0.6, i) end
  for i, p in ipairs(s.categorical) do
    if p.name:find "_on$" or p.name:find "_unison$" then preset.categorical:set(1, i) end
  end
  preset.continuous:set(0.4, s.by_name.filter_1_cutoff.index)  -- high enough to hear, low enough to move
  return preset
end

-- Not note 60, where keys track nothing.
local options = { note = 67, seconds = 0.9, gate = 0.7, sample_rate = 22050 }

-- The preset with one parameter elsewhere.
local function changed(preset, p)
  local vector = p.kind == "continuous" and "continuous" or "categorical"
  local other = { continuous = preset.continuous:clone(), categorical = preset.categorical:clone() }
  local value = other[vector]:get(p.index)
  other[vector]:set(vector == "continuous" and (value > 0.5 and value - 0.35 or value + 0.35)
    or (value + 1) % #p.options, p.index)
  return other
end

describe("the registry", function()
  it("has the parameters of tier 1 and the rest", function()
    local count = { continuous = { 0, 0 }, categorical = { 0, 0 } }
    for _, p in ipairs(s.parameters) do count[p.kind][p.tier] = count[p.kind][p.tier] + 1 end
    assert.are.same({ continuous = { 61, 56 }, categorical = { 20, 26 } }, count)
    assert.are.equal(117, #s.continuous)
    assert.are.equal(46, #s.categorical)
  end)

  it("names switches that exist", function()
    for _, p in ipairs(s.parameters) do
      assert.are.equal(p, s.by_name[p.name])
      assert.are.equal(p.group, p.name:sub(1, #p.group))
      for switch in (p.switch or ""):gmatch "[^+]+" do
        assert.are.equal("categorical", (s.by_name[switch] or {}).kind, p.name .. " wants " .. switch)
      end
    end
    assert.are.equal("osc_1_on+osc_2_on", s.by_name.osc_1_fm.switch)
    assert.are.equal("filter_1_on", s.by_name.env_2_decay.switch)
    assert.is_nil(s.by_name.env_1_decay.switch)
  end)

  it("turns values into positions and back", function()
    local values = { osc_1_wave = "square", osc_2_on = "on", osc_2_transpose = -7, filter_1_cutoff = 1234,
      env_1_hold = 0.25, volume = nil }
    local back = s:values(s:preset(values))
    for name, value in pairs(values) do
      if type(value) == "number" then
        assert.is_true(math.abs(back[name] - value) < 1e-3 * math.abs(value), name)
      else
        assert.are.equal(value, back[name])
      end
    end
    assert.are.equal("off", back.filter_1_on)
    assert.are.equal(16000, math.floor(s:values(s:preset { filter_1_cutoff = 1e9 }).filter_1_cutoff + 0.5))
    refused("has no parameter 'osc_1_lvel'; did you mean osc_1_level?", s.preset, s, { osc_1_lvel = 1 })
    refused("osc_1_wave is 'sawtooth'; wanted one of sine, triangle, saw", s.preset, s,
      { osc_1_wave = "sawtooth" })
    refused("osc_1_level is a string", s.preset, s, { osc_1_level = "loud" })
  end)
end)

describe("masks", function()
  it("cover what has no influence, and nothing that has", function()
    local preset = busy()
    local sound = s:render(preset, options)
    for _, p in ipairs(s.parameters) do
      local other = s:render(changed(preset, p), options)
      -- A target or source of the matrix moves nothing while its amount is zero; its amount nothing while
      -- the source is "none".
      if p.tier == 1 then assert.is_true(distance(sound, other) > 1e-4, p.name .. " is not heard")
      else assert.are.equal(0, distance(sound, other), p.name .. " is heard") end
    end
  end)

  it("follow the switches", function()
    local preset = busy()
    for _, p in ipairs(s.parameters) do
      for switch in (p.switch or ""):gmatch "[^+]+" do
        preset.categorical:set(0, s.by_name[switch].index)
        assert.are.equal(0, distance(s:render(preset, options), s:render(changed(preset, p), options)),
          p.name .. " is heard without " .. switch)
        preset.categorical:set(1, s.by_name[switch].index)
      end
    end
  end)

  it("fall where the matrix is used", function()
    local values = { osc_1_wave = "saw", filter_1_on = "on", filter_1_cutoff = 500, env_1_sustain = 1,
      mod_1_amount = 0.5, mod_1_target = "filter_1_cutoff" }
    for source, names in pairs { lfo_2 = { "lfo_2_rate", "lfo_2_wave", "lfo_2_phase" },
      env_4 = { "env_4_attack", "env_4_decay" }, random_1 = { "random_1_rate", "random_1_kind" } } do
      values.mod_1_source = source
      local preset = s:preset(values)
      local sound = s:render(preset, options)
      for _, name in ipairs(names) do
        assert.is_true(distance(sound, s:render(changed(preset, s.by_name[name]), options)) > 1e-4,
          name .. " is not heard through the matrix")
      end
    end
  end)
end)

describe("random presets", function()
  it("depend on seed and index only", function()
    local c, k = s:random_batch(3, 1, 50)
    local one = s:random(3, 17)
    assert.are.same(c:select(1, 17):tolist(), one.continuous:tolist())
    assert.are.same(k:select(1, 17):tolist(), one.categorical:tolist())
    assert.are_not.same(one.continuous:tolist(), s:random(4, 17).continuous:tolist())
  end)

  it("lie in range, use every option, and always have an oscillator", function()
    local c, k = s:random_batch(1, 1, 2000)
    assert.is_true(c:min():item() >= 0 and c:max():item() <= 1)
    for i, p in ipairs(s.categorical) do
      local seen = {}
      for _, option in ipairs(k:select(2, i):tolist()) do seen[option] = (seen[option] or 0) + 1 end
      for option = 0, #p.options - 1 do
        assert.is_truthy(seen[option], p.name .. " never takes " .. option)
      end
      if p.name:find "_on$" then
        local effect = p.group:find "_%d$" == nil and p.group ~= "noise"
        -- one preset in eight would have no oscillator: these share one among the three
        local wanted = effect and 0.4 or p.group:find "^osc_" and 0.5 + 1 / 24 or 0.5
        assert.is_true(math.abs(seen[1] / 2000 - wanted) < 0.05, p.name)
      end
    end
    local on = k:select(2, s.by_name.osc_1_on.index) + k:select(2, s.by_name.osc_2_on.index)
      + k:select(2, s.by_name.osc_3_on.index)
    assert.is_true(on:min():item() >= 1)
    for i, p in ipairs(s.continuous) do
      local spread = c:select(2, i):std():item()
      if p.tier == 1 then assert.is_true(spread > 0.02, p.name .. " hardly varies")
      elseif p.name:find "_amount$" then assert.are.equal(0, spread) end
    end
    local amounts = s:random_batch(1, 1, 50, { tier = 2 })
    assert.is_true(amounts:select(2, s.by_name.mod_3_amount.index):std():item() > 0.1)
  end)

  it("are mostly audible and not too loud", function()
    local c, k = s:random_batch(1, 1, 150)
    local y = s:render_batch(c, k, { 60 }, { sample_rate = 22050 })
    local quiet = (y * y):mean(2):sqrt():le(0.01):to("f32"):mean():item()
    local loud = y:abs():amax(2):ge(0.99):to("f32"):mean():item()
    assert.is_true(quiet < 0.25, quiet)
    assert.is_true(loud < 0.25, loud)
  end)
end)

describe("sounds", function()
  it("have the pitch of the note", function()
    local preset = s:preset { osc_1_wave = "sine", env_1_sustain = 1 }
    for note, hertz in pairs { [57] = 220, [69] = 440, [81] = 880 } do
      local y = s:render(preset, { note = note, seconds = 1, gate = 1 })
      local crossings = (y:narrow(1, 1, 44099):lt(0)):logical_and(y:narrow(1, 2, 44099):ge(0))
      assert.is_true(math.abs(crossings:to("f32"):sum():item() - hertz) <= 1)
    end
  end)

  it("end after the gate", function()
    local y = s:render(s:preset { env_1_release = 0.05 }, { seconds = 1, gate = 0.5 })
    assert.is_true(y:narrow(1, 15000, 5000):abs():max():item() > 0.05)
    assert.are.equal(0, y:narrow(1, 26000, 18000):abs():max():item())
  end)

  it("are finite for positions that are not", function()
    local preset = busy()
    for i = 1, #s.continuous do
      preset.continuous:set(({ 0 / 0, math.huge, -math.huge, 1e30, -1 })[i % 5 + 1], i)
    end
    local y = s:render(preset, { seconds = 0.3, sample_rate = 22050 })
    assert.is_true(y:abs():max():item() <= 16)
    assert.are.equal(0, y:ne(y):to("f32"):sum():item())
  end)

  it("are refused with a reason", function()
    refused("no setting 'samplerate'; did you mean sample_rate?", s.render, s, s:default(),
      { samplerate = 1 })
    refused("the sample rate is 100", s.render, s, s:default(), { sample_rate = 100 })
    refused("note 200", s.render, s, s:default(), { note = 200 })
    refused("no synthesizer 'bulitin'", synthesizer.open, "bulitin")
    local preset = s:default()
    preset.categorical:set(9, s.by_name.osc_1_wave.index)
    refused("preset 1: osc_1_wave is option 9, there are 6", s.render, s, preset)
    refused("wanted (B, 117)", s.render_batch, s, lt.zeros(2, 3), lt.zeros(2, 46):to "i64", { 60 })
  end)
end)
