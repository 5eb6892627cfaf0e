-- What is believed of a terminal: from its environment, and from its own words.
local program = require "program"
local screen = require "screen"
local terminal = require "luatrain.terminal"

describe("a terminal's answer", function()
  it("tells of Kitty's graphics, sixels and the size of a cell", function()
    assert.are.same({ kitty = true, sixel = false, cell_width = 9, cell_height = 18 },
      terminal.features "\27_Gi=31;OK\27\\\27[6;18;9t\27[?62;22c")
    assert.are.same({ kitty = false, sixel = true }, terminal.features "\27[?62;4;22c")
    assert.are.same({ kitty = false, sixel = true }, terminal.features "\27[?4c")
    assert.are.same({ kitty = false, sixel = false }, terminal.features "\27[?64;14;24c")
    assert.are.same({ kitty = false, sixel = false }, terminal.features "\27_Gi=31;ENOTSUP\27\\")
    assert.are.same({ kitty = false, sixel = false }, terminal.features "")
  end)
end)

describe("what to draw with", function()
  after_each(screen.close_all)
  local CODE = "local t = lt.terminal print(t.graphics(), t.colours(), t.unicode(), t.columns())"

  local function says(env, options)
    if not screen.available() then return nil end
    options = options or {}
    env.LC_ALL = env.LC_ALL or "C.UTF-8"
    env.LUATRAIN_PATH = program.library()
    local s = screen.open({ "sh", "-c", ("%s -e '%s'; echo end; sleep 20"):format(program.path, CODE) },
      { env = env, columns = options.columns or 80, without = { "LUATRAIN_GRAPHICS", "KITTY_WINDOW_ID" } })
    return (s:wait("end"):read():match "^[^\n]*":gsub("%s+", " "))
  end

  it("comes from the environment", function()
    if not screen.available() then return pending "tmux is not installed" end
    assert.equal("blocks 256 true 80", says { TERM = "screen-256color" })
    assert.equal("blocks 16 true 80", says { TERM = "screen" })
    local full = { TERM = "screen", COLORTERM = "truecolor" }
    assert.equal("blocks 16777216 true 40", says(full, { columns = 40 }))
    assert.equal("blocks 0 true 80", says { TERM = "screen", NO_COLOR = "1" })
    assert.equal("ascii 0 false 80", says { TERM = "dumb" })
    assert.equal("ascii 16 false 80", says { TERM = "screen", LC_ALL = "C" })
    assert.equal("kitty 16777216 true 80", says { TERM = "xterm-kitty" })
    assert.equal("sixel 256 true 80", says { TERM = "screen-256color", LUATRAIN_GRAPHICS = "sixel" })
  end)

  it("is plain where output is no terminal", function()
    local env = { TERM = "xterm", LC_ALL = "C.UTF-8", COLUMNS = "50" }
    local result = program.run({ "-e", CODE }, { env = env })
    assert.equal("blocks\t0\ttrue\t50\n", result.out, result.err)
    result = program.run({ "-e", CODE }, { env = { LUATRAIN_GRAPHICS = "gif" } })
    assert.is_truthy(result.err:find("graphics is 'gif'; there are kitty, sixel, blocks and ascii", 1, true))
  end)
end)
