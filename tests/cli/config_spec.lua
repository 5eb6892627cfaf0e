local config = require "luatrain.config"
local failure = require "luatrain.failure"

local function fields()
  return config.fields({
    epochs = config.integer(10, "passes over the data", {min = 0, alias = "num_epochs"}),
    clip = config.number(0, "largest norm", {min = 0, max = 10}),
  }, {
    epochs = 20,
    rate = config.number(1e-3, "learning rate"),
    name = config.string("x", "a name"),
    kind = config.choice("a", {"a", "b"}, "a kind"),
    fast = config.flag(true, "be fast"),
    sizes = config.list({1, 2}, "sizes"),
    mel = {bands = config.integer(64, "bands"), low = 20.5},
  })
end

local function parsed(...)
  local f = fields()
  local values, rest = config.parse(f, {...})
  return config.resolve(f, {values}), rest
end

describe("settings", function()
  it("have defaults, of which the later declaration wins and the earlier keeps its meaning", function()
    local f = fields()
    local c = config.resolve(f)
    assert.equal(20, c.epochs)
    assert.equal("passes over the data", f.by_name.epochs.help)
    assert.equal(64, c.mel.bands)
    assert.same({1, 2}, c.sizes)
    assert.error_matches(function() config.fields({a = config.integer(1)}, {a = "x"}) end,
      "'a' wants an integer")
    assert.error_matches(function() config.fields {a = print} end, "'a' is a function")
    assert.error_matches(function() config.integer(1.5, "x") end, "the default wants an integer")
  end)

  it("have one-letter forms where these are declared", function()
    local f = config.fields {data = config.string("x", "a file", {short = "d"}), n = config.integer(1, "")}
    local values, rest = config.parse(f, {"-d", "set.h5", "--n", "2", "song.wav"})
    assert.same({data = "set.h5", n = 2}, values)
    assert.same({"song.wav"}, rest)
    assert.error_matches(function() config.parse(f, {"-x", "1"}) end, "unknown option %-x")
    assert.error_matches(function() config.parse(f, {"-d"}) end, "got nothing")
    assert.is_truthy(config.help(f):find("-d, --data TEXT", 1, true))
  end)

  it("have other names, several of them, in other people's files too", function()
    local f = config.fields {
      rate = config.number(1, "a rate", {alias = {"lr", "training.learning_rate"}}),
      plots = config.flag(true, "plots", {alias = "evaluation.pictures.enabled"}),
      precision = config.choice("f32", {"f32", "bf16"}, "numbers",
        {switch = {use_amp = {"bf16", "f32"}, ["training.use_amp"] = {"bf16", "f32"}}}),
    }
    local values = config.parse(f, {"--lr", "3", "--use-amp"})
    assert.same({rate = 3, precision = "bf16"}, values)
    assert.same({precision = "f32"}, (config.parse(f, {"--no-use-amp"})))
    assert.same({rate = 2, plots = false, precision = "bf16"}, config.check(f, {
      training = {["learning-rate"] = 2, use_amp = true}, evaluation = {pictures = {enabled = false}}},
        "x.yaml"))
    assert.error_matches(function() config.check(f, {training = {lerning_rate = 2}}, "x.yaml") end,
      "x.yaml: unknown setting 'training.lerning_rate'; did you mean training.learning_rate")
    assert.error_matches(function() config.check(f, {training = {use_amp = 1}}, "x.yaml") end,
      "'training.use_amp' wants true or false, got 1")
    assert.error_matches(function() config.parse(f, {"--use-amp=yes"}) end, "takes no value")
    local help = config.help(f)
    assert.is_truthy(help:find("--lr, --training.learning-rate", 1, true))
    assert.is_truthy(help:find("--use-amp for bf16", 1, true))
  end)

  it("are spelled with dashes or underscores, with = or without", function()
    local c, rest = parsed("--num-epochs=3", "in.wav", "--rate", "-1e-4", "--mel.bands", "8", "--no-fast",
      "--sizes", "3,4,5", "--kind=b", "--", "--rate")
    assert.equal(3, c.epochs)
    assert.equal(-1e-4, c.rate)
    assert.equal(8, c.mel.bands)
    assert.is_false(c.fast)
    assert.same({3, 4, 5}, c.sizes)
    assert.equal("b", c.kind)
    assert.same({"in.wav", "--rate"}, rest)
    assert.is_true((parsed("--no-fast", "--fast")).fast)
    assert.is_false((parsed("--fast=off")).fast)
    assert.equal("--odd", (parsed("--name", "--odd")).name)
    assert.equal("", (parsed("--name=")).name)
  end)

  it("refuse other names and types with the nearest name", function()
    for arguments, message in pairs {
      [{"--epoch", "1"}] = "unknown setting --epoch; did you mean --epochs?",
      [{"--mel.band", "1"}] = "unknown setting --mel.band; did you mean --mel.bands?",
      [{"--zzzzzz"}] = "unknown setting --zzzzzz",
      [{"--no-rate"}] = "unknown setting --no-rate",
      [{"--epochs", "1.5"}] = "--epochs wants an integer of at least 0, got 1.5",
      [{"--epochs", "1e20"}] = "--epochs wants an integer of at least 0, got 1e+20",
      [{"--clip", "11"}] = "--clip wants a number between 0 and 10, got 11",
      [{"--clip", "nan"}] = "--clip wants a number between 0 and 10",
      [{"--kind", "c"}] = "--kind wants one of a, b, got 'c'",
      [{"--sizes", "1,x"}] = "--sizes wants a list of numbers",
      [{"--rate"}] = "--rate wants a number, got nothing",
      [{"-r", "1"}] = "unknown option -r; settings are written --name value",
    } do
      local ok, e = pcall(config.parse, fields(), arguments)
      assert.is_false(ok)
      assert.equal(2, failure.of(e).code)
      assert.equal(message, tostring(e):sub(1, #message))
    end
  end)

  it("cannot be read under a name that is not declared", function()
    local c = config.resolve(fields())
    assert.error_matches(function() return c.epoch end, "no setting 'epoch'; did you mean epochs?")
    assert.error_matches(function() return c.mel.bandz end, "no setting 'mel.bandz'; did you mean bands?")
    assert.is_true(config.has(c, "rate"))
    assert.is_false(config.has(c, "learning_rate"))
  end)

  it("take nested tables, weakest layer first", function()
    local f = fields()
    local file = config.check(f, {epochs = 5, mel = {bands = 9}, rate = 7}, "file")
    local c = config.resolve(f, {file, (config.parse(f, {"--rate", "8"}))})
    assert.same({5, 9, 8}, {c.epochs, c.mel.bands, c.rate})
    assert.error_matches(function() config.check(f, {mel = {band = 1}}, "my.yaml") end,
      "my.yaml: unknown setting 'mel.band'; did you mean mel.bands?")
    assert.same({}, config.check(f, {gone = 1}, "old", "skip"))
    assert.error_matches(function() config.check(f, {epochs = "3"}, "f") end, "f: 'epochs' wants an integer")
    assert.error_matches(function() config.check(f, 3, "f") end, "holds no table")
  end)
end)
