local lt = require "luatrain"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local program = require "program"
local report = lt.report

-- Width and height of a PNG file, from its header.
local function png_size(path)
  local bytes = fs.read(path)
  assert.equal("\137PNG\r\n\26\n", bytes:sub(1, 8))
  local function big(at)
    local a, b, c, d = bytes:byte(at, at + 3)
    return ((a * 256 + b) * 256 + c) * 256 + d
  end
  return big(17), big(21)
end

describe("plots", function()
  teardown(program.clean)
  local drawable = report.available() and it or pending

  drawable("are PNG files of the size asked for", function()
    local folder = program.folder()
    local path = fs.join(folder, "a.png")
    report.curves(path, {train = {3, 2, 1}, ["va'l\"\\"] = {3, 0 / 0, 2}},
      {title = "a \"b\" `c`", width = 640, height = 480})
    assert.same({640, 480}, {png_size(path)})
    report.matrix(path, {{5, 1}, {0, 4}}, {labels = {"one", "t'wo"}})
    assert.is_true(png_size(path) > 300)
    report.image(path, lt.tensor({{1, 2, 3}, {4, 5, 6}}), {width = 300, height = 200})
    assert.same({300, 200}, {png_size(path)})
    report.curves(path, {one = {1}})
    assert.same({"a.png"}, fs.list(folder))
  end)

  drawable("refuse to draw nothing", function()
    assert.error_matches(function() report.curves("x.png", {}) end, "nothing to draw")
    assert.error_matches(function() report.matrix("x.png", {}) end, "nothing to draw")
    assert.is_false(fs.exists "x.png")
  end)

  it("are left out, with a word, where gnuplot is missing", function()
    local run = fs.join(program.folder(), "r")
    local toy = program.here "tests/train/toy.lua"
    local result = program.run({"run", toy, "train", "--run", run, "--epochs", "1"},
      {env = {PATH = "/nowhere"}})
    assert.equal(0, result.code, result.err)
    assert.is_truthy(result.err:find("no plots: the program gnuplot is not installed", 1, true))
    assert.is_true(fs.is_file(fs.join(run, "report/index.html")))
  end)

  it("come with a page that escapes what it shows", function()
    local folder = program.folder()
    fs.mkdir(fs.join(folder, "report"))
    local run = {path = folder, file = function(_, ...) return fs.join(folder, ...) end}
    report.page(run, {["<b>"] = {1, json.null}, loss = {2, 1.5}})
    local page = fs.read(fs.join(folder, "report/index.html"))
    assert.is_truthy(page:find("&lt;b&gt;</td><td>-", 1, true))
    assert.is_truthy(page:find("loss</td><td>1.5", 1, true))
  end)
end)
