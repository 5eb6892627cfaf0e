local lt = require "luatrain"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local png = require "png"
local program = require "program"
local report = lt.report

-- Width and height of a PNG file.
local function png_size(path)
  local width, height = png.size(path)
  return width, height
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
    report.matrix(path, {{5, 1}, {0, 4}}, {labels = {"one", "t'wo 5 %d"}})
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

describe("panels", function()
  teardown(program.clean)
  local drawable = report.available() and it or pending
  local panel = report.panel

  drawable("of every kind stand in one picture", function()
    local path = fs.join(program.folder(), "all.png")
    local text = "a \"b\" `c` \\ 'd' @1 %d é"
    report.panels(path, {
      panel.bars({text, "two"}, {{name = text, values = {1, 0 / 0}}, {values = {2, 3}}},
        {title = text, x = text, y = text, format = "%.1f", above = {text, "n"}, rotate = true}),
      panel.histogram({{name = text, values = {1, 2, 3}}, {values = {}}}, {from = 1.5, to = 3, mark = 2}),
      panel.histogram({{values = {1, 1}}}, {counts = true}),
      panel.curves({{name = text, values = {3, 0 / 0, 1}}, {values = {}}}, {log = true, mark = 2}),
      panel.curves({{values = {1}, places = {10}}}, {from = 0, to = 2}),
      panel.matrix({{5, 0}, {1, 0 / 0}}, {labels = {text, "b"}, numbers = "%d", legend = text,
        downward = true}),
      panel.matrix({{5, 0}}, {log = true, numbers = {{text, ""}}}),
      panel.roll({{name = text, notes = {{start = 0, stop = 9, pitch = 60}}}, {notes = {}}},
        {from = 1, to = 5}),
    }, {title = text, width = 900, height = 700})
    assert.same({900, 700}, {png_size(path)})
    report.panels(path, {panel.roll({{notes = {}}}, {from = 0, to = 1})})
    assert.same({500, 350}, {png_size(path)})
    report.panels(path, {panel.bars({"a"}, {{values = {1}}}, {place = {0, 0, 0.5, 1}})}, {title = "x"})
    assert.same({500, 386}, {png_size(path)})
  end)

  it("refuse to draw nothing", function()
    assert.error_matches(function() panel.bars({}, {{values = {}}}) end, "nothing to draw")
    assert.error_matches(function() panel.curves({{values = {}}}) end, "nothing to draw")
    assert.error_matches(function() panel.matrix {} end, "nothing to draw")
    assert.error_matches(function() report.panels("x.png", {}) end, "nothing to draw")
  end)

  drawable("leave the picture that was there where they cannot be drawn", function()
    local path = fs.join(program.folder(), "kept.png")
    fs.write(path, "before")
    local broken = {lines = {"plot nonsense("}, data = {}}
    assert.error_matches(function() report.panels(path, {broken}) end, "gnuplot failed")
    assert.equal("before", fs.read(path))
  end)

  it("count what falls into which bin", function()
    local one = panel.histogram({{name = "x", values = {0, 0.5, 1, 1.5, 2, 3}}}, {from = 0, to = 2, bins = 2,
      counts = true})
    assert.equal("0 0\n0 2\n1 2\n1 3\n2 3\n2 0\n", one.data[1])   -- the last bin holds its end
    assert.is_truthy(table.concat(one.lines, "\n"):find("x (16.7 % beyond)", 1, true))
  end)
end)

describe("pages", function()
  local web = report.web

  it("hold pictures in base 64", function()
    for text, code in pairs {[""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
      ["\0\255\128>"] = "AP+APg=="} do
      assert.equal(code, web.base64(text))
    end
    local figure = web.picture("foo", "a \"dog\"", "<it>")
    assert.equal('<figure><img src="data:image/png;base64,Zm9v" alt="a &quot;dog&quot;">'
      .. "<figcaption>&lt;it&gt;</figcaption></figure>", figure)
  end)

  it("escape what they show", function()
    local page = web.page("<t>", {web.heading "a & b", web.paragraph "<p>", web.table({"<h>"}, {{"<c>", 3}}),
      web.definitions {{"<w>", "<d>"}}})
    for _, tag in ipairs {"<t>", "<h>", "<c>", "<w>", "<d>"} do
      assert.is_nil(page:find(tag, 1, true))
    end
    assert.is_truthy(page:find("<h2>a &amp; b</h2>", 1, true))
    assert.is_truthy(page:find("<td>&lt;c&gt;</td><td>3</td>", 1, true))
    assert.is_truthy(page:find("<title>&lt;t&gt;</title>", 1, true))
  end)
end)
