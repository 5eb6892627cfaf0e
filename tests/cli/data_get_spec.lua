-- `luatrain data list` and `luatrain data get`, from a server of our own: never the network.
local lt = require "luatrain"
local process = require "luatrain.process"
local program = require "program"
local fs = lt.fs

local folder = program.folder()
local served, catalogue = fs.mkdir(fs.join(folder, "served")), fs.join(folder, "catalogue.json")
local server, port

local function sum_of(path)
  return (process.run { "sha256sum", path }.output:match "%x+")
end

local function run(...)
  return program.run({ "data", ... }, { directory = folder, timeout = 60 })
end

-- Fails with a code and a last line that holds `text`.
local function refused(code, text, ...)
  local result = run(...)
  assert.equal(code, result.code, result.err)
  local line = program.last_line(result.err)
  assert.is_truthy(line:find(text, 1, true), line)
  assert.is_nil(result.err:find "traceback")
end

local function write_catalogue(entries)
  for _, entry in ipairs(entries) do
    entry.title, entry.licence, entry.page = "A set for tests", "CC0", "http://127.0.0.1/"
  end
  lt.json.save(catalogue, entries)
end

local function entry_of(name, url, file, sum)
  return { name = name, files = { { name = file, url = url, sha256 = sum } } }
end

setup(function()
  if not (process.which "python3" and process.which "curl" and process.which "tar") then return end
  local inner = fs.mkdir(fs.join(folder, "set"))
  fs.write(fs.join(inner, "a.txt"), ("content\n"):rep(40000))
  process.run { "tar", "-czf", fs.join(served, "set.tar.gz"), "-C", folder, "set" }
  -- long enough to be broken off, and not to be packed
  math.randomseed(1)
  local bytes = {}
  for i = 1, 100000 do bytes[i] = string.char(math.random(0, 255)) end
  fs.write(fs.join(served, "long.bin"), table.concat(bytes))
  local port_file = fs.join(folder, "port")
  server = process.start { "python3", program.here "tests/range_server.py", served, port_file }
  for _ = 1, 200 do
    if fs.is_file(port_file) then break end
    process.running(server, 0.05)
  end
  port = fs.read(port_file)
  local base = "http://127.0.0.1:" .. port .. "/"
  write_catalogue {
    entry_of("packed", base .. "set.tar.gz", "set.tar.gz", sum_of(fs.join(served, "set.tar.gz"))),
    entry_of("long", base .. "cut/long.bin", "long.bin", sum_of(fs.join(served, "long.bin"))),
    entry_of("wrong", base .. "long.bin", "wrong.bin", ("0"):rep(64)),
    entry_of("gone", base .. "nothing.zip", "nothing.zip", ("0"):rep(64)),
    { name = "by-hand", notes = { "Ask its makers." } },
  }
end)

teardown(function()
  if server then process.stop(server) end
  program.clean()
end)

describe("luatrain data list", function()
  it("names the data sets, their licences and how to get them", function()
    local result = run "list"
    assert.equal(0, result.code, result.err)
    for _, text in ipairs { "groove-midi", "CC BY 4.0", "maestro-midi", "CC BY-NC-SA 4.0", "lakh-midi",
      "deam", "asap", "pop909", "vgmidi", "by hand" } do
      assert.is_truthy(result.out:find(text, 1, true), text)
    end
  end)

  it("tells what has to be done by hand", function()
    local result = run("get", "deam")
    assert.equal(0, result.code, result.err)
    assert.is_truthy(result.out:find("https://cvml.unige.ch/databases/DEAM/", 1, true))
    assert.is_truthy(result.out:find("MEMD_audio/", 1, true))
  end)

  it("has catalogues whose entries are whole", function()
    local download = require "luatrain.data.download"
    local path = fs.join(folder, "own.json")
    lt.json.save(path, download.catalogue())
    assert.equal(#download.catalogue(), #download.catalogue(path))
  end)
end)

describe("luatrain data get", function()
  local function get(name, out) return "get", name, "--out", out, "--catalogue", catalogue end

  it("downloads, compares the checksum, unpacks, and does nothing the second time", function()
    if not server then return pending "python3, curl or tar is not installed" end
    local result = run(get("packed", "out"))
    assert.equal(0, result.code, result.err)
    assert.is_truthy(result.out:find("licence: CC0", 1, true))
    assert.equal(("content\n"):rep(40000), fs.read(fs.join(folder, "out/set/a.txt")))
    result = run(get("packed", "out"))
    assert.equal(0, result.code, result.err)
    assert.is_truthy(result.err:find("is there", 1, true), result.err)
  end)

  it("goes on where a download was broken off", function()
    if not server then return pending "python3, curl or tar is not installed" end
    refused(5, "the same command goes on", get("long", "out"))
    assert.is_false(fs.exists(fs.join(folder, "out/long.bin")))
    local half = fs.stat(fs.join(folder, "out/long.bin.part")).bytes
    assert.is_true(half > 0 and half < 100000)
    local result = run(get("long", "out"))
    assert.equal(0, result.code, result.err)
    assert.equal(fs.read(fs.join(served, "long.bin")), fs.read(fs.join(folder, "out/long.bin")))
    assert.is_truthy(fs.read(fs.join(served, "ranges")):find("bytes=" .. half .. "-", 1, true))
  end)

  it("takes a whole file that was not yet in its place", function()
    if not server then return pending "python3, curl or tar is not installed" end
    fs.mkdir(fs.join(folder, "late"))
    fs.write(fs.join(folder, "late/long.bin.part"), fs.read(fs.join(served, "long.bin")))
    assert.equal(0, run(get("long", "late")).code)
    assert.is_true(fs.is_file(fs.join(folder, "late/long.bin")))
  end)

  it("removes what has another checksum", function()
    if not server then return pending "python3, curl or tar is not installed" end
    refused(4, "wanted " .. ("0"):rep(64), get("wrong", "out"))
    assert.is_false(fs.exists(fs.join(folder, "out/wrong.bin")))
    assert.is_false(fs.exists(fs.join(folder, "out/wrong.bin.part")))
  end)

  it("says in a line what is wrong", function()
    refused(2, "no data set is called 'groove-mid'; did you mean groove-midi?", "get", "groove-mid")
    refused(2, "name one data set", "get")
    refused(5, "none.json", "get", "x", "--catalogue", "none.json")
    local bad = fs.join(folder, "bad.json")
    for text, problem in pairs {
      ["[]"] = "holds no list of data sets", ["[3]"] = "entry 1: is no object",
      ['[{"name":"a"}]'] = "entry 1: wants a text under title",
      ['[{"name":"a","title":"b","licence":"c","page":"d","files":[{"url":"u","name":"../x"}]}]'] =
        "a file wants a name",
    } do
      fs.write(bad, text)
      refused(4, problem, "get", "a", "--catalogue", bad)
    end
    if not server then return end
    refused(5, "404", get("gone", "out"))
    local without = program.run({ "data", get("packed", "fresh") },
      { directory = folder, env = { PATH = folder } })
    assert.is_truthy(program.last_line(without.err):find("curl is not installed", 1, true), without.err)
  end)
end)
