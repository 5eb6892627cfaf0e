-- The command line as a user meets it: exit codes, the one line on stderr, help, precedence.
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local program = require "program"

local toy = program.here "tests/train/toy.lua"

-- Runs and expects a failure: its code, and one line that contains all the given texts.
local function fails(code, args, ...) return program.failed(program.run(args), code, ...) end

local function succeeds(args, options)
  local result = program.run(args, options)
  assert.equal(0, result.code, result.err)
  return result
end

describe("luatrain", function()
  teardown(program.clean)

  it("helps at every level, on stdout", function()
    for _, args in ipairs {{"--help"}, {"-h"}, {"help"}, {"help", "run"}, {"run", "--help"},
      {"info", "--help"}, {"doctor", "-h"}, {"recipes", "--help"}} do
      local result = succeeds(args)
      assert.is_truthy(result.out:find "usage: luatrain")
      assert.equal("", result.err)
    end
    for line in succeeds({"--help"}).out:gmatch "[^\n]+" do assert.is_true(#line <= 80, line) end
    local recipe = succeeds {"run", toy, "--help"}
    assert.is_truthy(recipe.out:find "A small recipe for the tests")
    assert.is_truthy(recipe.out:find "greet")
    local command = succeeds({"run", toy, "train", "--help"}).out:gsub("%s+", " ")
    for _, text in ipairs {"--epochs N passes over the training data",
      "(integer of at least 0; default 2; also",
      "--nested.depth N a nested setting (integer of at least 1; default 1)", "f32 | bf16",
      "--resume TEXT"} do
      assert.is_truthy(command:find(text, 1, true), text)
    end
  end)

  it("leaves the environment as it was", function()
    local line = {"-e", 'print(os.getenv "GOMP_SPINCOUNT")'}
    assert.equal("nil\n", succeeds(line).out)
    assert.equal("77\n", succeeds(line, {env = {GOMP_SPINCOUNT = "77"}}).out)
  end)

  it("tells its version", function()
    assert.is_truthy(succeeds({"--version"}).out:find "^luatrain %d+%.%d+")
  end)

  it("refuses what it does not know and names what is near", function()
    fails(2, {"runn"}, "no command 'runn'", "did you mean run?")
    fails(2, {"run"}, "name a recipe")
    fails(2, {"run", toy}, "name a command", "train")
    fails(2, {"run", toy, "trian"}, "did you mean train?")
    fails(2, {"run", toy, "train", "--epoch", "3"}, "unknown setting --epoch", "did you mean --epochs?")
    fails(2, {"run", toy, "train", "--learning-rat=1"}, "did you mean --learning_rate?")
    fails(2, {"run", toy, "train", "-e", "3"}, "unknown option -e")
    fails(2, {"run", toy, "train", "surplus"}, "unexpected argument 'surplus'")
    fails(2, {"help", "runs"}, "did you mean run?")
    fails(3, {"run", "no_such_recipe", "train"}, "no recipe is called 'no_such_recipe'")
    fails(3, {"run", "./nowhere/x.lua", "train"}, "./nowhere/x.lua", "no such recipe")
  end)

  it("refuses wrong types and values out of range", function()
    fails(2, {"run", toy, "train", "--epochs", "many"}, "--epochs wants an integer", "'many'")
    fails(2, {"run", toy, "train", "--epochs", "1.5"}, "--epochs wants an integer")
    fails(2, {"run", toy, "train", "--epochs=-1"}, "at least 0", "-1")
    fails(2, {"run", toy, "train", "--learning-rate", "nan"}, "wants a number")
    fails(2, {"run", toy, "train", "--precision", "f8"}, "one of f32, bf16", "'f8'")
    fails(2, {"run", toy, "train", "--bad-log=maybe"}, "true or false")
    fails(2, {"run", toy, "train", "--epochs"}, "got nothing")
  end)

  it("names missing files", function()
    fails(4, {"info", "/nowhere/x.safetensors"}, "/nowhere/x.safetensors", "no such file")
    fails(4, {"run", toy, "evaluate", "--checkpoint", "/nowhere"}, "/nowhere")
    fails(4, {"run", toy, "evaluate"}, "no checkpoint below runs/toy")
    fails(4, {"run", toy, "train", "--resume", "/nowhere"}, "/nowhere")
    fails(3, {"run", toy, "train", "--config", "/nowhere.yaml"}, "/nowhere.yaml")
    fails(5, {"run", toy, "train", "--run", "/proc/nothing/here"}, "/proc/nothing")
  end)

  it("checks config files, and takes the command line before them", function()
    local folder = program.folder()
    local function file(name, text)
      fs.write(fs.join(folder, name), text)
      return fs.join(folder, name)
    end
    fails(3, {"run", toy, "train", "--config", file("a.yaml", "epoch: 3\n")}, "a.yaml",
      "unknown setting 'epoch'", "did you mean 'epochs'?" and "epochs")
    fails(3, {"run", toy, "train", "--config", file("b.json", '{"epochs": "three"}')}, "b.json",
      "'epochs' wants an integer")
    fails(3, {"run", toy, "train", "--config", file("c.json", '{"epochs": 3')}, "c.json")
    fails(3, {"run", toy, "train", "--config", file("d.lua", "return {epochs = os.time()}")}, "d.lua")
    fails(3, {"run", toy, "train", "--config", file("e.toml", "")}, "e.toml", ".yaml, .json or .lua")
    for _, path in ipairs {file("good.yaml", "learning_rate: 0.5\nepochs: 7\nnested:\n  depth: 4\n"),
      file("good.json", '{"learning_rate": 0.5, "epochs": 7, "nested": {"depth": 4}}'),
      file("good.lua", "return {learning_rate = 0.5, epochs = 7, nested = {depth = 4}}")} do
      local run = fs.join(folder, fs.extension(path))
      succeeds {"run", toy, "train", "--config", path, "--epochs", "1", "--run", run, "--quiet",
        "--no-report"}
      local saved = json.load(fs.join(run, "config.json"))
      assert.equal(0.5, saved.learning_rate)
      assert.equal(1, saved.epochs)
      assert.equal(4, saved.nested.depth)
      assert.equal(8, saved.width)
    end
  end)

  it("runs commands of the recipe with arguments and settings", function()
    assert.equal("hello a b\n", succeeds({"run", toy, "greet", "a", "b"}).out)
    assert.equal("hi a\n", succeeds({"run", toy, "greet", "--word", "hi", "a"}).out)
    assert.equal("hi --x\n", succeeds({"run", toy, "greet", "--word=hi", "--", "--x"}).out)
    fails(2, {"run", toy, "greet"}, "wants NAME...", "got nothing")
    assert.equal(9, program.run({"run", toy, "fail"}).code)
  end)

  it("names what is wrong with a recipe file", function()
    local folder = program.folder()
    local function recipe(text)
      local path = fs.join(folder, "r.lua")
      fs.write(path, text)
      return {"run", path, "train"}
    end
    fails(3, recipe "return 1", "r.lua", "returns a table")
    fails(3, recipe "return {", "r.lua")
    fails(3, recipe "return {modle = function() end}", "recipe.modle", "did you mean recipe.model?")
    fails(3, recipe "return {data = 1}", "recipe.data", "wanted a function")
    fails(3, recipe "return {}", "needs recipe.data")
    fails(3, recipe "return {config = {epochs = 'x'}}", "'epochs' wants an integer")
    fails(3, recipe "return {config = {run = 'x'}}", "'run' has the name of an option")
    fails(3, recipe "error 'not today'", "r.lua", "not today")
    fails(3, recipe "return {data = function() return {} end, model = print, step = print}",
      "the data set `train`")
  end)

  it("gives the traceback when --debug asks for it", function()
    local result = program.run {"--debug", "run", toy, "train", "--epoch", "3"}
    assert.equal(2, result.code)
    assert.is_truthy(result.err:find "stack traceback")
  end)

  it("lists recipes and checks the machine", function()
    local folder = program.folder()
    fs.mkdir(fs.join(folder, "recipes"))
    fs.write(fs.join(folder, "recipes", "toy_copy.lua"), fs.read(toy))
    local listed = succeeds({"recipes"}, {directory = folder})
    assert.is_truthy(listed.out:find "toy_copy%s+points and half%-spaces")
    assert.is_truthy(succeeds({"doctor"}).out:find "ok%s+matrix product")
    local result = program.run({"run", "toy_copi", "train"}, {directory = folder})
    assert.equal(3, result.code)
    assert.is_truthy(result.err:find("did you mean toy_copy?", 1, true))
  end)

  it("describes files", function()
    local folder = program.folder()
    local run = fs.join(folder, "run")
    succeeds {"run", toy, "train", "--run", run, "--epochs", "1", "--quiet", "--no-report"}
    local shown = succeeds {"info", fs.join(run, "checkpoints/best.safetensors")}
    assert.is_truthy(shown.out:find "0%.weight%s+F32%s+%(8, 4%)")
    assert.is_truthy(succeeds({"info", run}).out:find "val_loss")
    fs.write(fs.join(folder, "lie.safetensors"), ("\255"):rep(8) .. "{}")
    fails(4, {"info", fs.join(folder, "lie.safetensors")}, "lie.safetensors")
    fs.write(fs.join(folder, "cut.mid"), "MThd\0\0\0\6\0\1\0\1\1\224MTrk\0\0\0\64\0\144\60\100")
    fails(4, {"info", fs.join(folder, "cut.mid")}, "cut.mid", "damaged MIDI file")
    fs.write(fs.join(folder, "zero.wav"), "")
    fails(4, {"info", fs.join(folder, "zero.wav")}, "zero.wav", "empty")
    fs.write(fs.join(folder, "x.txt"), "text")
    fails(4, {"info", fs.join(folder, "x.txt")}, "x.txt", "info knows")
  end)
end)
