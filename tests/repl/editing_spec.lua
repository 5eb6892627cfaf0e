-- Editing, history and odd terminals, in a real terminal.
local fs = require "luatrain.fs"
local program = require "program"
local terminal = require "repl.terminal"

describe("the line editor", function()
  if not terminal.available then return pending "tmux is not installed" end

  local start = terminal.start
  after_each(terminal.close_all)
  teardown(program.clean)

  it("has the keys of Emacs and readline", function()
    local t = start()
    t:type "34":keys("C-a"):type "12":keys("C-e"):type " + 1":keys "Enter":wait "\n1235"
    t:type "1 + wrong":keys("C-w"):type "2":keys "Enter":wait "\n3"
    t:type "junk":keys("C-u"):type "4 + 4":keys "Enter":wait "\n8"
    t:type "5 + 5 junk":keys("M-b", "C-k", "C-a"):type "10 + ":keys "Enter":wait "\n20"
    t:type "'ac'":keys("Left", "Left"):type "b":keys "Enter":wait '"abc"'
    t:type "6 * 77":keys "BSpace":keys "Enter":wait "\n42"
    t:type "x7 + 7":keys("Home", "DC", "End"):keys "Enter":wait "\n14"
    t:type "100 + one two":keys("C-w", "C-w"):type "1 --":keys("C-y"):keys "Enter":wait "\n101"
  end)

  it("moves within an input of several lines", function()
    local t = start()
    t:paste "f = {\n  1,\n  3,\n}"
    t:wait "..> }"
    t:keys("Up", "Up", "End"):type " 2,":keys "Down":keys("Down", "End"):keys "Enter":wait_prompt()
    t:run("#f", "\n3")
    t:keys "Up":keys "Up":wait "..> }"
  end)

  it("recalls inputs with Up, and finds them with Ctrl-R", function()
    local t = start()
    t:run("alpha = 11", nil)
    t:run("beta = 22", nil)
    t:run("alpha + beta", "\n33")
    t:keys("Up", "Up", "Up"):wait(function(s) return s:find "lt> alpha = 11$" end)
    t:keys("Down", "Down", "Down"):wait_prompt()
    t:keys "C-r":type "alp":wait "(search) alp: alpha + beta"
    t:keys "C-r":wait "(search) alp: alpha = 11"
    t:type "zz":wait "(failed search)"
    t:keys "C-g":wait_prompt()
    t:keys "C-r":type "beta =":wait "(search) beta =: beta = 22"
    t:keys "C-e":wait(function(s) return s:find "lt> beta = 22$" end)
    t:type "2; beta":keys "Enter":wait "\n222"
  end)

  it("keeps what was typed when the process is killed", function()
    local t = start()
    t:run("survives = 'kill'")
    t:signal "KILL":wait "ended with 137"
    local home = t.home
    t:close()
    t = start {home = home}
    t:keys "Up":wait "lt> survives = 'kill'"
  end)

  it("keeps what two sessions type at once", function()
    local t = start()
    local other = start {home = t.home}
    for i = 1, 5 do
      t:run(("first%d = [[a b]]"):format(i))
      other:run(("second%d = 1"):format(i))
    end
    local text = fs.read(fs.join(t.home, "state/luatrain/history"))
    for i = 1, 5 do
      assert.truthy(text:find(("first%d ="):format(i), 1, true))
      assert.truthy(text:find(("second%d ="):format(i), 1, true))
    end
  end)

  it("shows wide characters and accents, whatever the locale", function()
    local t = start {env = {LANG = "C", LC_ALL = "C"}, columns = 40}
    t:type "s = '日本語 é ü'":keys "Enter":wait_prompt()
    t:run("#s", "\n15")
    t:type "'ab日本cd'":keys("Left", "Left", "Left", "Left"):type "X":wait "'ab日X本cd'"
    t:keys("BSpace", "BSpace"):wait "'ab本cd'"
    t:keys "Enter":wait '"ab本cd"'
    t:type("'" .. ("語"):rep(30)):wait(("語"):rep(17))       -- folds where a wide one has no room
    t:keys "C-c":wait_prompt()
    t:run("'e\204\129' == 'e\204\129'", "true")              -- a combining accent
  end)

  it("edits lines longer than the terminal, and than its screen", function()
    local t = start {columns = 40, rows = 10}
    local numbers = {}
    for i = 100, 250 do numbers[#numbers + 1] = tostring(i) end
    t:type("list = {" .. table.concat(numbers, ", ") .. "}"):wait "250}"
    t:keys "C-a":wait "lt> list"
    t:type "my_":wait "lt> my_list"
    t:keys "C-e":wait "250}"
    t:keys "Enter":wait_prompt()
    t:run("#my_list", "\n151")
    t:run("('x'):rep(10):len() + " .. ("1 + "):rep(300) .. "0", "\n310")
  end)

  it("follows the size of the window", function()
    local t = start {columns = 80}
    t:type "words = 'one two three four five six seven eight nine ten'":wait "ten'"
    t:resize(40, 30):wait "nine ten'"
    t:type " .. '!'":wait "ten' .. '!'"
    t:resize(100, 30)
    t:keys "Enter":wait_prompt()
    t:run("words", "nine ten!")
  end)

  it("works with 40 columns", function()
    local t = start {columns = 40, rows = 20}
    local screen = t:run("lt.ones(2, 12)", "tensor(")
    for line in screen:gmatch "[^\n]+" do assert.is_true(#line <= 40, line) end
    t:run("function inner_function_of_mine(t) return t.some_field.another_field end")
    t:run("inner_function_of_mine {}", "attempt to index field")
    t:type "lt.nn.":keys "Tab":wait "rows more"
  end)

  it("works where the terminal cannot move its cursor", function()
    local t = start {term = "dumb"}
    t:run("1 + 1", "\n2")
    t:type "for i = 1, 2 do":keys "Enter":wait "..>"
    t:type "print(i * 10)":keys "Enter":type "end":keys "Enter":wait "\n20"
    t:run("no_such_name", "undefined global")
    t:type "while true do":keys "Enter":wait_prompt "..>"
    t:keys "C-c":wait_prompt()
    t:run("20 + 3", "\n23")
    t:type "print('go' .. 'es') while true do end":keys "Enter":wait "\ngoes"
    t:keys "C-c":wait "interrupted"
    t:wait_prompt()
    t:keys "C-d":wait "ended with 0"
  end)

  it("has no colours with NO_COLOR", function()
    local function raw(env)
      local one = terminal.open {env = env}
      one:wait_prompt()
      local text = one:read(true)
      one:close()
      return text
    end
    assert.matches("\27%[1", raw {})
    assert.is_nil(raw({NO_COLOR = "1"}):find("\27[", 1, true))
  end)

  it("puts the cursor on a fresh line after text without a line end", function()
    local t = start()
    t:run("io.write 'no line end'", "no line end%\ntrue\nlt>")
  end)

  it("can be suspended at the prompt and continued", function()
    local t = terminal.open {command = "bash --norc -i"}
    t:wait "shell>"
    t:type(program.path):keys "Enter":wait_prompt()
    t:type "12 + ":keys "C-z":wait "Stopped"
    t:type "fg":keys "Enter":wait(function(s) return s:find "lt> 12 %+%s*$" end)
    t:type "12":keys "Enter":wait "\n24"
  end)
end)
