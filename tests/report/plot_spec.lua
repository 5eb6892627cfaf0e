-- lt.plot: what it draws in each kind of terminal, decoded again, and the PNG files it writes.
local bit = require "bit"
local encode = require "luatrain.plot.encode"
local figure = require "luatrain.plot.figure"
local frame = require "luatrain.plot.frame"
local fs = require "luatrain.fs"
local process = require "luatrain.process"
local program = require "program"
local raster = require "luatrain.plot.raster"
local screen = require "screen"
local plot = lt.plot

local function lines_of(text)
  local list = {}
  for line in text:gmatch "([^\n]*)\n" do list[#list + 1] = line end
  return list
end

local function columns(line) return #line:gsub("\27%[[%d;]*m", ""):gsub("[\128-\191]", "") end

local function sine(n)
  local list = {}
  for i = 1, n do list[i] = math.sin(i / n * 2 * math.pi) end
  return list
end

-- What can be drawn: {x, options}.
local function examples()
  local picture = lt.arange(600):reshape(20, 30)
  local notes = { { start = 0, stop = 1, pitch = 60 }, { start = 1, stop = 2.5, pitch = 67 } }
  return {
    { sine(100), {} }, { lt.tensor(sine(50)), { title = "a", x = "b", y = "c" } },
    { { train = { 3, 2, 1 }, valid = { 3, 2.5, 2 } }, { log = true } },
    { lt.rand(3, 50), { names = { "one", "two", "three" } } },
    { { lt.rand(5), { 1, 2 } }, {} }, { { 1 }, {} }, { { 5, 5, 5 }, {} }, { { 0 / 0, 1, math.huge, 2 }, {} },
    { { 1, 4, 9 }, { at = { 1, 2, 30 } } }, { lt.rand(1000), { sample_rate = 100 } },
    { picture, {} }, { picture, { range = { 0, 100 } } }, { { { 1, 2 }, { 3, 0 / 0 } }, { kind = "image" } },
    { lt.rand(1, 20, 20), {} }, { lt.rand(40, 60), { kind = "spectrogram", sample_rate = 8000, hop = 80 } },
    { lt.rand(4000), { kind = "spectrogram", sample_rate = 8000 } },
    { lt.randn(500), { kind = "histogram" } },
    { { a = lt.randn(50), b = lt.randn(50) }, { kind = "histogram", bins = 7 } },
    { notes, {} }, { { notes = notes }, { title = "song" } }, { { { name = "left", notes = notes },
      { name = "right", notes = { { start = 0.5, stop = 0.6, pitch = 72 } } } }, {} },
    { lt.rand(2 ^ 18 + 5), {} },
  }
end

local function with(options, more)
  local all = {}
  for key, value in pairs(options) do all[key] = value end
  for key, value in pairs(more) do all[key] = value end
  return all
end

describe("a plot in characters", function()
  it("fits its width, whatever is drawn, down to 40 columns", function()
    for _, how in ipairs { "blocks", "ascii" } do
      for _, width in ipairs { 40, 80, 133 } do
        for i, one in ipairs(examples()) do
          local text = plot.text(one[1], with(one[2], { graphics = how, width = width }))
          for _, line in ipairs(lines_of(text)) do
            assert.is_true(columns(line) <= width, ("%d, %s, %d: %s"):format(i, how, width, line))
          end
        end
      end
    end
  end)

  it("is plain ASCII where asked for", function()
    for i, one in ipairs(examples()) do
      local text = plot.text(one[1], with(one[2], { graphics = "ascii" }))
      assert.is_nil(text:find "[^\n\32-\126]", i)
    end
  end)

  it("stands where the numbers are", function()
    local lines = lines_of(plot.text({ 0, 1, 2, 3 }, { graphics = "ascii", width = 24, height = 7 }))
    local last = math.huge
    for i = 1, 7 do
      local from, to = lines[i]:find "%*+"
      assert.is_true(from < last and to - from < 6, lines[i])
      last = from
    end
    assert.is_truthy(lines[1]:find "^3 %+ +%*+$")
    assert.is_truthy(lines[7]:find "^0 %+%*+ *$")
  end)

  it("has small numbers at its axes", function()
    local text = plot.text({ 1e-20, 1 }, { graphics = "ascii", log = true, height = 9 })
    assert.matches("1e%-20 %+", text)
    assert.is_nil(text:find "\n +0 %+")
    assert.matches("2e%-15 %+", plot.text({ 1e-15, 2e-15 }, { graphics = "ascii" }))
  end)

  it("has the names of series and axes", function()
    local text = plot.text({ train = { 3, 2 }, valid = { 2, 3 } },
      { graphics = "ascii", title = "T", x = "epoch", y = "nats" })
    for _, part in ipairs { "train", "valid", "T", "epoch", "nats" } do
      assert.is_truthy(text:find(part, 1, true), text)
    end
  end)

  it("draws Braille dots, half blocks and eighths", function()
    local r = raster.new(4, 8)
    for y = 0, 7 do r.data[y * 4] = 2 end
    for x = 0, 3 do r.data[x] = 2 end
    assert.are.same({ "⡏⠉", "⡇ " }, encode.dots(r, 0))
    r = raster.new(2, 4)
    r.data[0], r.data[2], r.data[3], r.data[4], r.data[7] = 2, 2, 3, 2, 3
    assert.are.same({ "█▄", "▀▄" }, encode.halves(r, 0))
    r = raster.new(3, 8)
    for y = 0, 7 do r.data[y * 3 + 2] = 2 end
    r.data[7 * 3] = 2
    assert.are.same({ "▁ █" }, encode.eighths(r, 0))
  end)

  it("colours only where the terminal has colours", function()
    assert.is_nil(encode.coloured("x", 2, 0):find "\27")
    assert.equal("\27[38;2;78;165;217mx\27[0m", encode.coloured("x", 2, 2 ^ 24))
    assert.equal("\27[38;5;74mx\27[0m", encode.coloured("x", 2, 256))
    assert.equal("\27[94mx\27[0m", encode.coloured("x", 2, 16))
  end)

  it("keeps spikes of long sounds", function()
    local x = lt.zeros(2 ^ 19)
    x:set(5, 300001)
    local fig = figure.of(x, {})
    assert.are.same({ 0, 5 }, fig.y_range)
    local r = raster.draw(fig, 100, 20, 1)
    local found = false
    for column = 55, 59 do found = found or r:at(column, 0) ~= 0 end
    assert.is_true(found)
  end)

  it("counts what a histogram shows", function()
    local x = lt.tensor { 0, 0.1, 0.5, 0.9, 1, 0 / 0, math.huge }
    local fig = figure.of(x, { kind = "histogram", bins = 2 })
    assert.are.same({ { 2, 3 } }, fig.counts)
  end)
end)

describe("ticks", function()
  it("are round and lie inside", function()
    assert.are.same({ 0, 20, 40, 60, 80, 100 }, frame.ticks(0, 100, 5))
    assert.are.same({ -1, 0, 1 }, frame.ticks(-1.4, 1.2, 3))
    for _, case in ipairs { { 1e-9, 2e-9 }, { -5e8, 3 }, { 99.99, 100.01 } } do
      local list = frame.ticks(case[1], case[2], 4)
      assert.is_true(#list >= 2 and list[1] >= case[1] - 1e-12 and list[#list] <= case[2] * (1 + 1e-9))
    end
  end)
end)

-- ---- pictures -------------------------------------------------------------------------------------

-- Sixels as rows of "r,g,b" (percent) or "": read by the rules of the VT340, nothing shared with the encoder.
local function decode_sixel(text)
  local body = assert(text:match "^\27P[%d;]*q(.*)\27\\$", "no sixel sequence")
  local width, height = body:match '^"1;1;(%d+);(%d+)'
  width, height = tonumber(width), tonumber(height)
  local pixels, colours, colour, x, y = {}, {}, nil, 0, 0
  local at = body:find("#", 1, true) or #body + 1
  while at <= #body do
    local char = body:sub(at, at)
    local index, r, g, b = body:match("^#(%d+);2;(%d+);(%d+);(%d+)", at)
    if index then
      colours[index] = ("%d,%d,%d"):format(r, g, b)
      at = at + #body:match("^#[%d;]+", at)
    elseif char == "#" then
      colour = body:match("^#(%d+)", at)
      at = at + 1 + #colour
    elseif char == "$" then
      x, at = 0, at + 1
    elseif char == "-" then
      x, y, at = 0, y + 6, at + 1
    else
      local count, data = body:match("^!(%d+)(.)", at)
      at = at + (count and #count + 2 or 1)
      local bits = (data or char):byte() - 63
      assert(bits >= 0 and bits < 64, "a byte that is no sixel")
      for _ = 1, tonumber(count) or 1 do
        for dy = 0, 5 do
          if bit.band(bits, 2 ^ dy) ~= 0 then pixels[(y + dy) * width + x] = assert(colours[colour]) end
        end
        x = x + 1
      end
      assert(x <= width, "a row that is too long")
    end
  end
  return pixels, width, height
end

local function percent(index)
  local colour = raster.palette[index]
  return ("%.0f,%.0f,%.0f"):format(bit.rshift(colour, 16) / 2.55, bit.band(bit.rshift(colour, 8), 255) / 2.55,
    bit.band(colour, 255) / 2.55)
end

local function from_base64(text)
  local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local value, out = {}, {}
  for i = 1, 64 do value[alphabet:byte(i)] = i - 1 end
  for a, b, c, d in text:gmatch "(.)(.)(.)(.)" do
    local word = (value[a:byte()] * 64 + value[b:byte()]) * 4096 + (value[c:byte()] or 0) * 64
      + (value[d:byte()] or 0)
    local three = string.char(math.floor(word / 65536), math.floor(word / 256) % 256, word % 256)
    out[#out + 1] = c == "=" and three:sub(1, 1) or d == "=" and three:sub(1, 2) or three
  end
  return table.concat(out)
end

-- What zlib itself makes of compressed bytes; nil where there is no program to ask.
local function inflated(bytes)
  local folder = program.folder()
  fs.write(fs.join(folder, "in"), bytes)
  local script
  if process.which "python3" then
    script = { "python3", "-c",
      "import zlib; open('out','wb').write(zlib.decompress(open('in','rb').read()))" }
  elseif process.which "perl" then
    script = { "perl", "-MCompress::Zlib", "-e",
      "undef $/; open F,'<in'; open O,'>out'; print O uncompress(<F>)" }
  end
  if not script or not process.run(script, { directory = folder }).ok then return nil end
  return fs.read(fs.join(folder, "out"))
end

describe("a plot as a picture", function()
  teardown(program.clean)

  local function drawn(i)
    local one = examples()[i]
    return raster.draw(figure.of(one[1], one[2]), 71, 33, 2)
  end

  it("holds, as sixels, the pixels that were drawn", function()
    for i in ipairs(examples()) do
      local r = drawn(i)
      local pixels, width, height = decode_sixel(encode.sixel(r))
      assert.are.same({ 71, 33 }, { width, height })
      for k = 0, 71 * 33 - 1 do
        local wanted = r.data[k] ~= 0 and percent(r.data[k]) or nil
        if pixels[k] ~= wanted then
          error(("example %d, pixel %d: %s, wanted %s"):format(i, k, tostring(pixels[k]), tostring(wanted)))
        end
      end
    end
  end)

  it("is read by libsixel", function()
    if not process.which "sixel2png" then return pending "sixel2png is not installed" end
    local folder = program.folder()
    fs.write(fs.join(folder, "a.six"), encode.sixel(drawn(11)))
    local result = process.run({ "sixel2png", "-i", "a.six", "-o", "a.png" }, { directory = folder })
    assert.is_true(result.ok, result.output)
    local a, b, c, d = fs.read(fs.join(folder, "a.png")):byte(19, 24)
    assert.equal(71, a * 256 + b)
    assert.is_truthy(c and d)
  end)

  it("holds, in Kitty's form, the pixels that were drawn", function()
    for _, i in ipairs { 1, 11, 17 } do
      local r = drawn(i)
      local text, data, count = encode.kitty(r, 20, 7), {}, 0
      for control, chunk in text:gmatch "\27_G([^;]*);([^\27]*)\27\\" do
        count = count + 1
        assert.is_true(#chunk <= 4096)
        if count == 1 then
          assert.is_truthy(control:find("a=T,f=32,s=71,v=33,c=20,r=7,C=1,q=2,o=z", 1, true), control)
        end
        data[#data + 1] = chunk
      end
      assert.equal("m=0", text:match "^.*\27_G[^;]-(m=%d);")
      local bytes = inflated(from_base64(table.concat(data)))
      if not bytes then return pending "neither python3 nor perl is installed" end
      assert.equal(71 * 33 * 4, #bytes)
      for k = 0, 71 * 33 - 1 do
        local red, green, blue, alpha = bytes:byte(4 * k + 1, 4 * k + 4)
        local index = r.data[k]
        assert(alpha == (index == 0 and 0 or 255))
        if index ~= 0 then assert(red * 65536 + green * 256 + blue == raster.palette[index], k) end
      end
    end
  end)

  it("lies over the empty area of its frame", function()
    local text = plot.text({ 1, 2 }, { graphics = "sixel", width = 60, height = 5, x = "epoch" })
    local up, column = text:match "\0277\27%[(%d+)A\27%[(%d+)G\27P"
    local before = lines_of(text)
    assert.equal(#before, tonumber(up))
    assert.equal("\0278", text:sub(-2))
    assert.is_truthy(before[1]:find "┤" or before[1]:find "│")
    assert.is_true(tonumber(column) >= 4)
  end)
end)

-- ---- files ------------------------------------------------------------------------------------------

describe("a plot as a file", function()
  teardown(program.clean)
  local drawable = lt.report.available() and it or pending

  drawable("is a PNG of the size asked for", function()
    local folder = program.folder()
    for i, one in ipairs(examples()) do
      if i % 3 == 1 or i > 15 then
        local path = fs.join(folder, i .. ".png")
        plot(one[1], with(one[2], { path = path, quiet = true, path_width = 400, path_height = 300 }))
        local width, height = require("png").size(path)
        assert.are.same({ 400, 300 }, { width, height }, "example " .. i)
      end
    end
  end)

  it("is refused in one line where it cannot be written", function()
    local _, e = pcall(plot, { 1, 2 }, { path = "/nowhere/x.png", quiet = true })
    assert.is_truthy(tostring(e):find "/nowhere/x.png")
    assert.is_nil(tostring(e):find "\n")
    assert.has_error(function() plot.save { 1 } end)
  end)
end)

describe("bad input", function()
  it("is one clear line", function()
    for _, case in ipairs {
      { {}, nil, "nothing to draw" }, { 5, nil, "x is a number" }, { "a", nil, "x is a string" },
      { { 1, "b" }, nil, "entry 2 is a string" }, { { 0 / 0 }, nil, "no finite" },
      { { 1 }, { kind = "lines" }, "did you mean 'line'?" },
      { { 1 }, { titel = "a" }, "did you mean 'title'?" },
      { { 1 }, { title = 5 }, "title is a number" }, { { 1 }, { range = { 2, 1 } }, "upside down" },
      { { -1, -2 }, { log = true }, "no finite positive" }, { { 1, 2 }, { at = { 1 } }, "at has 1 numbers" },
      { lt.rand(2, 2, 2), nil, "image has rows and columns" }, { lt.rand(9, 0), nil, "empty" },
      { lt.rand(9, 5), { kind = "line" }, "9 series" }, { { 1 }, { kind = "roll" }, "note" },
      { lt.rand(9), { kind = "roll" }, "notes" }, { {}, { kind = "roll" }, "no notes" },
      { { { start = 1, pitch = 3 } }, nil, "no stop" },
      { { 1 }, { bins = 0, kind = "histogram" }, "bins is 0" },
      { lt.rand(100), { kind = "spectrogram" }, "needs 1024 samples" },
      { { 1 }, { graphics = "gif" }, "graphics" }, { { 1 }, { path = "a.gif" }, "end it with .png" },
      { { 1 }, { width = 0 }, "width is 0" }, { lt.rand(3, 3), { range = { 1, 0 } }, "upside down" },
    } do
      local ok, e = pcall(plot.text, case[1], case[2])
      assert.is_false(ok, case[3])
      local text = tostring(e)
      assert.is_truthy(text:find(case[3], 1, true), ("'%s' is not in: %s"):format(case[3], text))
      assert.is_nil(text:find "\n")
    end
    local t = lt.rand(3)
    t:release()
    assert.is_falsy((pcall(plot.text, t)))
  end)
end)

-- ---- terminals --------------------------------------------------------------------------------------

describe("in a terminal", function()
  teardown(program.clean)
  after_each(screen.close_all)

  local CODE = "lt.plot({ 1, 4, 2, 8, 5 }, { title = 'five' }) lt.plot(lt.arange(300):reshape(15, 20)) "
    .. "io.write('end\\n')"

  local function shown(env, options, code)
    if not screen.available() then return pending "tmux is not installed" end
    options = options or {}
    env.LC_ALL = env.LC_ALL or "C.UTF-8"
    env.LUATRAIN_PATH = program.library()
    local s = screen.open({ "sh", "-c", ("%s -e \"%s\"; sleep 20"):format(program.path, code or CODE) },
      { env = env, columns = options.columns, rows = 60, without = { "LUATRAIN_GRAPHICS" } })
    s:wait "end"
    return s:read(), s:read(true)
  end

  it("draws Braille and coloured half blocks", function()
    local text, styled = shown({ TERM = "screen-256color" })
    if not text then return end
    assert.is_truthy(text:find "five")
    assert.is_truthy(text:find "[⠁-⣿]")
    assert.is_truthy(text:find "▀")
    assert.is_truthy(styled:find "\27%[38;5;")
  end)

  it("draws without colours under NO_COLOR and ASCII under TERM=dumb and in other locales", function()
    local text, styled = shown({ TERM = "screen-256color", NO_COLOR = "1" })
    if not text then return end
    assert.is_nil(styled:find "\27%[3")
    assert.is_truthy(text:find "▒")
    for _, env in ipairs { { TERM = "dumb" }, { TERM = "screen-256color", LC_ALL = "C" } } do
      text = shown(env)
      assert.is_nil(text:find "[\128-\255]")
      assert.is_truthy(text:find "%*")
    end
  end)

  it("is as wide as the terminal, also 40 columns", function()
    local text = shown({ TERM = "screen-256color" }, { columns = 40 })
    if not text then return end
    local most = 0
    for line in text:gmatch "[^\n]+" do most = math.max(most, columns(line)) end
    assert.is_true(most > 30 and most <= 40, tostring(most))
  end)

  it("asks the terminal only once and leaves nothing of it behind", function()
    local text = shown({ TERM = "screen-256color" }, nil, CODE .. " lt.plot({1, 2})")
    if not text then return end
    assert.is_nil(text:find "%[%?")
  end)
end)

describe("a terminal that answers", function()
  teardown(program.clean)

  -- What luatrain writes to a terminal that replies so.
  local function written(reply, env)
    local folder = program.folder()
    local words = { "env", "-u", "TMUX", "-u", "STY", "-u", "NO_COLOR", "-u", "KITTY_WINDOW_ID", "-u",
      "LUATRAIN_GRAPHICS", "TERM=xterm-256color", "LC_ALL=C.UTF-8" }
    local lua = program.library()
    if lua then words[#words + 1] = "LUATRAIN_PATH=" .. lua end
    for _, word in ipairs(env or {}) do words[#words + 1] = word end
    for _, word in ipairs { "python3", program.here "tests/answering_terminal.py", fs.join(folder, "out"),
      reply, program.path, "-e",
      "lt.plot({ 1, 4, 2, 8 }) print(lt.terminal.graphics(), lt.terminal.cell())" } do
      words[#words + 1] = word
    end
    local result = process.run(words, { timeout = 30 })
    assert.is_true(result.ok, result.output)
    return fs.read(fs.join(folder, "out"))
  end

  it("gets the pictures it knows, else characters", function()
    if not process.which "python3" then return pending "python3 is not installed" end
    local text = written "\\e_Gi=31;OK\\e\\\\e[6;22;11t\\e[?62;22c"
    assert.is_truthy(text:find "\27_Ga=T,f=32,s=%d+,v=308,c=%d+,r=14,")
    assert.is_truthy(text:find("kitty\t11\t22", 1, true), text:sub(-40))
    text = written "\\e[6;20;10t\\e[?62;4;22c"
    assert.is_truthy(text:find("\27P0;1;0q\"1;1;", 1, true))
    assert.is_truthy(text:find("sixel\t10\t20", 1, true), text:sub(-40))
    text = written "\\e[?62;22c"
    assert.is_truthy(text:find("blocks\t10\t20", 1, true), text:sub(-40))
    assert.is_truthy(text:find "[⠁-⣿]")
  end)

  it("is waited for a moment only, and never asked where it is dumb", function()
    if not process.which "python3" then return pending "python3 is not installed" end
    assert.is_truthy(written "":find("blocks\t10\t20", 1, true))
    local text = written("", { "TERM=dumb" })
    assert.is_nil(text:find "\27")
    assert.is_truthy(text:find "ascii")
  end)
end)

describe("without a terminal", function()
  it("draws plain characters 80 columns wide", function()
    local env = { TERM = "xterm", LC_ALL = "C.UTF-8" }
    local result = program.run({ "-e", "lt.plot({ 1, 2, 3 })" }, { env = env })
    assert.equal(0, result.code, result.err)
    assert.is_nil(result.out:find "\27")
    assert.is_truthy(result.out:find "┤")
  end)
end)
