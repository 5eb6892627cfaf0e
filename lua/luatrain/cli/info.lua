--- `luatrain info FILE` and `luatrain doctor`.
local ffi = require "ffi"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local runs = require "luatrain.train.run"
local C = core.C

local info = {}

local function shape_text(shape) return "(" .. table.concat(shape, ", ") .. ")" end

local function safetensors(path)
  local list, metadata = require("luatrain.safetensors").info(path)
  local bytes, elements = 0, 0
  for _, t in ipairs(list) do
    print(("  %-48s %-5s %s"):format(t.name, t.file_dtype, shape_text(t.shape)))
    local n = 1
    for _, size in ipairs(t.shape) do n = n * size end
    bytes, elements = bytes + t.bytes, elements + n
  end
  print(("%s: %d tensors, %.0f elements, %s"):format(path, #list, elements,
    require("luatrain.text").bytes(bytes)))
  for key, value in pairs(metadata) do
    if key ~= "luatrain" then print(("  %s: %s"):format(key, value)) end
  end
  if metadata.luatrain then
    local facts = require("luatrain.train.checkpoint").facts(path)
    print(("  recipe %s, epoch %s, step %s, best %s %s"):format(tostring(facts.recipe), tostring(facts.epoch),
      tostring(facts.step), facts.keep and facts.keep.best or "metric", tostring(facts.best)))
  end
end

local function audio(path)
  local facts = require("luatrain.audio").info(path)
  local names = core.sorted_keys(facts)
  print(path)
  for _, name in ipairs(names) do
    if type(facts[name]) ~= "table" then print(("  %-12s %s"):format(name, tostring(facts[name]))) end
  end
end

local function midi(path)
  local song = require("luatrain.midi").read(path, {strict = true})
  print(("%s: MIDI type %d, %d tracks, %d notes, %.1f s, %d tempo changes"):format(path, song.format,
    song.tracks, #song.notes, song.duration, #song.tempos))
end

local function run(path)
  print(path .. ": a run directory")
  local folder = runs.folder(path)
  for _, name in ipairs(fs.list(folder)) do print("  " .. fs.join(fs.basename(folder), name)) end
  local epochs, metrics = runs.latest(path)
  if epochs == 0 then return end
  print(("  %s; the last:"):format(require("luatrain.show").plural(epochs, "epoch")))
  for _, one in ipairs(metrics) do
    print(("    %-28s %s"):format(one.name, one.value and ("%.6g"):format(one.value) or "-"))
  end
end

local function hdf5(path)
  print(path)
  io.stdout:write(require("luatrain.data.hdf5").check(path, {structure = true}))
end

local kinds = {safetensors = safetensors, mid = midi, midi = midi, h5 = hdf5, hdf5 = hdf5}
for _, extension in ipairs {"wav", "flac", "ogg", "oga", "aif", "aiff", "au", "mp3", "opus"} do
  kinds[extension] = audio
end

--- Prints what a file or a run directory holds.
function info.describe(path)
  if fs.is_dir(path) then
    if fs.is_dir(runs.folder(path)) then return run(path) end
    failure.raise("data", "%s: a directory without checkpoints/, so no run", path)
  elseif not fs.is_file(path) then
    failure.raise("data", "%s: no such file", path)
  end
  local describe = kinds[fs.extension(path)]
  if not describe then
    failure.raise("data", "%s: info knows .safetensors, .h5, audio files, .mid and run directories", path)
  end
  describe(path)
end

-- ---- doctor -------------------------------------------------------------------------------------

local function writable()
  local path = (".luatrain-doctor-%d"):format(C.lt_getpid())
  local ok = pcall(fs.write, path, "x")
  if ok then fs.remove(path) end
  return ok
end

local function matmul_works()
  local lt = require "luatrain"
  return pcall(function()
    local y = lt.tensor {{1, 2}, {3, 4}}:matmul(lt.tensor {{1, 0}, {0, 1}})
    assert(y:get(2, 1) == 3)
  end)
end

-- {name, whether it is there, whether luatrain cannot do without, what it is for}
local function checks()
  local process, synth = require "luatrain.process", require "luatrain.synth"
  local lv2 = require "luatrain.music.lv2"
  return {
    {"matrix product", matmul_works(), true, "OpenBLAS or oneDNN"},
    {"HDF5", C.lt_hdf5_available(), true, "libhdf5 and libdeflate, data files"},
    {"this directory can be written", writable(), false, "runs are written below it"},
    {"fluidsynth", synth.program() ~= nil, false, "renders MIDI to audio"},
    {"SoundFont", #synth.soundfonts() > 0, false, "the sounds that fluidsynth plays"},
    {"luatrain-lv2", lv2.program() ~= nil, false, "runs LV2 plugins (./build.sh lv2)"},
    {("%d LV2 instruments"):format(#lv2.list()), #lv2.list() > 0, false, "luatrain-lv2 list names them"},
    {"gnuplot", process.which "gnuplot" ~= nil, false, "draws the plots of reports"},
    {"SQLite", require("luatrain.sweep.sqlite").available(), false,
      "keeps sweeps in a file (package libsqlite3-0)"},
    {"libpq", require("luatrain.sweep.postgres").available(), false,
      "keeps sweeps on a PostgreSQL server (package libpq5)"},
    {"sbatch", process.which "sbatch" ~= nil, false, "runs sweeps on a Slurm cluster (package slurm-client)"},
    {"a player", require("luatrain.play").command "" ~= nil, false,
      "lt.play: pw-play, paplay, aplay, ffplay, mpv or play"},
    {"git", process.which "git" ~= nil, false, "notes the state of the sources in a run"},
    {"lyaml", require("luatrain.config").lyaml() ~= nil, false, "reads YAML config files (package lua-yaml)"},
  }
end

--- Prints one line a check; returns 1 where something needed is missing, else 0.
function info.doctor()
  local code = 0
  for name, value in ffi.string(C.lt_build_info()):gmatch "([^=\n]+)=([^\n]*)" do
    print(("%-9s %s"):format(name, value))
  end
  for _, one in ipairs(checks()) do
    local name, good, needed, purpose = unpack(one)
    print(("%-9s %s: %s"):format(good and "ok" or needed and "MISSING" or "missing", name, purpose))
    if not good and needed then code = 1 end
  end
  return code
end

return info
