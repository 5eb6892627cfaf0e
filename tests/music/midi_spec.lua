-- MIDI files: the specification's example, tempo maps, pairing, the pedal, damage, writing.
local fs = require "luatrain.fs"
local midi = require "luatrain.midi"

local function bytes(text)
  return (text:gsub("%s+", ""):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

local function big(value, count)
  local text = ""
  for _ = 1, count do
    text = string.char(value % 256) .. text
    value = math.floor(value / 256)
  end
  return text
end

-- A file of tracks given in hexadecimal; division 480 unless said otherwise.
local function file_of(format, tracks, division)
  local parts = { "MThd" .. big(6, 4) .. big(format, 2) .. big(#tracks, 2) .. (division or big(480, 2)) }
  for i, track in ipairs(tracks) do
    local data = bytes(track)
    parts[i + 1] = "MTrk" .. big(#data, 4) .. data
  end
  return table.concat(parts)
end

local function one(track, division)
  return midi.parse(file_of(0, { track }, division))
end

-- "pitch start stop" of all notes, in milliseconds.
local function notes_of(song, sustained)
  local list = {}
  for i, n in ipairs(song.notes) do
    list[i] = ("%d %g %g"):format(n.pitch, n.start * 1000, (sustained and n.sustained or n.stop) * 1000)
  end
  return list
end

local END = "00 FF 2F 00"

-- The example of the SMF specification: 96 ticks a quarter note, running status.
local example = bytes [[
4D 54 68 64 00 00 00 06 00 00 00 01 00 60  4D 54 72 6B 00 00 00 3B
00 FF 58 04 04 02 18 08  00 FF 51 03 07 A1 20  00 C0 05  00 C1 2E  00 C2 46
00 92 30 60  00 3C 60  60 91 43 40  60 90 4C 20
81 40 82 30 40  00 3C 40  00 81 43 40  00 80 4C 40  00 FF 2F 00]]

describe("the example of the specification", function()
  it("is read", function()
    local song = midi.parse(example)
    assert.are.same({ "48 0 2000", "60 0 2000", "67 500 2000", "76 1000 2000" }, notes_of(song))
    local n = song.notes[3]
    assert.are.same({ 1, 46, 64, 1, false }, { n.channel, n.program, n.velocity, n.track, n.drum })
    assert.are.same({ { time = 0, numerator = 4, denominator = 4 } }, song.time_signatures)
    assert.are.same({ { time = 0, bpm = 120, microseconds = 500000 } }, song.tempos)
    assert.are.equal(2, song.duration)
    assert.are.same({}, song.warnings)
    assert.are.same({ 0, 1, 96 }, { song.format, song.tracks, song.ppq })
  end)

  it("is read from a file and inside RIFF", function()
    local directory = fs.temporary_directory()
    local path = directory .. "/x.mid"
    fs.write(path, example)
    assert.are.equal(4, #midi.read(path).notes)
    local riff = "RIFF" .. "\255\0\0\0" .. "RMIDjunk\3\0\0\0abc\0data" .. string.char(#example) .. "\0\0\0"
      .. example
    fs.write(path, riff)
    assert.are.equal(4, #midi.read(path).notes)
    local good, message = pcall(midi.read, directory .. "/none.mid")
    assert.is_false(good)
    assert.is_truthy(message:find("/none.mid: No such file", 1, true), message)
    fs.remove_tree(directory)
  end)

  it("cut at any length is read in part, or refused in a sentence", function()
    local refused, strict = 0, 0
    for n = 0, #example - 1 do
      local good, song = pcall(midi.parse, example:sub(1, n), "cut.mid")
      if good then
        assert.is_true(#song.notes <= 4)
        assert.is_truthy(song.damage, n)
        local _, message = pcall(midi.parse, example:sub(1, n), "cut.mid", { strict = true })
        assert.is_truthy(message:find("cut.mid: damaged MIDI file: ", 1, true), message)
        strict = strict + 1
      else
        assert.is_truthy(song:find("cut.mid: ", 1, true), song)
        refused = refused + 1
      end
    end
    assert.are.same({ 30, 51 }, { refused, strict })
  end)
end)

describe("time", function()
  it("follows the tempo map", function()
    local song = one("00 FF 51 03 07 A1 20  00 90 3C 40  87 40 FF 51 03 03 D0 90  00 80 3C 00" ..
      "00 90 3E 40  87 40 FF 51 03 0F 42 40  00 80 3E 00  00 90 40 40  83 60 80 40 00" .. END)
    assert.are.same({ "60 0 1000", "62 1000 1500", "64 1500 2500" }, notes_of(song))
    assert.are.same({ 120, 240, 60 }, { song.tempos[1].bpm, song.tempos[2].bpm, song.tempos[3].bpm })
  end)

  it("follows tempo changes in every track, the last of one tick", function()
    local song = midi.parse(file_of(1, {
      "00 90 3C 40  83 60 80 3C 40" .. END,
      "00 FF 51 03 03 D0 90  00 FF 51 03 0F 42 40" .. END }))
    assert.are.same({ "60 0 1000" }, notes_of(song))
  end)

  it("ignores a tempo of zero and beats that mean nothing", function()
    local song = one("00 FF 51 03 00 00 00  00 FF 58 04 00 02 18 08  00 FF 59 02 09 00  00 FF 51 02 01 01"
      .. "00 FF 59 02 FD 01  00 90 3C 40  83 60 80 3C 40" .. END)
    assert.are.same({ "60 0 500" }, notes_of(song))
    assert.are.equal(4, song.warnings["meta event with a senseless value, ignored"])
    assert.are.same({ { time = 0, sharps = -3, minor = true, name = "C minor" } }, song.key_signatures)
  end)

  it("counts SMPTE frames", function()
    assert.are.same({ "60 0 1000" }, notes_of(one("00 90 3C 40  87 68 80 3C 40" .. END, "\231\40")))
    local drop = one("00 90 3C 40  87 68 80 3C 40" .. END, "\227\100").notes[1].stop
    assert.is_true(math.abs(drop - 1000 * 1001 / 30000 / 100) < 1e-12)
  end)

  it("ends after a day", function()
    local late = "00 90 3C 40  83 60 80 3C 40" .. ("FF FF FF 7F B0 01 01"):rep(3) .. "00 90 3E 40"
    local song = one(late .. END)
    assert.are.same({ "60 0 500" }, notes_of(song))
    assert.is_truthy(song.warnings["event later than a day, dropped"])
    assert.is_true(song.duration <= 86400)
  end)

  it("of type 2 is a track's own", function()
    local data = file_of(2, { "00 90 3C 40  83 60 80 3C 40" .. END,
      "00 FF 51 03 03 D0 90  00 90 3E 40  83 60 80 3E 40" .. END })
    assert.are.same({ "60 0 500" }, notes_of(midi.parse(data)))
    assert.are.same({ "62 0 250" }, notes_of(midi.parse(data, "x", { track = 2 })))
    local good, message = pcall(midi.parse, data, "x.mid", { track = 3 })
    assert.is_false(good)
    assert.is_truthy(message:find("x.mid: there is no track 3, it has 2", 1, true), message)
    assert.is_false(pcall(midi.parse, data, "x.mid", { track = 0 }))
  end)
end)

describe("notes", function()
  it("struck again end the earlier one", function()
    local song = one("00 90 3C 40  60 90 3C 50  60 80 3C 00  60 80 3C 00" .. END)
    assert.are.same({ "60 0 100", "60 100 200" }, notes_of(song))
    assert.are.equal(1, song.warnings["note begun again while sounding, which ends the earlier one"])
    assert.are.equal(1, song.warnings["note-off without a note, ignored"])
  end)

  it("repeated in one tick with the events in either order stay", function()
    assert.are.same({ "60 0 100", "60 100 200" },
      notes_of(one("00 90 3C 40  60 80 3C 00  00 90 3C 40  60 80 3C 00" .. END)))
    assert.are.same({ "60 0 100", "60 100 200" },
      notes_of(one("00 90 3C 40  60 90 3C 40  00 80 3C 00  60 80 3C 00" .. END)))
  end)

  it("without length are dropped, without end end with their track", function()
    local song = one("00 90 3C 40  00 80 3C 00  00 90 3E 40  83 60 B0 01 01" .. END)
    assert.are.same({ "62 0 500" }, notes_of(song))
    assert.are.equal(1, song.warnings["note of no length, dropped"])
    assert.are.equal(1, song.warnings["note without an end, ended with its track"])
  end)

  it("end at note-on of velocity 0, and at all notes off", function()
    assert.are.same({ "60 0 100" }, notes_of(one("00 90 3C 40  60 90 3C 00" .. END)))
    assert.are.same({ "60 0 100", "64 0 100" },
      notes_of(one("00 90 3C 40  00 90 40 40  60 B0 7B 00  60 90 3C 00" .. END)))
  end)

  it("of the same pitch in different channels and tracks do not meet", function()
    local song = midi.parse(file_of(1, { "00 90 3C 40  60 80 3C 00" .. END,
      "30 90 3C 40  60 80 3C 00" .. END, "10 91 3C 40  60 81 3C 00" .. END }))
    assert.are.same({ "60 0 100", "60 16.6667 116.667", "60 50 150" }, notes_of(song))
  end)

  it("have the program their channel has in any track, and know drums", function()
    local song = midi.parse(file_of(1, { "00 C0 05  83 60 C0 07" .. END,
      "00 90 3C 40  60 80 3C 00  83 00 90 3E 40  60 80 3E 00  00 99 24 40  60 89 24 00" .. END }))
    assert.are.same({ 5, 7, 0 }, { song.notes[1].program, song.notes[2].program, song.notes[3].program })
    assert.are.same({ false, false, true },
      { song.notes[1].drum, song.notes[2].drum, song.notes[3].drum })
  end)
end)

describe("the sustain pedal", function()
  local down, up = "B0 40 7F", "B0 40 00"

  it("prolongs until it comes up", function()
    local song = one("00 90 3C 40  30" .. down .. "30 80 3C 00  60" .. up .. END)
    assert.are.same({ "60 0 100" }, notes_of(song))
    assert.are.same({ "60 0 200" }, notes_of(song, true))
    assert.are.same({ "60 0 200" }, notes_of(midi.parse(file_of(0, { "00 90 3C 40  30" .. down ..
      "30 80 3C 00  60" .. up .. END }), "x", { pedal = true })))
  end)

  it("prolongs no further than the next stroke of the key", function()
    local song = one("00" .. down .. "00 90 3C 40  60 80 3C 00  60 90 3C 40  60 80 3C 00  60" ..
      up .. END)
    assert.are.same({ "60 0 200", "60 200 400" }, notes_of(song, true))
  end)

  it("does not hold what is released before or when it goes down, or after it is up", function()
    local song = one("00 90 3C 40  60 80 3C 00  00" .. down .. "60" .. up ..
      "00 90 3E 40  60 80 3E 00" .. END)
    assert.are.same({ "60 0 100", "62 200 300" }, notes_of(song, true))
    song = one("00" .. down .. "00 90 3C 40  60 80 3C 00  00" .. up .. "00" .. down .. "60" .. up .. END)
    assert.are.same({ "60 0 100" }, notes_of(song, true))
  end)

  it("never raised holds to the end; half a pedal is one from 64", function()
    assert.are.same({ "60 0 300" },
      notes_of(one("00 B0 40 40  00 90 3C 40  60 80 3C 00  81 40 FF 2F 00"), true))
    assert.are.same({ "60 0 100" },
      notes_of(one("00 B0 40 3F  00 90 3C 40  60 80 3C 00  81 40 FF 2F 00"), true))
  end)

  it("is its channel's, in all tracks, and not for drums", function()
    local song = midi.parse(file_of(1, { "00 B0 40 7F  00 B9 40 7F  83 60 B0 40 00" .. END,
      "00 90 3C 40  60 80 3C 00  00 91 3E 40  60 81 3E 00  00 99 24 40  60 89 24 00" .. END }))
    assert.are.same({ "60 0 500", "62 100 200", "36 200 300" }, notes_of(song, true))
  end)
end)

describe("odd files", function()
  local note = "00 90 3C 40  83 60 80 3C 40"
  local function warned(words, data)
    local song = midi.parse(data)
    assert.are.same({ "60 0 500" }, notes_of(song))
    assert.is_truthy(song.warnings[words], words)
    return song
  end

  it("are read and counted", function()
    warned("running status across a meta event",
      file_of(0, { "00 90 3C 40  00 FF 01 01 61  83 60 3C 00" .. END }))
    warned("data byte above 127, taken as 127", file_of(0, { "00 B0 01 FF" .. note .. END }))
    warned("status byte not allowed in files, skipped",
      file_of(0, { "00 F2 01 02  00 F8  00 F1 05" .. note .. END }))
    warned("chunk of unknown type, skipped",
      (file_of(0, { note .. END }):gsub("MTrk", "XFIH\0\0\0\3abcMTrk")))
    warned("track announced but missing", (file_of(1, { note .. END }):gsub("%z\1%z\1", "\0\1\0\3")))
    warned("track beyond the announced number, ignored",
      (file_of(1, { note .. END, note .. END }):gsub("%z\1%z\2", "\0\1\0\1")))
    warned("unknown file type, read as type 1", file_of(9, { note .. END }))
    warned("chunk cut short by the end of the file",
      (file_of(0, { note .. END }):gsub("MTrk....", "MTrk\127\255\255\255")))
    warned("track abandoned at bytes that mean nothing", file_of(1, { note .. END, "00 3C 40" }))
    warned("track abandoned at bytes that mean nothing",
      file_of(1, { note .. END, "FF FF FF FF 7F 90 3C 40" }))
    warned("track abandoned at bytes that mean nothing", file_of(0, { note .. "00 F0 7F 01" }))
    warned("track abandoned at bytes that mean nothing", file_of(0, { note .. "00 F0 01 F7 00 3C 40" }))
    assert.are.same({ "60 0 500" }, notes_of(one(note)))  -- no end of track
    assert.are.same({ "60 0 500" }, notes_of(one(note .. END .. "00 90 3E 40")))
    assert.are.same({}, notes_of(one(END)))
  end)

  it("pass sysex and unknown meta events, and keep texts", function()
    local song = one("00 F0 03 41 10 F7  00 F7 02 01 02  00 FF 60 02 00 01  00 FF 03 02 68 69"
      .. "00 FF 05 02 6C 61  00 FF 06 00" .. note .. "00 E0 00 60  00 D0 40  00 A0 3C 40  00 B0 07 64" .. END)
    assert.are.same({ "60 0 500" }, notes_of(song))
    assert.are.equal("hi", song.track_names[1])
    assert.are.same({ { "track_name", "hi" }, { "lyric", "la" }, { "marker", "" } },
      { { song.texts[1].kind, song.texts[1].text }, { song.texts[2].kind, song.texts[2].text },
        { song.texts[3].kind, song.texts[3].text } })
    assert.are.same({ time = 0.5, value = 4096, channel = 0, track = 1 }, song.bends[1])
    assert.are.same({ time = 0.5, number = 7, value = 100, channel = 0, track = 1 }, song.controls[1])
  end)

  it("without a name are refused", function()
    assert.has_error(function() midi.read(nil) end)
  end)

  it("that are no MIDI files, or hold nothing, are refused", function()
    for words, data in pairs {
      ["it is empty"] = "",
      ["does not begin with MThd"] = "RIFF\4\0\0\0WAVE",
      ["cut short in its header"] = "MThd\0\0\0\6\0\1",
      ["a division of 0 ticks"] = file_of(0, { END }, "\0\0"),
      ["100 frames a second"] = file_of(0, { END }, "\156\40"),
      ["of 0 ticks for each of 25"] = file_of(0, { END }, "\231\0"),
      ["a header of 5 bytes"] = (file_of(0, { END }):gsub("MThd...\6", "MThd\0\0\0\5")),
      ["without a track"] = file_of(0, {}),
      ["not one event can be read"] = file_of(0, { "3C" }),
    } do
      local good, message = pcall(midi.parse, data, "x.mid")
      assert.is_false(good)
      assert.is_truthy(message:find("x.mid: ", 1, true) and message:find(words, 1, true), message)
    end
  end)

  it("changed anywhere give notes or a sentence", function()
    math.randomseed(4)
    local read = 0
    for _ = 1, 3000 do
      local data = example
      for _ = 1, math.random(3) do
        local at = math.random(#data)
        data = data:sub(1, at - 1) .. string.char(math.random(0, 255)) .. data:sub(at + math.random(0, 2))
      end
      local good, song = pcall(midi.parse, data, "x.mid")
      if good then
        read = read + 1
        for _, n in ipairs(song.notes) do
          assert(n.stop > n.start and n.sustained >= n.stop and n.pitch <= 127 and n.velocity >= 1)
        end
      else
        assert.is_truthy(song:find("x.mid: ", 1, true), song)
      end
    end
    assert.is_true(read > 1000 and read < 3000)
  end)
end)

describe("writing", function()
  it("gives back what was read", function()
    local song = midi.parse(example)
    local again = midi.parse(midi.encode(song))
    assert.are.equal(1, again.format)
    assert.are.equal(480, again.ppq)
    assert.are.same(notes_of(song), notes_of(again))
    for i, n in ipairs(again.notes) do
      local was = song.notes[i]
      assert.are.same({ was.channel, was.program, was.velocity }, { n.channel, n.program, n.velocity })
    end
    assert.are.same(song.time_signatures, again.time_signatures)
    assert.are.same(song.tempos, again.tempos)
    assert.are.equal(song.duration, again.duration)
    assert.are.same({}, again.warnings)
    -- What was written once is written the same the next time.
    assert.are.equal(midi.encode(again), midi.encode(midi.parse(midi.encode(again))))
  end)

  it("keeps tempo changes, signatures, the pedal, bends and texts", function()
    local song = {
      notes = {}, duration = 12,
      tempos = { { time = 0, bpm = 120 }, { time = 2, bpm = 90 }, { time = 4.25, bpm = 133.7 } },
      time_signatures = { { time = 0, numerator = 6, denominator = 8 } },
      key_signatures = { { time = 0, sharps = -4, minor = false } },
      controls = { { time = 1, number = 64, value = 127, channel = 0, track = 2 },
        { time = 3, number = 64, value = 0, channel = 0, track = 2 } },
      bends = { { time = 1, value = -8192, channel = 0, track = 2 } },
      texts = { { time = 2, kind = "lyric", text = "la" } },
    }
    for i = 1, 20 do
      song.notes[i] = { start = i * 0.37, stop = i * 0.37 + 0.2, pitch = 40 + i, velocity = i, channel = 0,
        track = 2, program = 3 }
    end
    local again = midi.parse(midi.encode(song, { ppq = 960 }))
    assert.are.equal(20, #again.notes)
    for i, n in ipairs(again.notes) do
      assert.is_true(math.abs(n.start - song.notes[i].start) < 5e-4)
      assert.is_true(math.abs(n.stop - song.notes[i].stop) < 5e-4)
      assert.are.same({ 40 + i, i, 3 }, { n.pitch, n.velocity, n.program })
    end
    for i, tempo in ipairs(again.tempos) do
      assert.is_true(math.abs(tempo.time - song.tempos[i].time) < 5e-4)
      assert.is_true(math.abs(tempo.bpm - song.tempos[i].bpm) < 1e-3)
    end
    assert.are.same({ "Ab major", 6, 8 }, { again.key_signatures[1].name, again.time_signatures[1].numerator,
      again.time_signatures[1].denominator })
    assert.are.equal(2, #again.controls)
    assert.are.equal(-8192, again.bends[1].value)
    assert.are.equal("la", again.texts[1].text)
    assert.is_true(again.notes[3].sustained > again.notes[3].stop + 0.5)
    assert.is_true(math.abs(again.duration - 12) < 5e-4)
  end)

  it("chooses channels by program, drums on 9", function()
    local notes = {}
    for i = 1, 15 do notes[i] = { start = i, stop = i + 0.5, pitch = 60, program = i } end
    notes[16] = { start = 16, stop = 17, pitch = 36, drum = true }
    local again = midi.parse(midi.encode { notes = notes })
    local seen = {}
    for i = 1, 15 do
      local n = again.notes[i]
      assert.are.equal(i, n.program)
      assert.is_false(n.drum)
      assert.is_nil(seen[n.channel])
      seen[n.channel] = true
    end
    assert.is_true(again.notes[16].drum)
    notes[17] = { start = 18, stop = 19, pitch = 60, program = 99 }
    assert.is_false(pcall(midi.encode, { notes = notes }))
  end)

  it("refuses what a MIDI file cannot hold, by name", function()
    for words, song in pairs {
      ["notes[1].pitch is 128"] = { notes = { { start = 0, stop = 1, pitch = 128 } } },
      ["notes[1].velocity is 0"] = { notes = { { start = 0, stop = 1, pitch = 1, velocity = 0 } } },
      ["notes[2].start is nil"] = { notes = { { start = 0, stop = 1, pitch = 1 }, { stop = 1, pitch = 1 } } },
      ["notes[1].stop is nan"] = { notes = { { start = 0, stop = 0 / 0, pitch = 1 } } },
      ["notes[1].channel is 16"] = { notes = { { start = 0, stop = 1, pitch = 1, channel = 16 } } },
      ["tempos[1].microseconds"] = { tempos = { { time = 0, bpm = 0 } } },
      ["denominator is 3"] = { time_signatures = { { time = 0, numerator = 3, denominator = 3 } } },
      ["controls[1].value is 200"] = { controls = { { time = 0, number = 1, value = 200 } } },
    } do
      local good, message = pcall(midi.encode, song)
      assert.is_false(good)
      assert.is_truthy(message:find(words, 1, true), message)
    end
  end)

  it("is atomic", function()
    local directory = fs.temporary_directory()
    midi.write(directory .. "/x.mid", midi.parse(example))
    assert.are.equal(4, #midi.read(directory .. "/x.mid").notes)
    assert.are.same({ "x.mid" }, fs.list(directory))
    fs.remove_tree(directory)
  end)
end)
