-- The REPL as a user meets it: typed to in a real terminal, its screen read.
local fs = require "luatrain.fs"
local program = require "program"
local terminal = require "repl.terminal"

describe("the REPL", function()
  if not terminal.available then return pending "tmux is not installed" end

  local start = terminal.start
  after_each(terminal.close_all)
  teardown(program.clean)

  it("prints values without print, and keeps them", function()
    local t = start()
    t:run("1 + 1", "\n2")
    t:run("lt.ones(2)", "tensor([1., 1.])")
    t:run("{1, a = {true}}", "{1, a = {true}}")
    t:run("'text', nil, 7", '"text"\nnil\n7')
    t:run("_1 .. '/' .. tostring(_2) .. '/' .. _5", "\"2/tensor([1., 1.])/7\"")
    t:run("#_ + 100", "\n120")
    t:run("x = 40")
    t:run("x = 41; x + 1", "\n42")
    t:run("x + 1;")
    t:run("'silent ' .. _", '"silent 42"')
    t:run("x = 1; tostring(x + 9)", '\n"10"')
    t:run("= x + 2", "\n3")
  end)

  it("prints large, endless and odd tables", function()
    local t = start()
    t:run("t = {} t.t = t", nil)
    t:run("t", "{t = {... itself}}")
    t:run("lt.optim", "module lt.optim\nAdam")
    t:run("{math, a = lt.nn}", "{<module math>, a = <module lt.nn>}")
    t:run("function nest(n) local t = {} for i = 1, 50 do t[i] = n > 0 and nest(n - 1) or i end return t end")
    t:run("nest(2)", "... 49 more")
    t:run("nest(0)", "\n  1, 2, 3, 4, 5,")
    t:run("setmetatable({}, {__tostring = function() error 'in' end})", "its __tostring fails: [8]:1: in")
    t:run("error(_)", "error: table (its __tostring fails: [8]:1: in)")
  end)

  it("takes inputs of several lines, and knows when they are whole", function()
    local t = start()
    t:type "function f(x)":keys "Enter":wait_prompt "..>"
    t:type "if x then":keys "Enter":wait "if x then\n..>"
    t:type "return x * 2":keys "Enter":wait "* 2\n..>"
    t:type "end":keys "Enter":wait "..>   end\n..>"
    t:type "end":keys "Enter":wait_prompt()
    assert.matches("lt> function f%(x%)\n%.%.>   if x then\n%.%.>     return x %* 2\n%.%.>   end\n"
      .. "%.%.> end\n", t:read() .. "\n")
    t:run("f(21)", "\n42")
  end)

  it("takes pasted lines as one input", function()
    local t = start()
    t:paste "total = 0\nfor i = 1, 4 do\n\ttotal = total + i\nend"
    t:wait "..> end"
    t:keys "Enter":wait_prompt()
    t:run("total", "\n10")
  end)

  it("makes globals on the outermost level, and tells misspelt ones", function()
    local t = start()
    t:run("model_width = 3")
    t:run("local height = 4")
    t:run("model_width * height", "\n12")
    t:run("modle_width", "undefined global 'modle_width'; did you mean model_width?")
    t:run("function set() heigth = 1 end")
    t:run("set()", "assignment to undeclared global 'heigth'")
    t:run("local print = 3", "local 'print' hides a name")
    t:run("type = 3", "'type' is a name that Lua and luatrain use")
    t:run("pairs, select = nil; string.format = nil", "'string.format' is a name that Lua")
    t:run("lt.zeros(1)", "tensor([0.])")
    t:run("_:maen()", "attempt to call method 'maen' (a nil value); did you mean mean?")
    t:run("lt.nn.Lineer(1, 2)", "did you mean Linear?")
  end)

  it("completes names, fields, methods, modules and files", function()
    local t = start()
    fs.write(fs.join(t.home, "song.wav"), "")
    t:type "lt.nn.Sequen":keys "Tab":wait "lt.nn.Sequential"
    t:keys "C-c":wait_prompt()
    t:run("weights = lt.randn(3)")
    t:type "weights:mea":keys "Tab":wait "weights:mean"
    t:keys "C-c":wait_prompt()
    t:type "require 'luatrain.sche":keys "Tab":wait "luatrain.schedule"
    t:keys "C-c":wait_prompt()
    t:type "fs.read 'so":keys "Tab":wait "song.wav"
    t:keys "C-c":wait_prompt()
    t:type "weigh":keys "Tab"
    t:type ":size(1)":keys "Enter":wait "\n3"
  end)

  it("lists what may follow where there is a choice", function()
    local t = start()
    t:run("choices = {apple = 1, apricot = 2, banana = 3}")
    t:type "choices.":keys "Tab":wait "apple    apricot  banana"
    t:type "a":keys "Tab":wait "choices.ap"
    t:type "p":keys "Tab":wait "choices.apple"
    t:keys "Enter":wait "\n1"
  end)

  it("completes the names of tensors in a checkpoint", function()
    local t = start()
    lt.safetensors.save(fs.join(t.home, "net.safetensors"), {["encoder.weight"] = lt.zeros(2)})
    t:type "lt.safetensors.load('net.safetensors', {'enc":keys "Tab":wait "encoder.weight"
    t:keys "C-c":wait_prompt()
    t:run("w = lt.safetensors.load 'net.safetensors'")
    t:type "w['enc":keys "Tab":wait "w['encoder.weight"
    t:type "']":keys "Enter":wait "tensor([0., 0.])"
  end)

  for what, code in pairs {loop = "while true do end",
    ["compiled loop"] = "s = 0 while true do s = s + 1 end",
    ["function of its own"] = "function f() for i = 1, 1e18 do end end f()",
    ["loop of ops"] = "x = lt.randn(10) while true do x = x * 1 end",
    ["matrix product"] = "x = lt.randn(5000, 5000) while true do x:matmul(x) end",
    ["library function"] = "table.sort({3, 1, 2}, function(a, b) while true do end end)"} do
    it("stops a " .. what .. " with Ctrl-C and goes on", function()
      local t = start()
      t:run("kept = 5")
      t:type(code):keys "C-c":wait_prompt()            -- not yet entered: thrown away
      t:type("print('it ' .. 'runs') " .. code):keys "Enter":wait "\nit runs"
      t:keys "C-c":wait "interrupted":wait_prompt()
      t:run("kept + 1", "\n6")
      t:run("lt.ones(2):sum()", "tensor(2.)")
    end)
  end

  it("stops a loop that catches all errors with a second Ctrl-C", function()
    local t = start()
    t:type("while true do pcall(function() print('it ' .. 'runs') while true do end end) end"):keys "Enter"
    t:wait "\nit runs":keys "C-c":wait "it runs\n^Cit runs"
    t:keys "C-c":wait "interrupted":wait_prompt()
    t:run("1 + 1", "\n2")
  end)

  it("is not ended by Ctrl-C held down", function()
    local t = start()
    for i = 1, 3 do
      t:type(("print('it ' .. 'runs %d') while true do end"):format(i)):keys "Enter":wait("it runs " .. i)
      for _ = 1, 10 do t:keys("C-c", "C-c", "C-c") end
      t:wait_prompt()
    end
    t:run("20 + 2", "\n22")
  end)

  it("stops loops of files that were loaded", function()
    local t = start()
    fs.write(fs.join(t.home, "spin.lua"), "print 'spins' local s = 0 while true do s = s + 1 end")
    for _, way in ipairs {"dofile 'spin.lua'", "require 'spin'", ":load spin.lua"} do
      t:run("#'" .. ("x"):rep(#way) .. "'", "\n" .. #way)
      local _, before = t:all():gsub("interrupted", "")
      local function once_more(word)
        t:wait(function(screen) return select(2, screen:gsub(word, "")) == before + 1 end)
      end
      t:type(way):keys "Enter"
      once_more "\nspins"
      t:keys "C-c"
      once_more "interrupted"
      t:wait_prompt()
    end
  end)

  it("tells an error with the line and a short traceback; :where has the locals", function()
    local t = start()
    t:run("function inner(t) local depth = 7 return t.missing.field end")
    t:run("function outer() local list = {1, 2} return (inner(list)) end")
    local screen = t:run("outer()", "attempt to index field 'missing' (a nil value)")
    assert.matches("%[1%]:1: in inner:", screen)
    assert.matches("%[2%]:1: in outer:", screen)
    assert.is_nil(screen:find("luatrain/", 1, true))
    screen = t:run(":where", "depth = 7")
    assert.matches("list = {1, 2}", screen)
    t:run("lt.ones(2, 3):matmul(lt.ones(2, 3))", "matmul")
    t:run("lt.no_grad(function() local inside = 12 error 'from within' end)", "from within")
    t:run(":where", "inside = 12")
    t:run("x y", "'=' expected near 'y'")
    t:run("function down(n) return n == 0 and nil .. 'x' or 1 + down(n - 1) end")
    t:run("down(5)", "... 6 times")
    t:run("error {code = 5}", "error: {code = 5}")
    t:run("2 ^ 53", "\n9007199254740992")
  end)

  it("measures time, ops and memory", function()
    local t = start()
    t:run(":time lt.randn(10):sum():numel()", "s\nlt>")
    t:run(":time 20 lt.randn(10):sum();", "20 runs: fastest")
    t:run(":profile lt.randn(300, 300):matmul(lt.randn(300, 300));", "matmul")
    t:run(":mem", "storages")
  end)

  it("loads files, reloads modules and saves the session", function()
    local t = start()
    fs.write(fs.join(t.home, "made.lua"), "answer = 42\nlocal hidden = 1\n")
    local module = "local words = {}\nfunction words.say() return '%s' end\nreturn words\n"
    fs.write(fs.join(t.home, "words.lua"), module:format "one")
    t:run(":load made.lua")
    t:run("answer", "\n42")
    t:run("words = require 'words'")
    t:run("words.say()", '"one"')
    fs.write(fs.join(t.home, "words.lua"), module:format "two")
    t:run(":reload words", "words loaded again")
    t:run("words.say()", '"two"')
    t:run(":reload wrods", "did you mean words?")
    t:type "broken(":keys "Enter":wait_prompt "..>"
    t:keys "C-c":wait_prompt()
    t:run("_1 + 1", "\n43")
    t:run("z = 5; tostring(z); -- silent")
    t:run("z = 6; print(z)", "\n6")
    t:run("z = 7; _3 .. z", '"two7"')
    t:run(":save mine.lua", "saved")
    t:run(":save mine.lua", "saved")
    t:run(":save made.lua", "there already")
    local result = program.run({"mine.lua"}, {directory = t.home})
    assert.equal(0, result.code, result.err)
    assert.equal("42\ntwo\ntwo\n43\n6\ntwo7\n", result.out)
  end)

  it("explains itself", function()
    local t = start()
    t:run(":help", "Ctrl-D leaves")
    t:run("help", ":reload MODULE")
    t:run(":hlep", "did you mean :help?")
    t:run(":help :load", "run a Lua file in this session")
    t:run(":help lt.relu", "max(x, 0)")
    t:run("print?", "function of Lua")
    t:run(":time", ":time wants [N] CODE")
    t:run(":continue", "no training is paused")
  end)

  it("explains names with x?, :doc and help()", function()
    if not pcall(require, "luatrain.doc") then
      pending "the documentation reader is not there"
      return
    end
    local t = start()
    t:run("lt.relu?", "relu")
    t:run("m = lt.nn.Sequential(lt.nn.Linear(2, 3))", nil)
    t:run("m[1]?", "y = x W^T + b")
    t:run(":doc lt.conv2d", "conv2d")
    t:run("help(lt.nn.Linear)", "Linear")
    t:run("who()")
  end)

  it("leaves with Ctrl-D, :quit and quit", function()
    for _, way in ipairs {":quit", "quit", "exit()"} do
      local t = start()
      t:type(way):keys "Enter":wait "ended with 0"
      t:close()
    end
    local t = start()
    t:keys "C-d":wait "ended with 0"
  end)

  it("runs a startup file, whose errors do no harm", function()
    local home = fs.mkdir(fs.join(program.folder(), "home"))
    fs.mkdir(fs.join(home, "config/luatrain"))
    fs.write(fs.join(home, "config/luatrain/init.lua"), "from_startup = 11\nerror 'startup trouble'\n")
    local t = start {home = home}
    t:wait "startup trouble"
    t:run("from_startup", "\n11")
  end)
end)
