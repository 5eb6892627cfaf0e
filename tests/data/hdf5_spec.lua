local lt = require "luatrain"
local fs = require "luatrain.fs"
local hdf5 = lt.data.hdf5

local folder
local function path(name) return fs.join(folder, name) end

-- The values that a data set of the fixtures holds: counting up in row-major order.
local function counting(shape, rows)
  local size = 1
  for d = 2, #shape do size = size * shape[d] end
  local list = {}
  for _, row in ipairs(rows) do
    for k = 0, size - 1 do list[#list + 1] = (row - 1) * size + k end
  end
  return list
end

local function range(first, last)
  local list = {}
  for i = first, last do list[#list + 1] = i end
  return list
end

-- Runs f, which must fail with this exit code and a text that holds all the words.
local function fails(code, words, f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  assert.equal(code, (require("luatrain.cli").explain(e)))
  for _, word in ipairs(words) do
    assert.is_truthy(tostring(e):find(word, 1, true), ("'%s' is not in: %s"):format(word, tostring(e)))
  end
end

setup(function() folder = fs.temporary_directory() end)
teardown(function() fs.remove_tree(folder) end)

describe("HDF5 files of h5py", function()
  for _, version in ipairs {"earliest", "v108", "v110"} do
    local f
    setup(function() f = hdf5.open("tests/golden/hdf5/" .. version .. ".h5") end)
    teardown(function() f:close() end)

    it("are read in every layout (" .. version .. ")", function()
      for _, name in ipairs {"plain", "gzip", "all", "pieces", "rows", "blocks", "checked", "growing",
        "scaled", "soft"} do
        local set = f:dataset(name)
        assert.same({23, 5, 9}, set.shape)
        assert.same(counting(set.shape, range(1, 23)), set:read():flat())
        assert.same(counting(set.shape, range(4, 21)), set:read(4, 18):flat())
        local rows = {23, 1, 7, 7, 8, 2, 22, 23}
        assert.same(counting(set.shape, rows), set:rows(rows):flat())
        assert.same({0, 5, 9}, set:rows({}):size())
        if version ~= "v110" and name ~= "scaled" then assert.is_true(set.direct) end
      end
    end)

    it("give holes the fill value (" .. version .. ")", function()
      assert.same({2.5, 2.5, 2.5, 1, 1, 1, 2.5, 2.5, 2.5}, f:dataset "holes":rows({12, 6, 5}):flat())
      assert.same({7, 7, 7, 7}, f:dataset "never":read(2, 2):flat())
    end)

    it("give every type (" .. version .. ")", function()
      local dtypes = {f64 = "f64", f16 = "f16", big = "f32", i1 = "i32", i2 = "i32", i4 = "i32", i8 = "i64",
        u1 = "u8", u2 = "i32", u4 = "i64"}
      for name, dtype in pairs(dtypes) do
        local set = f:dataset("types/" .. name)
        assert.equal(dtype, set.dtype)
        assert.same({5, 0, 3}, set:rows({6, 1, 4}):flat())
      end
      assert.same({true, false}, f:dataset "types/bool":rows({2, 3}):tolist())
      assert.same({3.5}, f:dataset "types/scalar":read():flat())
      assert.same({"one", "", "drei", "für"}, f:strings "strings/variable")
      assert.same({"ab", "c", "", "defg"}, f:strings "strings/fixed")
      assert.same({"c", ""}, f:strings("strings/fixed", 2, 2))
    end)

    it("tell names and attributes (" .. version .. ")", function()
      assert.same({"fixed", "variable"}, f:keys "strings")
      assert.equal("group", f:has "strings")
      assert.equal("dataset", f:has "strings/fixed")
      assert.equal("link", f:has "bad/external_link")
      assert.is_false(f:has "strings/nothing/at/all")
      assert.same({sample_rate = 44100, names = {"cutoff", "für"}, ranges = {0.5, 2}, flag = true,
        text = '{"a": 1}', empty = {}, bytes = "old"}, f:attributes "/")
      assert.same({unit = "s"}, f:attributes "plain")
    end)

    it("name what cannot be read (" .. version .. ")", function()
      local function read(name) return function() return f:dataset(name):read() end end
      fails(4, {version .. ".h5", "bad/lzf", "filter 32000 (lzf)"}, read "bad/lzf")
      fails(4, {"bad/external_link", "link to another file"}, read "bad/external_link")
      fails(4, {"bad/soft_to_link"}, read "bad/soft_to_link")
      fails(4, {"bad/virtual", "virtual data set"}, read "bad/virtual")
      fails(4, {"bad/external_storage", "external storage"}, read "bad/external_storage")
      fails(4, {"types/compound", "compound"}, read "types/compound")
      fails(4, {"there is no 'plane'", "did you mean plain?"}, read "plane")
      fails(4, {"strings/fixed", "strings"}, read "strings/fixed")
      fails(4, {"'strings' is no data set"}, read "strings")
      fails(4, {"'plain' holds no strings"}, f.strings, f, "plain")
      fails(1, {"rows 20 to 24 of 'plain', it has 23"}, function() f:dataset "plain":read(20, 5) end)
      fails(1, {"row 24 of 'gzip', it has 23"}, function() f:dataset "gzip":rows {1, 24} end)
      fails(4, {"has the shape (23, 5, 9), wanted (any, 5, 8)"}, f.expect, f, "plain", {false, 5, 8})
      fails(4, {"'plain' holds f32, wanted i64"}, f.expect, f, "plain", {false, 5, 9}, "i64")
      assert.equal("gzip", f:expect("gzip", {false, 5, 9}, "f32").name)
    end)
  end
end)

describe("writing HDF5", function()
  local shapes = {{11, 4, 6}, {7}, {0, 3}, {5, 0}}
  local layouts = {
    {}, {gzip = 4}, {chunk = true, gzip = 1, shuffle = true, fletcher32 = true}, {chunk = true},
    {chunk = true, fletcher32 = true},
  }

  it("gives back what was written, in every layout and dtype", function()
    local file = path "layouts.h5"
    local function each(f)
      for s, shape in ipairs(shapes) do
        for l, layout in ipairs(layouts) do
          for _, dtype in ipairs {"f32", "f64", "i64", "i32", "u8", "bool", "f16"} do
            f(("%d/%d/%s"):format(s, l, dtype), shape, layout, dtype)
          end
        end
      end
    end
    local function values(shape, dtype)
      local x = lt.Tensor.empty(shape, "f32")
      for k = 0, x:numel() - 1 do x:data()[k] = k * 7 % 100 end
      return dtype == "bool" and x:gt(50) or x:to(dtype)
    end
    hdf5.write(file, function(w)
      each(function(name, shape, layout, dtype)
        local options = {gzip = layout.gzip, shuffle = layout.shuffle, fletcher32 = layout.fletcher32}
        if layout.chunk then
          options.chunk = {}
          for d, size in ipairs(shape) do options.chunk[d] = math.max(1, math.ceil(size / 2) - 1) end
        end
        w:tensor(name, values(shape, dtype), options)
      end)
    end)
    local f = hdf5.open(file)
    each(function(name, shape, _, dtype)
      local set = f:dataset(name)
      assert.equal(dtype, set.dtype)
      assert.same(shape, set.shape)
      assert.same(values(shape, dtype):flat(), set:read():flat())
    end)
    f:close()
  end)

  it("takes rows in pieces of any size", function()
    local x = lt.randn(29, 3)
    hdf5.write(path "pieces.h5", function(w)
      for step = 1, 8 do
        local sink = w:dataset("s" .. step, {shape = {29, 3}, chunk = {5, 2}, gzip = 2})
        for i = 1, 29, step do sink:append(x:narrow(1, i, math.min(step, 30 - i))) end
        assert.equal(29, sink:size())
      end
    end)
    local f = hdf5.open(path "pieces.h5")
    for step = 1, 8 do assert.same(x:flat(), f:dataset("s" .. step):read():flat()) end
    f:close()
  end)

  it("gives the same file whatever the number of threads", function()
    local rows = lt.randn({40, 20000}, {generator = lt.random.generator(3)})
    local function write(name, threads)
      lt.threads(threads)
      hdf5.write(path(name), function(w)
        -- Two data sets take turns, so that chunks of one come between those of the other.
        local a = w:dataset("a", {shape = {40, 20000}, chunk = {2, 20000}, gzip = 1})
        local b = w:dataset("b", {shape = {40, 20000}, chunk = {3, 20000}, gzip = 1, shuffle = true})
        for first = 1, 40, 4 do
          a:append(rows:narrow(1, first, 4))
          b:append(rows:narrow(1, first, 4))
        end
        w:attributes("a", {text = ("long"):rep(500)})
      end)
      return fs.read(path(name))
    end
    local threads = lt.threads()
    local whole = write("one.h5", 1)
    for _, n in ipairs {2, 3, 12} do assert.is_true(write("many.h5", n) == whole) end
    lt.threads(threads)
    local f = hdf5.open(path "many.h5")
    for _, name in ipairs {"a", "b"} do
      assert.equal(0, (f:dataset(name):read() - rows):abs():max():item())
    end
    f:close()
  end)

  it("writes attributes and strings", function()
    local attributes = {rate = 44100, ratio = 0.5, on = true, off = {true, false}, text = "für",
      texts = {"a", "", "für"}, numbers = {1, 2.5}, big = 2 ^ 52, many = {}}
    for i = 1, 9000 do attributes.many[i] = "parameter " .. i end
    hdf5.write(path "attributes.h5", function(w)
      w:tensor("group/x", lt.zeros(2))
      w:strings("strings", {"a", "", "für"})
      w:strings("none", {})
      w:attributes("/", attributes)
      w:attributes("group", {n = 1})
      w:attributes("group/x", {unit = "Hz"})
      w:attributes("group/x", {unit = "kHz"})
    end)
    local f = hdf5.open(path "attributes.h5")
    assert.same(attributes, f:attributes())
    assert.same({n = 1}, f:attributes "group")
    assert.same({unit = "kHz"}, f:attributes "group/x")
    assert.same({"a", "", "für"}, f:strings "strings")
    assert.same({}, f:strings "none")
    f:close()
  end)

  it("leaves the old file where it fails", function()
    local file = path "kept.h5"
    hdf5.write(file, function(w) w:tensor("x", lt.ones(3)) end)
    local before = fs.read(file)
    local function wrong(words, f)
      for _, way in ipairs {hdf5.write, hdf5.extend} do
        fails(1, words, way, file, f)
        assert.equal(before, fs.read(file))
      end
    end
    wrong({"no reason"}, function() error("no reason", 0) end)
    wrong({"'y' was made for 4 rows and got 3"}, function(w)
      w:dataset("y", {shape = {4, 2}}):append(lt.zeros(3, 2))
    end)
    wrong({"was made for 4 rows", "gets 5 more"}, function(w)
      w:dataset("y", {shape = {4, 2}}):append(lt.zeros(5, 2))
    end)
    wrong({"'y' takes contiguous f32"}, function(w)
      w:dataset("y", {shape = {4, 2}}):append(lt.zeros(4, 2):to "f64")
    end)
    wrong({"(4, 3) do not fit"}, function(w) w:dataset("y", {shape = {4, 2}}):append(lt.zeros(4, 3)) end)
    wrong({"did you mean 'gzip'"}, function(w) w:dataset("y", {shape = {4}, gzipp = 3}) end)
    wrong({"gzip level 12"}, function(w) w:dataset("y", {shape = {4}, gzip = 12}) end)
    wrong({"mixes"}, function(w) w:attributes("/", {a = {1, "b"}}) end)
    assert.same({"kept.h5"}, (function()
      local list = {}
      for _, name in ipairs(fs.list(folder)) do
        if name:find "kept" then list[#list + 1] = name end
      end
      return list
    end)())
    fails(5, {"cannot write"}, hdf5.write, path "no/such/folder.h5", function() end)
    fails(5, {"cannot open"}, hdf5.extend, path "missing.h5", function() end)
  end)

  it("adds to a file and replaces in it", function()
    local file = path "extended.h5"
    hdf5.write(file, function(w)
      w:tensor("x", lt.ones(3))
      w:attributes("/", {a = 1})
    end)
    local open = hdf5.open(file)
    hdf5.extend(file, function(w)
      w:tensor("features/y", lt.full({3, 2}, 5), {chunk = {1, 2}})
      w:attributes("/", {a = 2, b = "new"})
    end)
    fails(1, {"there is already a 'x'"}, hdf5.extend, file, function(w) w:tensor("x", lt.zeros(3)) end)
    hdf5.extend(file, function(w) w:tensor("x", lt.zeros(4), {replace = true}) end)
    local f = hdf5.open(file)
    assert.same({0, 0, 0, 0}, f:dataset "x":read():flat())
    assert.same({5, 5, 5, 5, 5, 5}, f:dataset "features/y":read():flat())
    assert.same({a = 2, b = "new"}, f:attributes())
    assert.same({1, 1, 1}, open:dataset "x":read():flat())  -- who had it open still has the old one
    open:close()
    f:close()
    local set, sink, writer = open.sets.x, nil, nil
    for _, use in ipairs {function() set:read() end, function() set:rows {1} end,
      function() open:strings "x" end, function() open:dataset "x" end, function() open:keys() end,
      function() open:has "x" end, function() open:attributes() end} do
      assert.error_matches(use, "extended.h5: this file has been closed")
    end
    hdf5.write(path "sink.h5", function(w)
      writer, sink = w, w:dataset("x", {shape = {2}})
      sink:append(lt.zeros(2))
    end)
    for _, use in ipairs {function() sink:append(lt.zeros(1)) end, function() sink:size() end,
      function() writer:tensor("y", lt.zeros(1)) end, function() writer:attributes("/", {a = 1}) end,
      function() writer:strings("z", {"a"}) end} do
      assert.error_matches(use, "sink.h5: this file has been written")
    end
  end)
end)
