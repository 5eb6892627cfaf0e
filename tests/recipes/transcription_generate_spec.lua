-- The transcription recipe's made-up data sets: the pieces, and the command that renders them.

local fs, process = lt.fs, lt.process

package.path = fs.join(".", "recipes/transcription/?.lua;") .. package.path
local compose = require "transcription_compose"
local draws = require "transcription_draws"
local generate = require "transcription_generate"
local harmony = require "transcription_harmony"
local manifest = require "transcription_manifest"
local notes = require "transcription_notes"

local folder = fs.temporary_directory()
teardown(function() fs.remove_tree(folder) end)

local LIMITS = { seed = 42, min_notes = 10, max_notes = 50, min_duration = 5, max_duration = 30 }

-- Piece `index` with the limits above, changed by o.
local function piece(index, o)
  local options = { index = index, complexity = "medium", key_signatures = harmony.keys }
  for key, value in pairs(LIMITS) do options[key] = value end
  for key, value in pairs(o or {}) do options[key] = value end
  return compose.piece(options)
end

local function each_complexity(f)
  for _, complexity in ipairs(compose.complexities) do f(complexity) end
end

describe("keys", function()
  it("are read from their names", function()
    local function is(name, tonic, minor, sharps)
      local key = harmony.key(name)
      assert.same({ tonic, minor, sharps }, { key.tonic, key.minor, key.sharps }, name)
    end
    is("C", 0, false, 0)
    is("F#", 6, false, 6)
    is("Bb major", 10, false, -2)
    is("Am", 9, true, 0)
    is("c# minor", 1, true, 4)
    is("Ebm", 3, true, -6)
    is("D Major", 2, false, 2)
    for _, name in ipairs(harmony.keys) do assert.equal(name, harmony.key(name).name) end
    for _, wrong in ipairs { "H", "G#", "Fbm", "C dorian", "", "CC" } do
      local ok, e = pcall(harmony.key, wrong)
      assert.is_false(ok)
      assert.truthy(lt.core.message(e):find("no key '" .. wrong .. "'", 1, true))
    end
  end)

  it("bound the chords: their tones are of the scale, dominants have a leading tone", function()
    for _, name in ipairs { "C", "Am", "F#", "Bbm" } do
      local key, draw = harmony.key(name), draws.new(5, 1, 1)
      local scale = harmony.scale(key)
      for _ = 1, 20 do
        local chords = harmony.phrase(draw, key, 8, "authentic", 1)
        assert.equal(8, #chords)
        assert.equal(1, chords[8].degree)
        assert.equal(5, chords[7].degree)
        assert.equal((key.tonic + 11) % 12, chords[7].tones[2])
        for _, chord in ipairs(chords) do
          for _, class in ipairs(chord.tones) do assert.is_true(scale[class], chord.roman) end
        end
      end
    end
  end)
end)

describe("voicings", function()
  it("lie in their range, have a third, and follow by short ways", function()
    local key, draw, previous, moved, count = harmony.key "C", draws.new(1, 1, 1), nil, 0, 0
    for _, chord in ipairs(harmony.phrase(draw, key, 30, "authentic", 1)) do
      local voicing = harmony.voicing(chord, previous, 48, 64, 3)
      assert.equal(3, #voicing)
      local third = false
      for i, pitch in ipairs(voicing) do
        assert.is_true(pitch >= 48 and pitch <= 64 and pitch > (voicing[i - 1] or 0))
        third = third or pitch % 12 == chord.tones[2]
        if previous then moved, count = moved + math.abs(pitch - previous[i]), count + 1 end
      end
      assert.is_true(third)
      previous = voicing
    end
    assert.is_true(moved / count < 3, moved / count)
  end)
end)

describe("pieces", function()
  it("depend on (seed, index) alone", function()
    local threads = lt.threads()
    each_complexity(function(complexity)
      local o = { complexity = complexity }
      local alone = lt.midi.encode(piece(3, o))
      piece(9, o)
      lt.rand(100)
      assert.equal(alone, lt.midi.encode(piece(3, o)))
      lt.threads(1)
      assert.equal(alone, lt.midi.encode(piece(3, o)))
      lt.threads(threads)
      assert.are_not.equal(alone, lt.midi.encode(piece(4, o)))
      assert.are_not.equal(alone, lt.midi.encode(piece(3, { complexity = complexity, seed = 43 })))
    end)
  end)

  it("keep the limits, whatever they are", function()
    local cases = {
      {}, { min_notes = 1, max_notes = 1 }, { min_notes = 50, max_notes = 50 },
      { min_notes = 2, max_notes = 3, min_duration = 29, max_duration = 30 },
      { min_notes = 90, max_notes = 100, min_duration = 1, max_duration = 5 },
      { min_notes = 300, max_notes = 400, min_duration = 60, max_duration = 90 },
      { min_duration = 7, max_duration = 7 },
      { min_notes = 5, max_notes = 2000, min_duration = 1, max_duration = 200 },
    }
    local path = fs.join(folder, "limits.mid")
    for _, case in ipairs(cases) do
      each_complexity(function(complexity)
        for index = 1, 6 do
          case.complexity = complexity
          local song = piece(index, case)
          local o = setmetatable(case, { __index = LIMITS })
          assert.is_true(#song.notes >= o.min_notes and #song.notes <= o.max_notes, #song.notes)
          lt.midi.write(path, song)
          local read = lt.midi.read(path, { strict = true })
          assert.is_true(read.duration >= o.min_duration - 0.005 and read.duration <= o.max_duration + 0.005,
            read.duration)
          assert.near(song.duration, read.duration, 0.005)
          assert.equal(#song.notes, #read.notes)
          assert.equal(#song.notes, #notes.read(path))          -- none off the keyboard or of no length
          assert.same({}, read.warnings)
        end
      end)
    end
  end)

  it("come back from a MIDI file with tempo, signatures and pedal", function()
    local song = piece(2, { complexity = "complex", key_signatures = { "Ebm" }, max_notes = 200 })
    local read = lt.midi.parse(lt.midi.encode(song))
    assert.equal("Eb minor", read.key_signatures[1].name)
    local metre = read.time_signatures[1]
    assert.equal(song.time_signature, metre.numerator .. "/" .. metre.denominator)
    assert.equal(#song.tempos, #read.tempos)
    assert.equal(#song.controls, #read.controls)
    table.sort(song.notes, function(a, b)
      if a.start ~= b.start then return a.start < b.start end
      return a.pitch < b.pitch
    end)
    for i, n in ipairs(song.notes) do
      assert.near(n.start, read.notes[i].start, 0.003)
      assert.near(n.stop, read.notes[i].stop, 0.003)
    end
  end)

  it("are in their keys, and the simple ones within two octaves of melody without pedal", function()
    for _, name in ipairs { "C", "Em", "Ab", "F#m" } do
      local scale = harmony.scale(harmony.key(name))
      for index = 1, 12 do
        local song = piece(index, { complexity = "simple", key_signatures = { name } })
        assert.equal(name, song.key)
        local low, high = 127, 0
        for _, n in ipairs(song.notes) do
          assert.is_true(scale[n.pitch % 12], name .. " " .. n.pitch)
          if n.track == 1 then low, high = math.min(low, n.pitch), math.max(high, n.pitch) end
        end
        assert.is_true(high - low <= 16)
        assert.equal(0, #song.controls)
      end
    end
  end)

  it("end on their tonic chord", function()
    for index = 1, 30 do
      local song = piece(index, { complexity = "simple" })
      local key, bass = harmony.key(song.key), nil
      local last = 0
      for _, n in ipairs(song.notes) do last = math.max(last, n.start) end
      for _, n in ipairs(song.notes) do
        if n.start > last - 0.1 and (not bass or n.pitch < bass) then bass = n.pitch end
      end
      local above = (bass - key.tonic) % 12
      assert.is_true(above == 0 or above == (key.minor and 3 or 4) or above == 7, song.key .. " " .. bass)
    end
  end)

  it("grow with complexity: notes at once, range, tempo changes, pedal", function()
    local width, at_once, changes, pedals = {}, {}, {}, {}
    each_complexity(function(complexity)
      local spans, voices, tempos, pedalled = 0, 0, 0, 0
      for index = 1, 40 do
        local song = piece(index, { complexity = complexity, max_notes = 150 })
        local low, high, sounding = 127, 0, 0
        for _, n in ipairs(song.notes) do
          low, high = math.min(low, n.pitch), math.max(high, n.pitch)
          sounding = sounding + (n.stop - n.start)
        end
        spans, voices = spans + high - low, voices + sounding / song.duration
        tempos, pedalled = tempos + #song.tempos / song.duration, pedalled + (#song.controls > 0 and 1 or 0)
      end
      table.insert(width, spans / 40)
      table.insert(at_once, voices / 40)
      table.insert(changes, tempos / 40)
      table.insert(pedals, pedalled)
    end)
    for _, list in ipairs { width, at_once, changes, pedals } do
      assert.is_true(list[1] < list[2] and list[2] < list[3], table.concat(list, " "))
    end
  end)
end)

-- ---- the command --------------------------------------------------------------------------------

local fields = lt.config.fields(generate.config)

-- Runs the command in this process; returns what it printed.
local function run(...)
  local values = lt.config.parse(fields, { "--parallel", "2", ... })
  local lines = {}
  generate.run(lt.config.resolve(fields, { values }), { line = function(_, text, ...)
    lines[#lines + 1] = text:format(...)
  end })
  return table.concat(lines, "\n")
end

local function refused(class, words, ...)
  local ok, e = pcall(run, ...)
  assert.is_false(ok)
  assert.truthy(lt.core.message(e):find(words, 1, true), lt.core.message(e))
  assert.is_nil(lt.core.message(e):find "\n")
  assert.equal(class, e.kind)
end

-- All files below a folder by name, but generate.json.
local function bytes_of(where)
  local all = {}
  for _, path in ipairs(fs.find(where, ".")) do all[path:sub(#where + 2)] = fs.read(path) end
  return all
end

describe("generate", function()
  local reference = fs.join(folder, "reference")
  local few = { "--samples", "8", "--complexity", "simple", "--max-duration", "6" }

  local function generated(out, ...)
    local args = { unpack(few) }
    for _, word in ipairs { "--out", out, ... } do args[#args + 1] = word end
    return run(unpack(args))
  end

  setup(function() generated(reference) end)

  it("writes sound, MIDI files and manifests by split", function()
    local counts, seen = {}, {}
    for _, split in ipairs(manifest.splits) do
      local entries = manifest.entries(reference, split)
      counts[split] = #entries
      for _, entry in ipairs(entries) do
        local info = lt.audio.info(entry.audio_path)
        assert.equal(16000, info.sample_rate)
        assert.near(entry.duration, info.duration, 1e-6)
        local list = notes.read(entry.midi_path)
        assert.equal(entry.num_notes, #list)
        assert.is_true(#list >= 10 and #list <= 50)
        assert.is_true(info.duration > list[#list].stop - 0.5)
        assert.is_nil(seen[entry.piece])
        seen[entry.piece] = true
        assert.is_true(harmony.key(entry.key).name == entry.key and entry.tempo > 20)
      end
    end
    assert.same({ train = 6, val = 1, test = 1 }, counts)
    assert.same({}, lt.json.load(fs.join(reference, "skipped.json")))
  end)

  it("goes on where it was killed, and ends with the same bytes", function()
    local out, script = fs.join(folder, "killed"), fs.join(folder, "generate.lua")
    fs.write(script, ([[
      lt = require "luatrain"
      package.path = "./recipes/transcription/?.lua;" .. package.path
      local generate = require "transcription_generate"
      local fields = lt.config.fields(generate.config)
      local values = lt.config.parse(fields, { "--parallel", "1", "--out", %q, %s })
      generate.run(lt.config.resolve(fields, { values }), { line = function() end })
    ]]):format(out, "'" .. table.concat(few, "', '") .. "'"))
    local program = require("ffi").string(require("luatrain.core").C.lt_program_path())
    local killed
    local seconds = 0.4
    repeat                                             -- until it is killed with some of the work done
      killed = process.run({ program, script }, { timeout = seconds })
      seconds = seconds * 1.5
    until #fs.find(out, "%.flac$") > 0 or killed.state ~= "timeout"
    assert.equal("timeout", killed.state, killed.output)
    assert.is_false(fs.is_file(fs.join(out, "train_manifest.json")))
    local kept = fs.find(out, "%.flac$")
    local before = fs.stat(kept[1]).modified
    assert.truthy(generated(out):find("of 8 are there already", 1, true))
    assert.equal(before, fs.stat(kept[1]).modified)
    assert.same(bytes_of(reference), bytes_of(out))
    generated(out)
    assert.same(bytes_of(reference), bytes_of(out))
  end)

  it("adds samples without touching those there, and refuses other settings", function()
    local out = fs.join(folder, "grown")
    run("--samples", "4", "--complexity", "simple", "--max-duration", "6", "--out", out)
    generated(out)
    assert.same(bytes_of(reference), bytes_of(out))
    refused("usage", "was generated with seed 42, not 1; take another --name", "--samples", "8",
      "--complexity", "simple", "--max-duration", "6", "--out", out, "--seed", "1")
    assert.same(bytes_of(reference), bytes_of(out))
  end)

  it("makes MIDI files alone, and takes turns with several SoundFonts", function()
    local out = fs.join(folder, "midi")
    run("--samples", "10", "--out", out, "--no-synthesize-audio", "--key_signatures", "D,Bm")
    assert.equal(10, #fs.find(out, "%.mid$"))
    assert.equal(0, #fs.find(out, "%.flac$"))
    local list = lt.json.load(manifest.path(out, "train"))
    for _, entry in ipairs(list) do
      assert.is_nil(entry.audio_path)
      assert.is_true(entry.key == "D" or entry.key == "Bm")
    end
    local fonts = lt.synth.soundfonts()
    if #fonts < 2 then return pending "needs two SoundFonts" end
    local both = fs.join(folder, "fonts")
    run("--samples", "6", "--max-duration", "5", "--out", both, "--soundfont",
      fonts[1] .. "," .. fonts[#fonts], "--sample-rate", "8000")
    local used = {}
    for _, entry in ipairs(manifest.entries(both, "train")) do
      used[entry.soundfont] = (used[entry.soundfont] or 0) + 1
      assert.equal(8000, lt.audio.info(entry.audio_path).sample_rate)
    end
    assert.same({ [fs.stem(fonts[1])] = 2, [fs.stem(fonts[#fonts])] = 2 }, used)
  end)

  it("passes over what cannot be rendered, counts it, and gives up where it is too much", function()
    local fake, real = fs.join(folder, "fluidsynth"), lt.synth.program
    fs.write(fake, ([[#!/bin/sh
case "$*" in *sample_00003*|*sample_00006*) echo "no more voices" >&2; exit 1;; esac
exec %s "$@"
]]):format(real()))
    os.execute("chmod +x " .. fake)
    finally(function() lt.synth.program = real end)
    lt.synth.program = function() return fake end
    local out = fs.join(folder, "failing")
    local ok, e = pcall(generated, out)
    assert.is_false(ok)
    local message = lt.core.message(e)
    assert.truthy(message:find("2 of 8 are damaged, more than --max-skipped 0.1", 1, true))
    assert.truthy(generated(out, "--max-skipped", "0.5"):find("2 skipped (listed in", 1, true))
    local skipped = lt.json.load(fs.join(out, "skipped.json"))
    assert.equal(2, #skipped)
    assert.truthy(skipped[1].error:find("no more voices", 1, true), skipped[1].error)
    lt.synth.program = real
    generated(out)
    assert.same(bytes_of(reference), bytes_of(out))
  end)

  it("says in one line what is wrong with its settings", function()
    local out = fs.join(folder, "wrong")
    refused("config", "min_notes 60 is more than max_notes 50", "--min-notes", "60", "--out", out)
    refused("config", "min_duration 40 is more than max_duration 30", "--min-duration", "40", "--out", out)
    refused("config", "min_notes 500 in max_duration 5 seconds are more than 20 notes a second",
      "--min-notes", "500", "--max-notes", "500", "--max-duration", "5", "--out", out)
    refused("config", "there is no key 'X'", "--key-signatures", "C,X", "--out", out)
    refused("config", "add up to 1.1, not to 1", "--val-share", "0.2", "--out", out)
    refused("usage", "--complexity wants one of simple, medium, complex", "--complexity", "hard")
    assert.is_false(pcall(run, "--soundfont", "no-such-font", "--out", out))
    assert.is_false(fs.exists(out))
  end)
end)

describe("splits", function()
  it("have their shares, each at least one, and do not change as samples are added", function()
    local shares = { train = 0.8, val = 0.1, test = 0.1 }
    local list = generate.splits(1000, shares)
    local counts = {}
    for _, split in ipairs(list) do counts[split] = (counts[split] or 0) + 1 end
    assert.same({ train = 800, val = 100, test = 100 }, counts)
    for i, split in ipairs(generate.splits(37, shares)) do assert.equal(list[i], split) end
    assert.same({ "train", "val", "test" }, generate.splits(3, shares))
    assert.same({ "train", "train", "train" }, generate.splits(3, { train = 1, val = 0, test = 0 }))
  end)
end)
