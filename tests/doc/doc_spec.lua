-- What help() says: read from the sources' comments, for every public name of the library.
local doc = require "luatrain.doc"
local fs = require "luatrain.fs"
local header = require "luatrain.doc.header"
local names = require "luatrain.doc.names"
local source = require "luatrain.doc.source"
local topics = require "luatrain.doc.topic"
local program = require "program"

local function says(x, ...)
  local text = doc.text(x)
  for _, part in ipairs {...} do
    assert.is_truthy(text:find(part, 1, true), ("'%s' is not in:\n%s"):format(part, text))
  end
  return text
end

local function refuses(x, ...)
  local ok, e = pcall(doc.text, x)
  assert.is_false(ok)
  for _, part in ipairs {...} do
    assert.is_truthy(tostring(e):find(part, 1, true), ("'%s' is not in: %s"):format(part, tostring(e)))
  end
  assert.is_nil(tostring(e):find "\n")
end

describe("every public name", function()
  it("of the library is documented", function()
    local missing, count = {}, 0
    for _, record in ipairs(names.all()) do
      count = count + 1
      local doc_of = record.kind == "module" and record.file and record.file.header
        or record.entry and record.entry.doc
      if not doc_of or #doc_of == 0 then missing[#missing + 1] = record.kind .. " " .. record.name end
    end
    assert.is_true(count > 800, "only " .. count .. " names were found")
    assert.are.same({}, missing)
  end)

  it("of the C interface stands below a comment", function()
    local missing, count, text = {}, 0, require("ffi").string(require("luatrain.core").C.lt_cdef())
    for _, one in ipairs(header.functions()) do
      count = count + 1
      if #one.doc == 0 and #one.opening == 0 then missing[#missing + 1] = one.name end
    end
    for name in text:gsub("//[^\n]*", ""):gmatch "([%w_]+)%s*%(" do
      if name:find "^lt_" then assert.is_truthy(header.functions()[name], name .. " was not read") end
    end
    assert.is_true(count > 200)
    assert.are.same({}, missing)
  end)

  it("is found by that name", function()
    for _, record in ipairs(names.all()) do
      local ok, topic = pcall(doc.topic, record.name)
      assert.is_true(ok, record.name .. ": " .. tostring(topic))
      assert.is_true(topic.documented, record.name)
    end
  end)

  it("has text that fits the terminal, but for code", function()
    for _, record in ipairs(names.all()) do
      local topic = topics.of(record)
      local code = {}
      for _, block in ipairs(topic.blocks) do
        for _, line in ipairs(block.code or {}) do code["  " .. line] = true end
      end
      for _, line in ipairs(topic.examples) do code["  " .. line] = true end
      for line in (require("luatrain.doc.page").text(topic, { width = 40 }) .. "\n"):gmatch "(.-)\n" do
        local long = #line:gsub("[\128-\191]", "") > 40
        assert.is_false(long and line:find "%S%s+%S" ~= nil and not code[line]
          and not line:find "^%s*%S+$" and not line:find "^%w+ in ", record.name .. ": " .. line)
      end
    end
  end)
end)

describe("help", function()
  it("takes names", function()
    says("lt.audio.mel", "lt.audio.mel(x, o)", "luatrain/audio/spectra.lua", "Mel energies")
    says("audio.mel", "lt.audio.mel(x, o)")
    says("luatrain.audio", "sound files", "log_mel", "example" and "lt.audio.load")
    says("Linear", "lt.nn.Linear(in_features, out_features, given)", "bias = true", "nn.Linear(128, 10)")
    says("nn.Conv2d", "lt.nn.Conv2d(", "padding")
    says("x:relu", "x:relu()", "lt.relu(x)", "max(x, 0)")
    says("Tensor:narrow", "x:narrow(d, start, length)", "lt.narrow(x, d, start, length)")
    says("Loader:epoch", "Loader:epoch(", "batches of an epoch")
    says("lt.data.hdf5.table", "lt.data.hdf5.table(")
    says("  lt.conv2d(x)  ", "lt.conv2d(x, weight, bias")
    says("lt", "rooms of the library")
  end)

  it("takes values", function()
    says(lt.conv2d, "lt.conv2d(x, weight, bias, stride, padding, dilation, groups)", "(N, C, H, W)")
    says(lt.relu, "max(x, 0)")
    says(lt.exp, "e^x")
    says(lt.lerp, "lerp(a, b, weight)")
    says(lt.randn(2).sum, "sum")
    says(lt.nn.Linear, "nn.Linear(128, 10)")
    says(lt.nn.ReLU, "max(x, 0)")
    says(lt.nn.Linear(2, 2), "lt.nn.Linear(in_features")
    says(lt.randn(2), "lt.Tensor", "relu", "up to 8 dimensions")
    says(lt.audio, "lt.audio", "log_mel")
    says(lt.optim.AdamW, "lt.optim.AdamW(params, given)", "lr = 1e-3")
    says(lt.data.from(1, function() end), "Dataset", "collate")
    says(lt.data.from(1, function() end):batch(1), "Loader")
    says(lt.log, "lt.log")
  end)

  it("takes C functions, by name and by value", function()
    says("lt_conv", "lt_status lt_conv(lt_tensor *y", "convolved with weight")
    says("lt_relu", "y <- f(x), element by element")
    says("lt_terminal_columns", "width of the terminal, 0 where fd is none")
    says(require("luatrain.core").C.lt_conv, "lt_status lt_conv(")
  end)

  it("takes recipes", function()
    local text = says("chord", "Names the chords", "--learning-rate X", "transcribe",
      "luatrain run chord train")
    assert.equal(text, doc.text(lt.recipe "chord"))
  end)

  it("takes functions of one's own", function()
    local path = os.tmpname()
    fs.write(path, "local m = {}\n-- Twice x (N), as a number.\nfunction m.twice(x, y)\n"
      .. "  return 2 * x + y\nend\nreturn m\n")
    local m = dofile(path)
    says(m.twice, "twice(x, y)", "Twice x (N), as a number.")
    os.remove(path)
    says(function(a, b, ...) return a, b, ... end, "(a, b, ...)", "No comment")
    says(loadstring "return ...", "function(...)")
  end)

  it("says where Lua's own names are described", function()
    says("print", "function of Lua", "www.lua.org/manual/5.1/manual.html#pdf-print")
    says("string.format", "manual.html#pdf-string.format")
    says(math.floor, "math.floor", "manual.html#pdf-math.floor")
    says("bit.band", "bitop.luajit.org")
    says(string, "string", "library of Lua", "manual.html#5.4", "gmatch")
    says("table", "library of Lua")
    says("select", "lt.select(")
    refuses("string.frmat", "nothing is called")
  end)

  it("names only, where there are many", function()
    local text = says("Tensor", "methods:", "abs", "zeros_like", 'help "lt.Tensor:NAME" explains one')
    assert.is_true(select(2, text:gsub("\n", "")) < 100)
    says("lt.nn", "Linear  ", "y = x W^T + b")
  end)

  it("names the nearest of what it does not know", function()
    refuses("lt.conv2", "nothing is called 'lt.conv2'", "did you mean lt.conv2d?")
    refuses("lt.stft", "did you mean lt.audio.stft?")
    refuses("Linaer", "did you mean lt.nn.Linear?")
    refuses("lt.audio.log_mell", "did you mean lt.audio.log_mel?")
    refuses("lt_cnv", "did you mean lt_conv?")
    refuses("chrod", "did you mean chord?")
    refuses("qqqqqqqqqq", "nothing is called")
    refuses("", "the name is empty")
    refuses(5, "a number")
    refuses(nil, "got nil")
    refuses({}, "none of luatrain's")
    refuses(setmetatable({}, { __index = function() error "no" end }), "none of luatrain's")
  end)
end)

describe("comments", function()
  it("are sorted into text, parameters, results and examples", function()
    local parts = topics.read { "First line", "and second.", "", "  code(1)", "", "More. Example: f(2)",
      "@param x what x is,", "  on two lines", "@return a number", "@usage g(3)", "  g(4)" }
    assert.are.same({ { prose = "First line and second." }, { code = { "  code(1)" } }, { prose = "More." } },
      parts.blocks)
    assert.are.same({ { "x", "what x is, on two lines" } }, parts.parameters)
    assert.are.same({ "a number" }, parts.returns)
    assert.are.same({ "f(2)", "g(3)", "g(4)" }, parts.examples)
  end)

  it("belong to the declaration below them", function()
    local file = source.parse [[
--- The file.
local a = 1

-- hidden
local function one(x) end

--- Two things.
function m.two(x,
    y) end
function m.three(z) end

function m.four() end
--- A class.
local Five = Module.class "Five"
--- An op.
m.six = op.define {
  name = "six",
  forward = function(saved, a, b)
  end,
}
]]
    assert.are.same({ "The file." }, file.header)
    local by_name = {}
    for _, entry in ipairs(file.entries) do by_name[entry.name] = entry end
    assert.is_nil(by_name.one.doc)
    assert.are.same({ "Two things." }, by_name.two.doc)
    assert.equal("x, y", by_name.two.params)
    assert.are.same({ "Two things." }, by_name.three.doc)
    assert.is_true(by_name.three.shares)
    assert.is_nil(by_name.four.doc)
    assert.equal("class", by_name.Five.kind)
    assert.equal("a, b", by_name.six.params)
  end)
end)

describe("who", function()
  local who, texts = require "luatrain.doc.who", require "luatrain.text"

  it("lists names, types, shapes and bytes, each storage once", function()
    local x = lt.zeros(10, 100)
    local scope = { x = x, view = x:narrow(1, 1, 2), model = lt.nn.Linear(3, 4), name = "a song", n = 5,
      both = { x, x }, f = print, released = lt.ones(2), _ = 1, _3 = 2, nn = lt.nn,
      strict = setmetatable({}, { __index = function() error "no" end }), wide = "日本" }
    scope.released:release()
    local by_name = {}
    for _, one in ipairs(who.list { scope = scope }) do by_name[one.name] = one end
    assert.are.same({ name = "x", kind = "tensor", about = "(10, 100) f32", bytes = 4000 }, by_name.x)
    assert.equal(4000, by_name.view.bytes)
    assert.equal(4000, by_name.both.bytes)
    assert.equal("Linear", by_name.model.kind)
    assert.equal(64, by_name.model.bytes)
    assert.is_truthy(by_name.model.about:find "16 parameters")
    assert.equal('"a song"', by_name.name.about)
    assert.equal("5", by_name.n.about)
    assert.equal("released", by_name.released.about)
    assert.same({ "module", "luatrain.nn" }, { by_name.nn.kind, by_name.nn.about })
    assert.equal("0 entries", by_name.strict.about)
    assert.is_truthy(who.text({ scope = scope }):find '"日本"  +6 B')
    assert.is_nil(by_name._)
    assert.is_nil(by_name._3)
  end)

  it("counts cycles once and knows sizes", function()
    local t = { lt.zeros(5) }
    t.self = t
    assert.equal(20, who.bytes(t))
    assert.equal("512 B", texts.bytes(512))
    assert.equal("1.5 kB", texts.bytes(1500))
    assert.equal("3.2 MB", texts.bytes(3.2e6))
    assert.equal("1 GB", texts.bytes(999.7e6))
  end)

  it("fits narrow terminals", function()
    local scope = { a_very_long_name_of_a_variable_indeed = lt.zeros(2), s = ("x"):rep(200) }
    for line in who.text({ scope = scope, width = 40 }):gmatch "[^\n]+" do
      assert.is_true(#line <= 44, line)
    end
  end)

  it("leaves out what the program brings", function()
    local result = program.run { "-e", "lt.relu, who()" }
    assert.is_truthy(result.out:find "no variables", result.out .. result.err)
    result = program.run { "-e", "(function() rawset(_G, 'mine', lt.zeros(3)) who() end)()" }
    assert.is_truthy(result.out:find "mine +tensor +%(3%) f32 +12 B", result.out .. result.err)
  end)
end)

describe("luatrain help", function()
  teardown(program.clean)

  it("prints what help() prints", function()
    local result = program.run { "help", "lt.conv2d" }
    assert.equal(doc.text "lt.conv2d" .. "\n", result.out)
    assert.equal("", result.err)
    assert.is_truthy(program.run({ "-e", "help(lt.conv2d)" }).out:find("(N, C, H, W)", 1, true))
    assert.is_truthy(program.run({ "help", "run" }).out:find("usage: luatrain run", 1, true))
    assert.is_truthy(program.run({ "-e", "help()" }).out:find("lt.audio", 1, true))
  end)

  it("refuses unknown names in one line", function()
    for _, case in ipairs { { { "help", "lt.conv2" }, "did you mean lt.conv2d?" },
      { { "help", "runs" }, "run?" },
      { { "help", "a", "b" }, "unexpected argument 'b'" }, { { "help", "--html" }, "name the folder" },
      { { "help", "--html", "a", "b" }, "unexpected argument 'b'" } } do
      local result = program.run(case[1])
      assert.equal(2, result.code)
      assert.is_truthy(result.err:find(case[2], 1, true), result.err)
      assert.equal(1, select(2, result.err:gsub("\n", "")))
    end
  end)

  it("writes the reference as pages that lead to each other", function()
    local folder = fs.join(program.folder(), "reference")
    local result = program.run { "help", "--html", folder }
    assert.equal(0, result.code, result.err)
    local ids, links = {}, {}
    for _, name in ipairs(fs.list(folder)) do
      local text = fs.read(fs.join(folder, name))
      assert.is_nil(text:find "src=\"", name)
      for id in text:gmatch 'id="([^"]*)"' do
        assert.is_nil(ids[name .. "#" .. id], name .. "#" .. id .. " twice")
        ids[name .. "#" .. id] = true
      end
      for href in text:gmatch 'href="([^"]*)"' do
        links[#links + 1] = href:sub(1, 1) == "#" and name .. href or href
      end
    end
    assert.is_true(#links > 1000)
    for _, href in ipairs(links) do
      assert.is_true(ids[href] or fs.is_file(fs.join(folder, href)), href)
    end
    local text = fs.read(fs.join(folder, "nn.html"))
    assert.is_truthy(text:find('<section id="lt-nn-Linear">', 1, true))
    assert.is_truthy(fs.read(fs.join(folder, "c.html")):find('id="lt_conv"', 1, true))
    local index = fs.read(fs.join(folder, "index.html"))
    assert.is_nil(index:find("<dd></dd>", 1, true))
    assert.is_truthy(index:find("Keeps small gradients from vanishing", 1, true))
    assert.is_truthy(fs.read(fs.join(folder, "recipes.html")):find("chord", 1, true))
  end)

  it("says so where the pages cannot be written", function()
    local result = program.run { "help", "--html", "/proc/none/x" }
    assert.equal(5, result.code)
    assert.is_truthy(result.err:find("/proc/none", 1, true))
  end)
end)
