-- Sound files: what is written comes back, parts of files, and files that are not what they seem.
local fs = require "luatrain.fs"
local harness = require "ops_harness"
local audio = lt.audio

local folder = os.tmpname()
os.remove(folder)
fs.mkdir(folder)
local function path(name) return folder .. "/" .. name end

local x = lt.zeros(2, 5000)
do
  local p = x:data()
  for i = 0, 9999 do p[i] = 0.8 * math.sin(i * 0.05) * math.cos(i * 0.003) end
end

local function refused(pattern, f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  e = tostring(e)
  assert.truthy(e:find(pattern, 1, true), e)
  assert.is_nil(e:find("\n", 1, true))
end

describe("sound files", function()
  teardown(function() os.execute("rm -r '" .. folder .. "'") end)

  it("come back as they were saved", function()
    local step = { pcm16 = 2 ^ -15, pcm24 = 2 ^ -23, pcm32 = 2 ^ -24, float = 0, vorbis = 0.1 }
    for _, c in ipairs { { "a.wav", "pcm16" }, { "b.wav", "pcm24" }, { "c.wav", "pcm32" },
      { "d.wav", "float" }, { "e.flac", "pcm16" }, { "f.flac", "pcm24" }, { "g.aiff", "pcm16" },
      { "h.ogg", "vorbis" }, { "i.w64", "float" }, { "j.caf", "pcm24" } } do
      audio.save(path(c[1]), x, 32000, { encoding = c[2] })
      local y, rate = audio.load(path(c[1]))
      assert.are.equal(32000, rate)
      assert.are.same({ 2, 5000 }, y:size())
      assert.is_true((y - x):abs():amax({ 1, 2 }):item() <= step[c[2]] * 1.01, c[1])
      local info = audio.info(path(c[1]))
      assert.are.equal(5000, info.frames)
      assert.are.equal(2, info.channels)
      assert.are.equal(5000 / 32000, info.duration)
    end
    audio.save(path "one.wav", x[1], 8000)
    assert.are.same({ 1, 5000 }, audio.load(path "one.wav"):size())
  end)

  it("are clipped, not wrapped, in integer encodings", function()
    audio.save(path "loud.wav", x * 4, 8000)
    local y = audio.load(path "loud.wav")
    harness.close(y, (x * 4):clamp(-1, 1), 1e-4, "clipped")
  end)

  it("are read in parts, mono and at another rate", function()
    for _, name in ipairs { "a.wav", "e.flac", "h.ogg" } do
      local whole = audio.load(path(name))
      local part = audio.load(path(name), { offset = 1234, frames = 700 })
      harness.close(part, whole:narrow(2, 1235, 700):contiguous(), name == "h.ogg" and 1e-3 or 0, name)
      assert.are.same({ 2, 100 }, audio.load(path(name), { offset = 4900, frames = 700 }):size())
      local mono = audio.load(path(name), { mono = true })
      harness.close(mono, whole:mean(1), 1e-6, name .. " mono")
    end
    local y, rate = audio.load(path "a.wav", { sample_rate = 16000, mono = true })
    assert.are.equal(16000, rate)
    assert.are.same({ 2500 }, y:size())
  end)

  it("of other makers are read", function()
    local golden = lt.safetensors.load "tests/golden/audio.safetensors"
    local mp3, rate = audio.load "tests/golden/sounds/stereo.mp3"
    assert.are.equal(22050, rate)
    assert.are.equal(2, mp3:size(1))
    assert.is_true(mp3:size(2) >= 11025)
    assert.is_true(mp3:abs():amax({ 1, 2 }):item() > 0.5)
    local part = audio.load("tests/golden/sounds/stereo.mp3", { offset = 3000, frames = 500 })
    harness.close(part, mp3:narrow(2, 3001, 500):contiguous(), 2e-2, "a part of an MP3")
    local first = golden.x:narrow(1, 1, 2000)
    harness.close(audio.load("tests/golden/sounds/ulaw.wav", { mono = true }), first, 0.05, "u-law")
    harness.close(audio.load("tests/golden/sounds/u8.wav", { mono = true }), first, 0.02, "8 bit")
    local three = audio.load "tests/golden/sounds/three.wav"
    assert.are.equal(3, three:size(1))
    harness.close(three[3], golden.x:narrow(1, 1, 500) * 0.25, 1e-5, "third channel")
  end)

  it("that cannot be read are named with the reason", function()
    refused("no such file", audio.load, path "nothing.wav")
    refused("is a directory", audio.load, folder)
    refused("not a regular file", audio.load, "/dev/null")
    fs.write(path "empty.wav", "")
    refused(path "empty.wav" .. ": the file is empty", audio.load, path "empty.wav")
    refused("the file is empty", audio.info, path "empty.wav")
    fs.write(path "noise.wav", ("nonsense"):rep(200))
    refused("cannot be read as a sound file", audio.load, path "noise.wav")
    refused("offset 5000 lies beyond the end", audio.load, path "a.wav", { offset = 5000 })
    refused("did you mean 'mono'", audio.load, path "a.wav", { mno = true })
    refused("offset is -1", audio.load, path "a.wav", { offset = -1 })
    refused("frames is 0", audio.load, path "a.wav", { frames = 0 })
  end)

  it("that are cut off are errors", function()
    for _, name in ipairs { "a.wav", "d.wav", "e.flac" } do
      local text = fs.read(path(name))
      for _, share in ipairs { 0.3, 0.6, 0.95 } do
        fs.write(path("cut-" .. name), text:sub(1, math.floor(#text * share)))
        refused(path("cut-" .. name), audio.load, path("cut-" .. name))
      end
    end
    local text = fs.read(path "a.wav")
    fs.write(path "header.wav", text:sub(1, 44))
    refused(path "header.wav", audio.load, path "header.wav")
  end)

  it("with samples that are not numbers are errors", function()
    local y = x:clone()
    y:set(0 / 0, 2, 18)
    audio.save(path "nan.wav", y, 8000, { encoding = "float" })
    refused("frame 17 of channel 2 is not a finite number", audio.load, path "nan.wav")
  end)

  it("are written whole or not at all", function()
    local C = require("luatrain.core").C
    audio.save(path "keep.wav", x, 8000)
    local before = fs.read(path "keep.wav")
    local names = #fs.list(folder)
    for _, fault in ipairs { "write:1:ENOSPC", "fsync:1:EIO", "rename:1:EIO", "open:1:EACCES" } do
      C.lt_file_fault(fault)
      refused("keep.wav", audio.save, path "keep.wav", x * 0.5, 8000)
      C.lt_file_fault(nil)
      assert.are.equal(before, fs.read(path "keep.wav"))
      assert.are.equal(names, #fs.list(folder))
    end
    refused("No such file or directory", audio.save, path "missing/x.wav", x, 8000)
    refused("No space left", audio.save, "/dev/full", x, 8000, { format = "wav" })
    refused("cannot write format 'xyz'", audio.save, path "x.xyz", x, 8000)
    refused("unknown encoding 'pcm12'", audio.save, path "x.wav", x, 8000, { encoding = "pcm12" })
    refused("cannot hold", audio.save, path "x.flac", x, 8000, { encoding = "float" })
    refused("wanted a tensor", audio.save, path "x.wav", { 1, 2 }, 8000)
    refused("it must be (T) or (C, T)", audio.save, path "x.wav", lt.zeros(2, 2, 2), 8000)
  end)

  it("and features survive failing allocations", function()
    local C = require("luatrain.core").C
    local mel, signal = audio.Mel {}, lt.randn(2, 9000)
    local q = audio.Cqt { n_bins = 24, fmin = 220 }
    local grown = signal:clone():set_requires_grad()
    local jobs = {
      function() audio.load(path "a.wav", { sample_rate = 16000 }) end,
      function() audio.save(path "again.wav", x, 8000) end,
      function() mel(signal) end,
      function() q(signal) end,
      function() audio.istft(audio.stft(signal)) end,
      function() mel(grown):sum():backward() end,
    }
    for _, job in ipairs(jobs) do
      lt.scope(job)  -- what is kept for good is made now
      grown.grad = nil
      collectgarbage()
      collectgarbage()
      local before, failed = lt.memory().storages, 0
      for n = 1, 12 do
        C.lt_memory_fail_at(n)
        local ok = pcall(lt.scope, job)
        C.lt_memory_fail_at(0)
        if not ok then failed = failed + 1 end
        grown.grad = nil
        collectgarbage()
        collectgarbage()
        assert.are.equal(before, lt.memory().storages)
      end
      assert.is_true(failed > 0)
    end
  end)
end)
