-- Labels, encodings, types and scores of chords against mir_eval (tests/golden/make_chord.py).

local cjson = require "cjson"
local chord = require "luatrain.music.chord"
local scores = require "luatrain.music.chord_scores"

local here = debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local golden = cjson.decode(read(here .. "/../golden/chord.json"))

local function with_file(text, check)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  local ok, reason = pcall(check, path)
  os.remove(path)
  if not ok then error(reason, 0) end
end

describe("chord labels", function()
  it("are encoded, or refused, as mir_eval does", function()
    local refused = 0
    for _, case in ipairs(golden.encodings) do
      if case.plain ~= cjson.null then
        assert.same(case.plain, { chord.encode(case.label) }, case.label)
        assert.same(case.reduced, { chord.encode(case.label, true) }, case.label)
      else
        refused = refused + 1
        assert.is_false((chord.valid(case.label)), case.label)
        assert.has_error(function() chord.encode(case.label) end)
      end
    end
    assert.is_true(refused > 35 and refused < 80)
  end)

  it("are refused with what is wrong", function()
    local function wrong(label, what)
      local ok, message = chord.valid(label)
      assert.is_false(ok)
      assert.truthy(message:find(what, 1, true), message)
    end
    wrong("C:major", "unknown quality 'major'")
    wrong("H:maj", "begin with a root")
    wrong("C#b", "mixes flats and sharps")
    wrong("C(9)", "a colon must come before '(9)'")
    wrong("C:maj(14)", "extension '14'")
    wrong("C/b14", "bass 'b14'")
    wrong(nil, "a string is needed")
  end)

  it("split into their parts", function()
    assert.same({ root = "D", quality = "sus4", extensions = { "b7", "*5" }, bass = "b3" },
      chord.split "D:sus4(b7,*5,b7)/b3")
    assert.same({ root = "G", quality = "", extensions = { "1", "3" }, bass = "1" }, chord.split "G:(1,3)")
    assert.same({ root = "Cb", quality = "maj", extensions = {}, bass = "1" }, chord.split "Cb")
  end)

  it("map to 32 types and back", function()
    assert.equal(32, #chord.types)
    local seen = {}
    for kind = 1, 31 do
      local tones = chord.type_tones(kind)
      assert.is_nil(seen[tones], chord.types[kind + 1])
      seen[tones] = true
      for root = 0, 11 do
        for bass = 0, 11 do
          local label = chord.label(kind, root, bass)
          assert.same({ kind, root, bass }, { chord.classify(label) }, label)
        end
      end
    end
    assert.same({ 0 }, { chord.classify "N" })
    assert.equal("N", chord.label(0))
    assert.is_nil(chord.classify "X")
  end)

  it("of other tones go to the nearest type", function()
    local function kind(label) return chord.types[chord.classify(label) + 1] end
    assert.equal("maj", kind "C:maj(11)")
    assert.equal("maj", kind "C:(1,3)")
    assert.equal("5", kind "C:maj(*3)")
    assert.equal("7", kind "C:7(*5)")
    assert.equal("7", kind "C:7(#11)")
    assert.equal("hdim7", kind "B:dim(b7)")
    assert.equal("9", kind "C:7(9)")
    assert.equal("min7", kind "A:min7(11)")
    assert.equal("aug(b7)", kind "E:aug7")
    assert.equal("maj(9)", kind "F:maj(2)/2")
    assert.equal("min", kind "D:min/2")
  end)

  it("are transposed", function()
    assert.equal("F#:maj7(9)/b3", chord.transpose("D:maj7(9)/b3", 4))
    assert.equal("Bb", chord.transpose("Cb", -1))
    assert.equal("N", chord.transpose("N", 5))
    for kind = 1, 31 do
      for by = -13, 13 do
        local k, root, bass = chord.classify(chord.transpose(chord.label(kind, 4, 11), by))
        assert.same({ kind, (4 + by) % 12, (11 + by) % 12 }, { k, root, bass })
      end
    end
  end)
end)

describe("lab files", function()
  it("are written and read back", function()
    local segments = {
      { start = 0, stop = 1.25, label = "N" }, { start = 1.25, stop = 2.5, label = "F#:min7/b7" },
    }
    with_file("", function(path)
      chord.write_lab(path, segments)
      assert.same(segments, chord.read_lab(path))
    end)
  end)

  it("may use any white space, empty lines and rounded times", function()
    with_file("0 1\tC\r\n\r\n  1.000 1.0 G \n0.9999\t2e0   A:min", function(path)
      assert.same({
        { start = 0, stop = 0.9999, label = "C" }, { start = 0.9999, stop = 2, label = "A:min" },
      }, chord.read_lab(path))
    end)
  end)

  it("that are wrong are refused by file and line", function()
    local function wrong(text, what)
      with_file(text, function(path)
        local ok, message = pcall(chord.read_lab, path)
        assert.is_false(ok)
        assert.truthy(message:find(path, 1, true) and message:find(what, 1, true), message)
      end)
    end
    wrong("", "holds no chord")
    wrong("0 1 C\n1 2\n", "line 2: three columns")
    wrong("0 1 C\n1 2 major", "line 2: chord label 'major'")
    wrong("0 one C", "line 1: '0 one' are no times")
    wrong("0 nan C", "no times")
    wrong("0 inf C", "no times")
    wrong("2 1 C", "before its start")
    wrong("-1 1 C", "before 0")
    wrong("0 2 C\n1 3 G", "line 2: starts at 1, before the line above ends at 2")
    wrong("0 1 C\0", "zero bytes")
    wrong("RIFF\1\2\3\4WAVEfmt", "line 1")
    wrong(("0 1 C\n"):rep(3e6), "bytes, more than")
    assert.error_matches(function() chord.read_lab "/nowhere/a.lab" end, "/nowhere/a.lab")
    assert.error_matches(function() chord.read_lab "/tmp" end, "/tmp")
  end)

  it("that cannot be written are an error with their name", function()
    assert.error_matches(function() chord.write_lab("/nowhere/a.lab", {}) end, "/nowhere/a.lab")
  end)

  it("merge equal neighbours", function()
    local function s(start, stop, label) return { start = start, stop = stop, label = label } end
    assert.same({ s(0, 2, "C"), s(2, 3, "G"), s(4, 5, "G") },
      chord.merge { s(0, 1, "C"), s(1, 2, "C"), s(2, 3, "G"), s(4, 5, "G") })
  end)
end)

-- The worked examples of mir_eval's own definitions, computed apart from this code and from
-- make_chord.py. Columns: root thirds thirds_inv triads triads_inv tetrads tetrads_inv mirex majmin
-- majmin_inv sevenths sevenths_inv
local EXAMPLES = [[
C:maj C:maj 1 1 1 1 1 1 1 1 1 1 1 1
C:maj C:min 1 0 0 0 0 0 0 0 0 0 0 0
C:maj7 C:maj 1 1 1 1 1 0 0 1 1 1 0 0
C:7 C:maj7 1 1 1 1 1 0 0 1 1 1 0 0
C:maj/3 C:maj 1 1 0 1 0 1 0 1 1 0 1 0
A:min C:maj6 0 0 0 0 0 0 0 1 0 0 0 0
C:sus4 C:sus4 1 1 1 1 1 1 1 1 -1 -1 -1 -1
C:dim C:min 1 1 1 0 0 0 0 0 -1 -1 -1 -1
C:min C:dim 1 1 1 0 0 0 0 0 0 0 0 0
C:5 C:5 1 1 1 1 1 1 1 -1 -1 -1 -1 -1
N N 1 1 1 1 1 1 1 1 1 1 1 1
N C:maj 0 0 0 0 0 0 0 0 0 0 0 0
N X 1 0 0 0 0 0 0 1 0 0 0 0
X C -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1
C:maj N 0 0 0 0 0 0 0 0 0 0 0 0
C:maj X 0 0 0 0 0 0 0 1 0 0 0 0
C:min7 Eb:maj6 0 0 0 0 0 0 0 1 0 0 0 0
C:maj(9) C:maj 1 1 1 1 1 1 1 1 1 1 1 1
C:aug E:aug 0 0 0 0 0 0 0 1 -1 -1 -1 -1
C:maj6 C:maj 1 1 1 1 1 0 0 1 1 1 -1 -1
C:maj/2 C:maj/2 1 1 1 1 1 1 1 1 -1 -1 -1 -1
C:hdim7 C:dim 1 1 1 1 1 0 0 1 -1 -1 -1 -1
C:minmaj7 C:min 1 1 1 1 1 0 0 1 1 1 -1 -1
]]

describe("chord scores", function()
  it("of pairs of labels are mir_eval's", function()
    for _, case in ipairs(golden.pairs) do
      local got = scores.compare(case[1], case[2])
      for i, name in ipairs(scores.names) do
        assert.equal(case[3][i], got[name], case[1] .. " " .. case[2] .. " " .. name)
      end
    end
  end)

  it("of the worked examples are right", function()
    local rows = 0
    for line in EXAMPLES:gmatch "[^\n]+" do
      local words = {}
      for word in line:gmatch "%S+" do words[#words + 1] = word end
      local got = scores.compare(words[1], words[2])
      for i, name in ipairs(scores.names) do
        assert.equal(tonumber(words[i + 2]), got[name], line .. " " .. name)
      end
      rows = rows + 1
    end
    assert.equal(23, rows)
  end)

  local function segments(rows)
    local out = {}
    for i, row in ipairs(rows) do out[i] = { start = row[1], stop = row[2], label = row[3] } end
    return out
  end

  it("of whole songs are mir_eval's", function()
    for i, song in ipairs(golden.songs) do
      local got = scores.evaluate(segments(song.truth), segments(song.given))
      for name, wanted in pairs(song.scores) do
        assert.near(wanted, got[name], 1e-9, ("song %d, %s"):format(i, name))
      end
    end
  end)

  it("of an empty estimate are those of no chord", function()
    local truth = segments { { 1, 3, "C" }, { 3, 4, "N" } }
    local got = scores.evaluate(truth, {})
    assert.near(1 / 3, got.majmin, 1e-12)
    assert.same(got, scores.evaluate(truth, segments { { 0, 9, "N" } }))
    assert.has_error(function() scores.evaluate({}, truth) end)
  end)

  it("of several songs weigh every second the same", function()
    local long = scores.evaluate(segments { { 0, 30, "C" } }, segments { { 0, 30, "C" } })
    local short = scores.evaluate(segments { { 0, 10, "C" } }, segments { { 0, 10, "G" } })
    local unjudged = scores.evaluate(segments { { 0, 60, "C:sus4" } }, segments { { 0, 60, "G" } })
    local all = scores.pool { long, short, unjudged }
    assert.near(0.75, all.majmin, 1e-12)
    assert.near(0.3, all.root, 1e-12)
    assert.equal(3, all.songs)
    assert.equal(100, all.seconds)
  end)
end)
