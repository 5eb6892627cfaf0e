-- LV2 plugins: one of our own that crashes and hangs on demand, and real ones where they are installed.
local ffi = require "ffi"
local fs = require "luatrain.fs"
local lv2 = require "luatrain.music.lv2"
local synthesizer = require "luatrain.music.synthesizer"

ffi.cdef "int setenv(const char *name, const char *value, int overwrite);"

local program = lv2.program()
local bundles = program and fs.join(fs.dirname(program), "tests/lv2")
local built = bundles and fs.is_file(fs.join(bundles, "misbehave.lv2/misbehave.so"))
if built then
  ffi.C.setenv("LV2_PATH", bundles .. ":" .. (os.getenv "LV2_PATH" or "/usr/lib/lv2:/usr/local/lib/lv2"), 1)
end

local options = { seconds = 0.5, gate = 0.3, sample_rate = 22050 }

local function refused(words, f, ...)
  local good, message = pcall(f, ...)
  assert.is_false(good)
  assert.is_truthy(tostring(message):find(words, 1, true), tostring(message))
end

describe("without luatrain-lv2", function()
  it("a plugin is refused with what to install", function()
    local real = lv2.program
    lv2.program = function() return nil end
    local good, message = pcall(synthesizer.open, "lv2:urn:x")
    lv2.program = real
    assert.is_false(good)
    assert.is_truthy(tostring(message):find("liblilv-dev", 1, true))
  end)
end)

describe("our own plugin", function()
  if not built then
    pending "skipped: luatrain-lv2 was not built (no lilv)"
    return
  end
  local s = synthesizer.open "lv2:urn:luatrain:misbehave"

  it("is described by its ports", function()
    assert.are.equal(2, #s.continuous)
    local mode, level, time = s.by_name.mode, s.by_name.level, s.by_name.env_time
    assert.are.same({ "play", "crash", "hang", "leave", "not a number" }, mode.options)
    assert.are.equal(0, mode.default)
    assert.are.equal('Mode "quoted"', mode.label)
    assert.are.equal("linear", level.curve)
    assert.are.equal("exponential", time.curve)
    assert.are.equal("env", time.group)
    local back = s:values(s:preset { level = 0.25, env_time = 0.1 })
    assert.is_true(math.abs(back.env_time - 0.1) < 1e-5)
    assert.are.equal("play", back.mode)
  end)

  it("plays the note, and lets go of it", function()
    local y = s:render(s:preset { level = 0.25 }, { note = 69, seconds = 1, gate = 0.5, sample_rate = 44100 })
    local sounding = y:narrow(1, 1, 22050)
    assert.is_true(math.abs(sounding:abs():max():item() - 0.25) < 1e-3)
    assert.are.equal(0, y:narrow(1, 22051, 22050):abs():max():item())
    local up = sounding:narrow(1, 1, 22049):lt(0):logical_and(sounding:narrow(1, 2, 22049):ge(0))
    assert.is_true(math.abs(up:to("f32"):sum():item() - 220) <= 1)
  end)

  it("costs one sound when it crashes, leaves, hangs or writes no number; the rest goes on", function()
    local modes = { "play", "crash", "play", "leave", "play", "hang", "play", "not a number", "play", "play" }
    local c, k = lt.empty { #modes, 2 }, lt.empty({ #modes, 1 }, "i64")
    for i, mode in ipairs(modes) do
      local preset = s:preset { mode = mode, level = 0.5 }
      c:narrow(1, i, 1):copy_(preset.continuous:reshape(1, 2))
      k:narrow(1, i, 1):copy_(preset.categorical:reshape(1, 1))
    end
    for _, workers in ipairs { 1, 3 } do
      local y, failures = s:render_batch(c, k, { 60 }, { seconds = 0.5, gate = 0.3, sample_rate = 22050,
        timeout = 1, workers = workers })
      local found = {}
      for _, failed in ipairs(failures) do found[failed.index] = failed.error end
      assert.is_truthy(found[2]:find "crashed %(Segmentation fault%)", found[2])
      assert.is_truthy(found[4]:find "ended its process %(code 7%)", found[4])
      assert.is_truthy(found[6]:find "no sound within 1 seconds", found[6])
      assert.is_truthy(found[8]:find "no number", found[8])
      assert.are.equal(4, #failures)
      local loud = y:abs():amax(2):tolist()
      for i in ipairs(modes) do
        assert.is_true(math.abs(loud[i] - (found[i] and 0 or 0.5)) < 1e-2, "sound " .. i)
      end
    end
    refused("crashed", s.render, s, s:preset { mode = "crash" }, options)
  end)

  it("leaves no process behind", function()
    local other = synthesizer.open "lv2:urn:luatrain:misbehave"
    other:render(other:default(), options)
    other.pool = nil
    collectgarbage()
    collectgarbage()
    s.pool = nil
    collectgarbage()
    local left = 0
    for _, name in ipairs(fs.list "/proc") do
      local good, text = pcall(fs.read, "/proc/" .. name .. "/stat")
      if name:find "^%d+$" and good and text:find("(luatrain-lv2)", 1, true)
        and tonumber(text:match "%) %a (%d+)") == lt.core.C.lt_getpid() then
        left = left + 1
      end
    end
    assert.are.equal(0, left)
  end)

  it("is refused where it cannot be run", function()
    refused("urn:nothing: no such plugin is installed", synthesizer.open, "lv2:urn:nothing")
    refused("needs urn:luatrain:no-such-feature", synthesizer.open, "lv2:urn:luatrain:demanding")
    refused("note 300", s.render, s, s:default(), { note = 300 })
    local preset = s:default()
    preset.categorical:set(9, 1)
    refused("mode is option 9, there are 5", s.render, s, preset)
  end)
end)

local REAL = {
  { uri = "http://drobilla.net/plugins/mda/JX10", package = "mda-lv2", continuous = 24, categorical = 0 },
  { uri = "http://calf.sourceforge.net/plugins/Monosynth", package = "calf-plugins", continuous = 42,
    categorical = 9 },
  { uri = "http://synthv1.sourceforge.net/lv2", package = "synthv1-lv2", continuous = 115, categorical = 30 },
}

describe("real plugins", function()
  local installed = {}
  for _, plugin in ipairs(lv2.list()) do installed[plugin.uri] = true end
  for _, plugin in ipairs(REAL) do
    if not installed[plugin.uri] then
      pending("skipped: " .. plugin.uri .. " is not installed (package " .. plugin.package .. ")")
    else
      it(plugin.uri .. " renders, the same each time", function()
        local s = synthesizer.open("lv2:" .. plugin.uri)
        assert.are.equal(plugin.continuous, #s.continuous)
        assert.are.equal(plugin.categorical, #s.categorical)
        local c, k = s:random_batch(1, 1, 6)
        local y, failures = s:render_batch(c, k, { 48, 60 }, options)
        assert.are.same({}, failures)
        assert.is_true(y:abs():max():item() > 0.01)
        local again = s:render_batch(c:narrow(1, 3, 2), k:narrow(1, 3, 2), { 48, 60 }, options)
        assert.are.equal(0, (again - y:narrow(1, 5, 4)):abs():max():item())
        s.pool = nil
        collectgarbage()
      end)
    end
  end
end)
