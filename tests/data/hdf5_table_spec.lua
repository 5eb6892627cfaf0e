local lt = require "luatrain"
local fs = require "luatrain.fs"
local failure = require "luatrain.failure"
local hdf5 = lt.data.hdf5

local folder, file
local ROWS, CHUNK = 100, 8

-- Row i (from 1) holds i everywhere; three rows share a hash.
setup(function()
  folder = fs.temporary_directory()
  file = fs.join(folder, "table.h5")
  hdf5.write(file, function(w)
    local rows = lt.arange(1, ROWS + 1):to "f32":reshape(ROWS, 1)
    w:tensor("sound", rows:expand(ROWS, 500):contiguous(), {chunk = {CHUNK, 500}, gzip = 4})
    w:tensor("mel", rows:expand(ROWS, 12):contiguous(), {chunk = {1, 12}})
    w:tensor("note", rows:reshape(ROWS):to "i64")
    local hashes = {}
    for i = 1, ROWS do hashes[i] = ("hash %d"):format(math.ceil(i / 3)) end
    w:strings("hash", hashes)
  end)
end)
teardown(function() fs.remove_tree(folder) end)

local function open(arguments, options)
  local all = {file = file}
  for key, value in pairs(arguments or {}) do all[key] = value end
  local o = {batch_size = 6, shuffle = true, seed = 7, source = {module = "data.hdf5_set", arguments = all}}
  for key, value in pairs(options or {}) do o[key] = value end
  return lt.data.loader(require "data.hdf5_set"(all), o)
end

-- Every batch of an epoch as text; checks that the fields of a row belong together.
local function content(loader, epoch, from, factor)
  local lines, rows = {}, {}
  for batch in loader:epoch(epoch, from) do
    local note = batch.note:flat()
    for k, row in ipairs(note) do
      assert.equal(row * (factor or 1), batch.sound:get(k, 500))
      assert.equal(row, batch.mel:get(k, 12))
      assert.equal(("hash %d"):format(math.ceil(row / 3)), batch.hash[k])
      assert.equal(("%s row %d"):format(file, row), batch.ids[k])
      rows[#rows + 1] = row
    end
    lines[#lines + 1] = table.concat({batch.number, batch.size, table.concat(note, " "),
      batch.draw and table.concat(batch.draw:flat(), " ") or ""}, "|")
    for _, field in ipairs {"note", "sound", "mel", "draw"} do
      if batch[field] then batch[field]:release() end
    end
  end
  loader:close()
  return lines, rows
end

describe("a data set of an HDF5 file", function()
  it("gives rows as samples", function()
    local set = hdf5.table(file, {fields = {mel = "mel", note = "note", hash = "hash"}})
    assert.equal(ROWS, set:size())
    local sample = set:get(-2)
    assert.same({12}, sample.mel:size())
    assert.equal(99, sample.note)
    assert.equal("hash 33", sample.hash)
    local batch = set:batch(4):one(1, 2)
    assert.same({4, 12}, batch.mel:size())
    assert.equal("i64", batch.note:dtype())
    assert.same({5, 6, 7, 8}, batch.note:flat())
  end)

  it("splits by a column without reading samples, no group on both sides", function()
    local set = hdf5.table(file, {fields = {mel = "mel", hash = "hash", note = "note"}})
    local train, valid = set:group_split("hash", {0.7, 0.3}, 1)
    assert.equal(ROWS, train:size() + valid:size())
    local seen = {}
    for i = 1, train:size() do seen[train.peek(i).hash] = true end
    for i = 1, valid:size() do assert.is_nil(seen[valid.peek(i).hash]) end
    assert.equal(10, set:filter(function(known) return known.note <= 10 end):size())
  end)

  it("refuses fields that do not fit", function()
    local other = fs.join(folder, "other.h5")
    hdf5.write(other, function(w)
      w:tensor("a", lt.zeros(3))
      w:tensor("b", lt.zeros(4))
    end)
    local function wrong(code, text, options)
      local ok, e = pcall(hdf5.table, other, options)
      assert.is_false(ok)
      assert.equal(code, (require("luatrain.cli").explain(e)))
      assert.is_truthy(tostring(e):find(text, 1, true), tostring(e))
    end
    wrong(4, "'b' has 4 rows, 'a' has 3", {fields = {a = "a", b = "b"}})
    wrong(4, "there is no 'c'", {fields = {c = "c"}})
    wrong(1, "no fields", {fields = {}})
    wrong(1, "did you mean 'fields'", {field = {a = "a"}})
  end)

  for _, window in ipairs {false, 1, 3} do
    for _, map in ipairs {false, true} do
      it(("delivers every row once, whatever the workers (window %s, map %s)"):format(window, map), function()
        local arguments, factor = {window = window, map = map}, map and 2 or 1
        local here, rows = content(open(arguments), 2, nil, factor)
        assert.equal(math.ceil(ROWS / 6), #here)
        assert.not_same(here, (content(open(arguments), 3, nil, factor)))
        for workers = 1, 3 do
          assert.same(here, (content(open(arguments, {workers = workers}), 2, nil, factor)))
          assert.same({unpack(here, 5)}, (content(open(arguments, {workers = workers}), 2, 5, factor)))
        end
        local unmixed = true
        for k = 2, #rows do unmixed = unmixed and rows[k] > rows[k - 1] end
        assert.is_false(unmixed)
        table.sort(rows)
        for i = 1, ROWS do assert.equal(i, rows[i]) end
      end)
    end
  end

  it("takes the chunks of a window together when it shuffles", function()
    for _, train in ipairs {false, true} do
      local loader = open({window = 3, train = train}, {batch_size = 1})
      local _, rows = content(loader, 1)
      local chunks, last, changes = {}, nil, 0
      for k, row in ipairs(rows) do
        local chunk = math.floor((row - 1) / CHUNK)
        chunks[chunk] = {first = chunks[chunk] and chunks[chunk].first or k, last = k}
        if chunk ~= last then changes = changes + 1 end
        last = chunk
      end
      -- No chunk is met again when three others have gone by: at most three chunks are alive at once.
      for k = 1, #rows do
        local alive = 0
        for _, span in pairs(chunks) do
          if span.first <= k and k <= span.last then alive = alive + 1 end
        end
        assert.is_true(alive <= 3)
      end
      assert.is_true(changes > #rows / 3)  -- and they are mixed
    end
  end)

  it("shuffles plainly what fits into the cache, by chunks what does not", function()
    local before = hdf5.cache()
    assert.is_nil(hdf5.table(file, {fields = {sound = "sound"}}).window)
    hdf5.cache(8 * CHUNK * 500 * 4)
    assert.equal(3, hdf5.table(file, {fields = {sound = "sound"}}).window)
    assert.is_nil(hdf5.table(file, {fields = {mel = "mel"}}).window)
    hdf5.cache(before)
  end)

  it("lets a map change a sample that is read twice", function()
    local set = hdf5.table(file, {fields = {mel = "mel"}}):select({4, 4, 9})
      :map(function(sample) sample.mel:mul_(10) return sample end)
    local batch = set:batch(3):one(1, 1)
    assert.same({40, 40, 90}, {batch.mel:get(1, 1), batch.mel:get(2, 1), batch.mel:get(3, 1)})
  end)

  it("passes over the rows of a damaged chunk, or stops", function()
    local damaged = fs.join(folder, "damaged.h5")
    local text = fs.read(file)
    -- The third gzip stream of the file: chunk 3 of 'sound'.
    local at = 0
    for _ = 1, 3 do at = text:find("\120\94", at + 1, true) end
    fs.write(damaged, text:sub(1, at + 7) .. "\255\255\255" .. text:sub(at + 11))
    for _, map in ipairs {false, true} do
      for _, workers in ipairs {0, 2} do
        local loader = open({file = damaged, map = map}, {workers = workers, max_damaged = 0.1})
        local told, count = {}, 0
        loader.on_damaged = function(one) told[#told + 1] = one.index end
        for batch in loader:epoch(1) do count = count + batch.size end
        loader:close()
        assert.equal(ROWS - CHUNK, count)
        table.sort(told)
        assert.same({17, 18, 19, 20, 21, 22, 23, 24}, told)
        local words = loader.damaged[1].text
        local wanted = "damaged.h5: data set 'sound', chunk 3 of 13 (rows 17 to 24)"
        assert.is_truthy(words:find(wanted, 1, true), words)
        local strict = open({file = damaged, map = map}, {workers = workers, max_damaged = 0})
        local ok, e = pcall(function() for _ in strict:epoch(1) do end end)
        strict:close()
        assert.is_false(ok)
        assert.equal(4, failure.of(e).code)
      end
    end
  end)

  it("leaves no tensor and no chunk behind", function()
    jit.flush()
    collectgarbage() collectgarbage()
    local before = lt.memory().storages
    for _, map in ipairs {false, true} do
      for _, workers in ipairs {0, 2} do
        local loader = open({map = map, window = 2}, {workers = workers})
        for batch in loader:epoch(1) do
          if batch.number == 4 then break end
        end
        loader:close()
      end
    end
    jit.flush()  -- compiled loops hold what they were compiled with
    collectgarbage() collectgarbage()
    assert.equal(before, lt.memory().storages)
    assert.equal(0, tonumber(require("luatrain.core").C.lt_hdf5_cached()))
  end)
end)
