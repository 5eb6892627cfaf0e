-- What ./build.sh demo runs: makes up songs, renders them, trains the chord recipe, evaluates it on songs
-- that it never heard, and shows one of them beside its truth. luatrain recipes/chord/demo.lua [FOLDER]

local chord = require "luatrain.music.chord"
local run = require("luatrain.cli.run").main
local fs = lt.fs

local base = arg[1] or fs.join("runs", "demo")
local made, trained = fs.join(base, "data"), fs.join(base, "run")
local recipe = fs.dirname(arg[0])

local function say(...) io.stderr:write("\n== ", string.format(...), "\n") end

local function luatrain(...)
  local code = run { recipe, ... }
  if code and code ~= 0 then os.exit(code, true) end
end

local started = lt.time()
fs.remove_tree(base)
say "making up 20 songs and rendering them with fluidsynth"
luatrain("prepare", "--synthetic", "20", "--seconds", "45", "--out", made)
say "training on 15 of them"
luatrain("train", "--data", made, "--run", trained, "--epochs", "24", "--warmup_epochs", "2", "--rows", "96",
  "--model.channels", "8,16,16", "--model.width", "96", "--learning_rate", "3e-3", "--ema", "0.98",
  "--log_every", "20", "--transpositions", "0")
say "evaluating on 4 that it never heard"
luatrain("evaluate", "--data", made, "--checkpoint", trained)

local folder = fs.join(trained, "report", "test", "lab")
local song = fs.list(folder)[1]:gsub("%..*", "")
local found = chord.read_lab(fs.join(folder, song .. ".lab"))
local truth = chord.read_lab(fs.join(folder, song .. ".truth.lab"))
say("%s: what was found, and the truth", song)
for i = 1, math.min(12, math.max(#found, #truth)) do
  local function text(s)
    return s and ("%6.2f %6.2f  %-12s"):format(s.start, s.stop, s.label) or (" "):rep(27)
  end
  print(text(found[i]), text(truth[i]))
end
say("done in %.0f s. The run: %s; its report: %s", lt.time() - started, trained,
  fs.join(trained, "report", "index.html"))
