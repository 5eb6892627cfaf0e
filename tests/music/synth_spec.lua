-- Rendering: the same bytes each time, whole files or none, and a sentence for everything missing.
local fs = require "luatrain.fs"
local midi = require "luatrain.midi"
local synth = require "luatrain.synth"

local directory
before_each(function() directory = fs.temporary_directory() end)
after_each(function() fs.remove_tree(directory) end)

local function refused(words, f, ...)
  local good, message = pcall(f, ...)
  assert.is_false(good)
  assert.is_truthy(message:find(words, 1, true), message)
end

-- A scale of n notes.
local function song_at(name, n, options)
  local path = fs.join(directory, name)
  local notes = {}
  for i = 1, n do notes[i] = { start = i * 0.1 - 0.1, stop = i * 0.1, pitch = 47 + i, velocity = 90 } end
  midi.write(path, { notes = notes }, options)
  return path
end

-- A program in fluidsynth's place: a shell script that sees the output's name as $out.
local function with_program(script, f)
  local path = fs.join(directory, "fake-fluidsynth")
  fs.write(path, "#!/bin/sh\nwhile [ \"$1\" != -F ]; do shift; done\nout=$2\n" .. script .. "\n")
  os.execute("chmod +x " .. path)
  local program = synth.program
  synth.program = function() return path end
  local good, message = pcall(f)
  synth.program = program
  if not good then error(message, 0) end
end

describe("a SoundFont", function()
  it("is found by name, or refused", function()
    refused("no SoundFont is called 'no-such-font'; installed:", synth.soundfont, "no-such-font")
    refused("no such file", synth.soundfont, directory .. "/none.sf2")
    fs.write(directory .. "/bad.sf2", "RIFF....WAVE")
    refused("bad.sf2: not a SoundFont", synth.soundfont, directory .. "/bad.sf2")
    local good = directory .. "/good.sf2"
    fs.write(good, "RIFF....sfbk")
    assert.are.equal(good, synth.soundfont(good))
    for _, path in ipairs(synth.soundfonts()) do
      if not path:find "default%-GM" then
        assert.are.equal(path, synth.soundfont(fs.stem(path):upper()))
      end
    end
  end)
end)

describe("what stands in the way", function()
  local song, font
  before_each(function()
    song = song_at("song.mid", 4)
    font = directory .. "/font.sf2"
    fs.write(font, "RIFF....sfbk")
  end)

  local function render(options)
    options.soundfont, options.out = font, options.out or directory .. "/out/song.wav"
    return synth.render(song, options)
  end

  it("is named: program, settings, file", function()
    local program = synth.program
    synth.program = function() return nil end
    local good, message = pcall(render, {})
    synth.program = program
    assert.is_false(good)
    assert.is_truthy(message:find("fluidsynth is not installed", 1, true), message)
    with_program("exit 0", function()
      refused("sample_rate is 1", render, { sample_rate = 1 })
      refused("gain is 0", render, { gain = 0 })
      refused("should end in .wav or .flac", render, { out = directory .. "/x.mp3" })
      refused("options.out", synth.render, song, {})
      refused("0 seconds long, more than max_seconds = 0.1", render, { max_seconds = 0.1 })
      fs.write(song, fs.read(song):sub(1, -8))
      refused("song.mid: damaged MIDI file", render, {})
      midi.write(song, { notes = {} })
      refused("song.mid: MIDI file without notes", render, {})
      fs.write(song, "x")
      refused("song.mid: not a MIDI file", render, {})
    end)
  end)

  it("leaves no output", function()
    for script, words in pairs {
      ["echo 'error: no luck' >&2; exit 7"] = "failed with exit code 7: error: no luck",
      ["exit 0"] = "wrote nothing to",
      ["echo RIFF > \"$out\""] = "0.0 of 0.4 seconds were written",
      ["kill -11 $$"] = "was ended by signal 11",
      ["echo x > \"$out\"; sleep 20"] = "took longer than 0.3 seconds",
    } do
      with_program(script, function() refused(words, render, { timeout = 0.3 }) end)
      assert.are.same({}, fs.list(directory .. "/out"))
    end
  end)
end)

-- The smallest installed SoundFont: it loads fastest.
local installed
for _, path in ipairs(synth.program() and synth.soundfonts() or {}) do
  if not installed or fs.stat(path).bytes < fs.stat(installed).bytes then installed = path end
end

describe("fluidsynth", function()
  if not installed then
    pending("is not installed here, or no SoundFont is")
    return
  end

  it("renders a file, the same each time", function()
    local song, out = song_at("song.mid", 8), directory .. "/a/b/song.wav"
    local options = { out = out, sample_rate = 22050, soundfont = installed }
    assert.are.equal(out, synth.render(song, options))
    local first = fs.read(out)
    assert.is_true(#first > 0.8 * 22050 * 4)
    assert.is_truthy(first:find("[^%z]", 1000), "silence")
    synth.render(song, options)
    assert.are.equal(first, fs.read(out))
    assert.are.same({ "song.wav" }, fs.list(directory .. "/a/b"))
    synth.render(song, { out = directory .. "/song.flac", soundfont = installed, gain = 0.2,
      reverb = false, chorus = false })
    assert.are.equal("fLaC", fs.read(directory .. "/song.flac"):sub(1, 4))
  end)

  it("renders many, and tells of each", function()
    local paths, seen = {}, {}
    for i = 1, 4 do paths[i] = song_at(i .. ".mid", i) end
    fs.write(paths[3], "junk")
    local results, failed = synth.render(paths, { out = directory .. "/out", sample_rate = 8000,
      soundfont = installed, progress = function(done, total, result)
        seen[done] = total
        assert.is_truthy(result.path)
      end })
    assert.are.equal(1, failed)
    assert.are.same({ 4, 4, 4, 4 }, seen)
    assert.is_false(results[3].ok)
    assert.are.equal(paths[3] .. ": not a MIDI file: it does not begin with MThd", results[3].error)
    assert.are.same({ "1.wav", "2.wav", "4.wav" }, fs.list(directory .. "/out"))
    fs.write(directory .. "/out/1.wav", "kept")
    results = synth.render({ paths[1], paths[2] }, { out = directory .. "/out", keep = true })
    assert.is_true(results[1].ok and results[2].ok)
    assert.are.equal("kept", fs.read(directory .. "/out/1.wav"))
    refused("would both become", synth.render, { paths[1], paths[1] }, { out = directory })
  end)

  it("renders what it cannot read itself: SMPTE time, type 2, a damaged file", function()
    local track = "\0\144\60\64\135\104\128\60\64\0\255\47\0"
    local path = directory .. "/smpte.mid"
    fs.write(path, "MThd\0\0\0\6\0\0\0\1\231\40MTrk\0\0\0\13" .. track)
    synth.render(path, { out = directory .. "/smpte.wav", sample_rate = 8000, soundfont = installed })
    assert.is_true(#fs.read(directory .. "/smpte.wav") > 8000 * 4)
    fs.write(path, "MThd\0\0\0\6\0\2\0\1\1\224MTrk\0\0\0\13" .. track:sub(1, -2))
    synth.render(path, { out = directory .. "/two.wav", sample_rate = 8000, soundfont = installed,
      tolerant = true })
    assert.is_true(#fs.read(directory .. "/two.wav") > 8000 * 2)
  end)

  it("takes names that look like options", function()
    local song = song_at("-n.mid", 2)
    synth.render(song, { out = directory .. "/-o.wav", sample_rate = 8000, soundfont = installed })
    assert.is_true(fs.is_file(directory .. "/-o.wav"))
  end)
end)
