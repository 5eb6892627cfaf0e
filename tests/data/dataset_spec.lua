local lt = require "luatrain"
local data = lt.data
local fs = require "luatrain.fs"
local program = require "program"

local function numbers(n)
  local list = {}
  for i = 1, n do list[i] = {value = i, song = "song" .. math.ceil(i / 3)} end
  return data.table(list)
end

local function values(set)
  local list = {}
  for i = 1, set:size() do list[i] = set:get(i).value end
  return list
end

describe("data sets", function()
  teardown(program.clean)

  it("count from 1 and refuse what is outside", function()
    local set = numbers(4)
    assert.equal(4, set:size())
    assert.equal(1, set:get(1).value)
    assert.equal(4, set:get(-1).value)
    for _, i in ipairs {0, 5, -5, 1.5} do
      assert.has_error(function() set:get(i) end)
    end
  end)

  it("map without changing the samples they come from", function()
    local set = numbers(3)
    local twice = set:map(function(s) s.value = 2 * s.value return s end)
    assert.same({2, 4, 6}, values(twice))
    assert.same({1, 2, 3}, values(set))
    assert.error_matches(function() set:map(function() end):get(1) end, "must return the sample")
  end)

  it("select, take, filter, join and shuffle", function()
    local set = numbers(6)
    assert.same({5, 1, 1}, values(set:select {5, 1, 1}))
    assert.same({1, 2}, values(set:take(2)))
    assert.same({2, 4, 6}, values(set:filter(function(s) return s.value % 2 == 0 end)))
    assert.same({1, 2, 1, 2, 3}, values(numbers(2):concat(numbers(3))))
    local mixed = values(set:shuffle(5))
    assert.not_same(values(set), mixed)
    assert.same(mixed, values(set:shuffle(5)))
    assert.not_same(mixed, values(set:shuffle(6)))
    table.sort(mixed)
    assert.same(values(set), mixed)
    assert.has_error(function() set:select {7} end)
  end)

  it("split into parts without common samples", function()
    local a, b, c = numbers(10):split({0.5, 0.3, 0.2}, 3)
    assert.same({5, 3, 2}, {a:size(), b:size(), c:size()})
    local all = values(a:concat(b, c))
    table.sort(all)
    assert.same(values(numbers(10)), all)
    assert.error_matches(function() numbers(3):split {0.5, 0.4} end, "add up to 0.9")
  end)

  it("split by group, so that no group is in two parts", function()
    for seed = 1, 10 do
      local a, b = numbers(30):group_split("song", 0.7, seed)
      assert.equal(30, a:size() + b:size())
      assert.equal(21, a:size())
      local songs = {}
      for i = 1, a:size() do songs[a:get(i).song] = true end
      for i = 1, b:size() do assert.is_nil(songs[b:get(i).song]) end
    end
    assert.error_matches(function() numbers(3):group_split("artist", 0.5) end, "has no 'artist'")
  end)

  it("cache what has been read", function()
    local reads = 0
    local set = data.from(3, function(i)
      reads = reads + 1
      return {x = lt.tensor({i, i})}
    end):cache()
    for _ = 1, 4 do
      lt.scope(function() assert.equal(4, set:get(2).x:sum():item()) end)
    end
    assert.equal(1, reads)
  end)

  it("read folders with a class each", function()
    local folder = program.folder()
    for _, name in ipairs {"dog/b.wav", "dog/a.WAV", "dog/deep/c.flac", "cat/a.wav", "cat/notes.txt",
      "empty/x.txt"} do
      fs.mkdir(fs.dirname(fs.join(folder, name)))
      fs.write(fs.join(folder, name), "")
    end
    os.execute(("ln -s . '%s/dog/again'"):format(folder))
    local set, classes = data.folder(folder)
    assert.same({"cat", "dog"}, classes)
    assert.equal(classes, set.classes)
    assert.equal(4, set:size())
    assert.same({"cat", 0}, {set:get(1).class, set:get(1).label})
    assert.equal(fs.join(folder, "dog/a.WAV"), set:get(2).path)
    assert.equal(1, set:get(4).label)
    assert.error_matches(function() data.folder(fs.join(folder, "nowhere")) end, "nowhere: no such folder")
    assert.error_matches(function() data.folder(fs.join(folder, "cat")) end, "no folder in it holds a file")
  end)

  it("read manifests and name what is wrong in them", function()
    local folder = program.folder()
    local function write(name, text)
      fs.write(fs.join(folder, name), text)
      return fs.join(folder, name)
    end
    local set = data.manifest(write("m.json",
      '[{"id": "one", "audio_path": "a.wav"}, {"path": "/b.wav"}]'))
    assert.equal(fs.join(folder, "a.wav"), set:get(1).audio_path)
    assert.equal("/b.wav", set:get(2).path)
    assert.equal("one", set:id(1))
    assert.equal(2, data.manifest(write("l.jsonl", '{"id": "a"}\n\n{"id": "b"}\n')):size())
    assert.error_matches(function() data.manifest(write("bad.jsonl", '{"id": "a"}\n{"id"\n')) end,
      "bad.jsonl, line 2")
    assert.error_matches(function() data.manifest(write("bad.json", "[1, 2]")) end, "sample 1 is a number")
    assert.error_matches(function() data.manifest(write("no.json", '{"a": 1}')) end, "holds no list")
    assert.error_matches(function() data.manifest(write("cut.json", "[{")) end, "cut.json")
    assert.error_matches(function() data.manifest(fs.join(folder, "none.json")) end,
      "none.json: no such file")
  end)

  it("read CSV with quotes, and name the record that is wrong", function()
    local folder = program.folder()
    local function write(text)
      fs.write(fs.join(folder, "t.csv"), text)
      return fs.join(folder, "t.csv")
    end
    local text = '\239\187\191path,label,note\r\na.wav,1,"says ""hi"", twice\nover"\r\nb.wav,2,\r\n'
    local set = data.csv(write(text), {types = {label = "i64"}})
    assert.equal(2, set:size())
    assert.equal(fs.join(folder, "a.wav"), set:get(1).path)
    assert.equal('says "hi", twice\nover', set:get(1).note)
    assert.equal(2, set:get(2).label)
    assert.equal("", set:get(2).note)
    assert.error_matches(function() data.csv(write "a,b\n1,2\n3\n") end,
      "record 3: 1 fields, the header names 2")
    assert.error_matches(function() data.csv(write 'a,b\n"1,2\n') end, "record 2: a quoted field has no end")
    assert.error_matches(function() data.csv(write 'a,b\n"1"x,2\n') end, "text after a quoted field")
    assert.error_matches(function() data.csv(write "a\nx\n", {types = {a = "f32"}}) end,
      "'a' is 'x', wanted a number")
    assert.error_matches(function() data.csv(write "alpha\n1\n", {types = {alfa = "f32"}}) end,
      "did you mean alpha")
    assert.error_matches(function() data.csv(write "") end, "is empty")
  end)
end)

describe("batches", function()
  local collate = require "luatrain.data.collate"
  local function batch(samples, types)
    local ids = {}
    for i = 1, #samples do ids[i] = "s" .. i end
    return collate.batch(samples, types or {}, ids)
  end

  it("stack tensors, gather numbers, list texts", function()
    local b = batch({{x = lt.tensor({1, 2}), n = 3, name = "a", ok = true},
      {x = lt.tensor({4, 5}), n = 6, name = "b", ok = false}}, {n = "i64"})
    assert.same({{1, 2}, {4, 5}}, b.x:tolist())
    assert.equal("i64", b.n:dtype())
    assert.same({3, 6}, b.n:tolist())
    assert.same({"a", "b"}, b.name)
    assert.equal("bool", b.ok:dtype())
    assert.equal(2, b.size)
  end)

  it("stack what lies in any order in memory", function()
    local x = lt.tensor({{1, 2, 3}, {4, 5, 6}})
    local b = batch {{x = x:transpose(1, 2)}, {x = x:transpose(1, 2)}}
    assert.same({{{1, 4}, {2, 5}, {3, 6}}, {{1, 4}, {2, 5}, {3, 6}}}, b.x:tolist())
  end)

  it("pad to the longest and tell the lengths", function()
    local b = batch({{x = lt.tensor({{1, 2}, {3, 4}})}, {x = lt.tensor({{5, 6, 7}, {8, 9, 10}})}},
      {x = "pad"})
    assert.same({{{1, 2, 0}, {3, 4, 0}}, {{5, 6, 7}, {8, 9, 10}}}, b.x:tolist())
    assert.same({2, 3}, b.x_length:tolist())
  end)

  it("name the field and the samples that do not fit together", function()
    local function fails(samples, types, pattern)
      assert.error_matches(function() batch(samples, types) end, pattern)
    end
    fails({{x = lt.tensor({1})}, {x = lt.tensor({1, 2})}}, {}, "'x' is %(1%) in s1 but %(2%) in s2")
    fails({{x = lt.tensor({1})}, {x = lt.tensor({{1}})}}, {x = "pad"}, "s1")
    fails({{x = 1}, {y = 1}}, {}, "s1 has no 'y', s2 has")
    fails({{x = 1, y = 1}, {y = 1}}, {}, "s2 has no 'x', s1 has")
    fails({{x = 1}, {x = true}}, {}, "'x' is a number in s1 but a boolean in s2")
    fails({{x = 1.5}}, {x = "i64"}, "shall be i64, it is 1.5 in s1")
    fails({{x = {}}}, {}, "'x' of s1 is a table")
  end)
end)
