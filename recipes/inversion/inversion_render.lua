-- The render command of the inversion recipe: random presets of a synthesizer become one HDF5 file.
--
-- Preset i is drawn from (seed, i) alone; one that is silent or clips at any of its notes is drawn again.
-- Sounds are made in shards of some dozens of presets, each whole or absent, in OUT.shards, and put
-- together at the end. Killed at any moment, the same command goes on where it was, and the file is the
-- one that would have been, whatever the number of cores.
--
--     audio (N, samples) gzip     params/continuous (N, n) 0..1     params/categorical (N, m) from 0
--     metadata/preset_hash        metadata/note (N)                 metadata/attempt (N): drawings it took
--     attributes of "/": the synthesizer, its parameters, switches and masks, sample rate, notes, seed
--
-- Row (p - 1) * #notes + k is preset p at note k.

local failure = require "luatrain.failure"
local fs = lt.fs

local render = {}

local MOST_ATTEMPTS = 256
local FAILURES_SHOWN, FAILURES_BEARABLE = 20, 64

--- Settings of the command.
render.config = {
  synth = lt.config.string("builtin", "synthesizer: builtin, or lv2:URI of an installed plugin"),
  presets = lt.config.integer(3000, "number of presets", { min = 1, max = 10000000 }),
  out = lt.config.string("data/tier1.h5", "file to write"),
  overwrite = lt.config.flag(false, "replace a file of this name"),
  notes = lt.config.list({ 48, 60, 72 }, "MIDI notes at which each preset is rendered"),
  sample_rate = lt.config.integer(44100, "samples a second", { min = 8000, max = 192000 }),
  seconds = lt.config.number(2, "length of a sound", { min = 0.01, max = 600 }),
  gate = lt.config.number(1.5, "seconds until the key is released", { min = 0, max = 600 }),
  velocity = lt.config.integer(100, "MIDI velocity", { min = 1, max = 127 }),
  silent = lt.config.number(0.01, "presets with a root mean square of at most this are drawn again",
    { min = 0 }),
  clipped = lt.config.number(0.99, "presets with a peak of at least this are drawn again", { min = 0 }),
  shard = lt.config.integer(40, "presets in a shard", { min = 1, max = 100000 }),
  chunk = lt.config.number(45, "megabytes of audio in a chunk of the file", { min = 0.001, max = 1000 }),
  gzip = lt.config.integer(4, "gzip level of the audio", { min = 1, max = 9 }),
  timeout = lt.config.number(20, "seconds a plugin may take for one sound", { min = 0.1 }),
}

-- ---- sounds -------------------------------------------------------------------------------------

local function sound_options(config)
  return { sample_rate = config.sample_rate, seconds = config.seconds, gate = config.gate,
    velocity = config.velocity, timeout = config.timeout }
end

-- Which presets of a batch may be kept: rows with no failure, neither silent nor clipped at any note.
local function judge(y, failures, count, notes, config)
  local rms, peak = (y * y):mean(2):sqrt():tolist(), y:abs():amax(2):tolist()
  local good = {}
  for i = 1, count do
    good[i] = true
    for row = (i - 1) * notes + 1, i * notes do
      -- The comparisons are false for NaN.
      if not (rms[row] > config.silent and peak[row] < config.clipped) then good[i] = false end
    end
  end
  for _, failed in ipairs(failures) do good[math.floor((failed.index - 1) / notes) + 1] = false end
  return good
end

-- Says which sound failed, unless it is one of very many.
local function tell(state, ...)
  state.failed = state.failed + 1
  if state.failed <= FAILURES_SHOWN then state.say(...) end
  if state.failed == FAILURES_SHOWN then state.say("more failures are counted, not shown") end
end

-- Renders the tries at some notes, adds the sounds (#notes, samples) to theirs, and returns those that may
-- be kept so far.
local function render_notes(s, tries, notes, config, state)
  if #tries == 0 or #notes == 0 then return tries end
  local continuous, categorical = {}, {}
  for i, one in ipairs(tries) do continuous[i], categorical[i] = one.continuous, one.categorical end
  local y, failures = s:render_batch(lt.stack(continuous, 1), lt.stack(categorical, 1), notes,
    sound_options(config))
  for _, failed in ipairs(failures) do
    local one = tries[math.floor((failed.index - 1) / #notes) + 1]
    tell(state, "preset %d (attempt %d), note %g: %s", one.preset, one.attempt,
      notes[(failed.index - 1) % #notes + 1], failed.error)
  end
  state.sounds = state.sounds + #tries * #notes - #failures
  if state.sounds == 0 and state.failed >= FAILURES_BEARABLE then
    failure.raise("run", "%s: none of %d sounds could be made; the last: %s", s.name, state.failed,
      failures[#failures].error)
  end
  local good, kept = judge(y, failures, #tries, #notes, config), {}
  for i, one in ipairs(tries) do
    if good[i] then
      table.insert(one.sounds, y:narrow(1, (i - 1) * #notes + 1, #notes))
      kept[#kept + 1] = one
    end
  end
  return kept
end

-- Draws and renders the presets that are still wanted, once; keeps the good ones in `made` and returns the
-- others. Most that are no good are so at the first note, and cost no more.
local function attempt(s, wanted, made, config, state)
  local tries, left = {}, {}
  for i, one in ipairs(wanted) do
    local preset = s:random(config.seed, (one.preset - 1) * MOST_ATTEMPTS + one.attempt)
    tries[i] = { preset = one.preset, attempt = one.attempt, sounds = {}, continuous = preset.continuous,
      categorical = preset.categorical }
  end
  local good = render_notes(s, tries, { config.notes[1] }, config, state)
  good = render_notes(s, good, { select(2, unpack(config.notes)) }, config, state)
  for _, one in ipairs(good) do
    made[one.preset] = { continuous = lt.keep(one.continuous:clone()),
      categorical = lt.keep(one.categorical:clone()), hash = s:hash(one), attempt = one.attempt,
      audio = lt.keep(lt.cat(one.sounds, 1)) }
  end
  for _, one in ipairs(wanted) do
    if not made[one.preset] then
      state.rejected = state.rejected + 1
      if one.attempt == MOST_ATTEMPTS then
        failure.raise("run", "preset %d: silent, clipped or failed in %d drawings; is the plugin in order, "
          .. "or --silent and --clipped too strict?", one.preset, MOST_ATTEMPTS)
      end
      left[#left + 1] = { preset = one.preset, attempt = one.attempt + 1 }
    end
  end
  return left
end

-- All presets from `first` to `last`.
local function make(s, first, last, config, state)
  local wanted, made = {}, {}
  for preset = first, last do wanted[#wanted + 1] = { preset = preset, attempt = 1 } end
  while #wanted > 0 do
    wanted = lt.scope(function() return attempt(s, wanted, made, config, state) end)
  end
  return made
end

-- ---- shards -------------------------------------------------------------------------------------

local function write_shard(w, made, first, last, notes)
  local audio, continuous, categorical = {}, {}, {}
  local hashes, keys, attempts = {}, {}, {}
  for preset = first, last do
    local one = made[preset]
    audio[#audio + 1] = one.audio
    for _, note in ipairs(notes) do
      continuous[#continuous + 1], categorical[#categorical + 1] = one.continuous, one.categorical
      hashes[#hashes + 1], keys[#keys + 1], attempts[#attempts + 1] = one.hash, note, one.attempt
    end
  end
  w:tensor("audio", lt.cat(audio, 1))
  w:tensor("params/continuous", lt.stack(continuous, 1))
  w:tensor("params/categorical", lt.stack(categorical, 1))
  w:tensor("metadata/note", lt.tensor(keys, "i64"))
  w:tensor("metadata/attempt", lt.tensor(attempts, "i64"))
  w:strings("metadata/preset_hash", hashes)
end

-- What decides the content of the shards, and all but the layout of the file.
local function key_of(s, config)
  return { synthesizer = s.name, synthesizer_version = s.version, presets = config.presets,
    seed = config.seed, notes = table.concat(config.notes, ","), sample_rate = config.sample_rate,
    seconds = config.seconds, gate = config.gate, velocity = config.velocity, silent = config.silent,
    clipped = config.clipped, shard = config.shard }
end

-- ---- attributes ---------------------------------------------------------------------------------

--- The attributes of the data file that describe a synthesizer's parameters.
function render.describe(s)
  local attributes = {}
  local function column(kind, name, value)
    local list = {}
    for i, p in ipairs(s[kind]) do list[i] = value(p) end
    attributes[kind .. "_" .. name] = list
  end
  for _, kind in ipairs { "continuous", "categorical" } do
    column(kind, "names", function(p) return p.name end)
    column(kind, "groups", function(p) return p.group end)
    column(kind, "defaults", function(p) return p.default end)
    column(kind, "switches", function(p) return p.switch or "" end)
    column(kind, "learnable", function(p) return p.tier == 1 and 1 or 0 end)
  end
  column("continuous", "minimum", function(p) return p.minimum end)
  column("continuous", "maximum", function(p) return p.maximum end)
  column("continuous", "curves", function(p) return p.curve end)
  column("categorical", "n_options", function(p) return #p.options end)
  local options = lt.json.array {}
  for i, p in ipairs(s.categorical) do options[i] = lt.json.array(p.options) end
  attributes.categorical_options = lt.json.encode(options)
  attributes.synthesizer, attributes.synthesizer_version = s.name, s.version
  return attributes
end

local function attributes_of(s, config)
  local attributes = render.describe(s)
  local copied = { "sample_rate", "seconds", "gate", "velocity", "notes", "seed", "silent", "clipped" }
  for _, name in ipairs(copied) do attributes[name] = config[name] end
  attributes.render_settings = lt.json.encode(key_of(s, config))
  return attributes
end

-- ---- the command --------------------------------------------------------------------------------

local function clock(seconds)
  return ("%d:%02d"):format(math.floor(seconds / 60), math.floor(seconds % 60))
end

-- Tells how far the work is: on a terminal in one line, elsewhere a line every tenth of it.
local function progress_of(context, total, label)
  local started, first, columns = lt.time(), nil, lt.core.C.lt_terminal_columns(2)
  local told = -1
  return function(done)
    if context.options.quiet then return end
    first = first or done
    local rate = (done - first) / math.max(lt.time() - started, 1e-9)
    local text = ("%s %d/%d %.1f/s ETA %s"):format(label, done, total, rate,
      rate > 0 and clock((total - done) / rate) or "?")
    local tenth = math.floor(10 * done / total)
    if columns > 0 then
      io.stderr:write("\r", text:sub(1, columns - 1), "   ", done == total and "\n" or "")
    elseif tenth ~= told then
      context:line("%s", text)
      told = tenth
    end
  end
end

local function check_config(config)
  for _, note in ipairs(config.notes) do
    if type(note) ~= "number" or note % 1 ~= 0 or note < 0 or note > 127 then
      failure.raise("usage", "render: note '%s'; MIDI notes are whole numbers from 0 to 127", tostring(note))
    end
  end
  if #config.notes == 0 then failure.raise("usage", "render: --notes is empty") end
end

-- True where the file is there and was made with these settings: nothing is left to do.
local function is_done(config, key)
  if config.overwrite or not fs.exists(config.out) then return false end
  local good, file = pcall(lt.data.hdf5.open, config.out)
  local settings = good and file:attributes("/").render_settings
  if good then file:close() end
  if settings ~= lt.json.encode(key) then
    failure.raise("usage", "%s: exists, made with other settings; --overwrite replaces it", config.out)
  end
  return true
end

-- Makes the shards that are missing.
local function render_shards(s, shards, missing, config, context, state)
  local function ends(i) return (i - 1) * config.shard + 1, math.min(i * config.shard, config.presets) end
  local rendered = config.presets
  for _, i in ipairs(missing) do
    local first, last = ends(i)
    rendered = rendered - (last - first + 1)
  end
  local progress = progress_of(context, config.presets, "rendered")
  progress(rendered)
  for _, i in ipairs(missing) do
    local first, last = ends(i)
    local made = make(s, first, last, config, state)
    lt.scope(function()
      shards:write(i, function(w)
        write_shard(w, made, first, last, config.notes)
        w:attributes("/", attributes_of(s, config))
      end)
    end)
    for _, one in pairs(made) do
      one.audio:release()
      one.continuous:release()
      one.categorical:release()
    end
    rendered = rendered + last - first + 1
    progress(rendered)
  end
end

-- Puts the shards together.
local function assemble(shards, count, config, context)
  local samples, rows = math.floor(config.seconds * config.sample_rate + 0.5), config.presets * #config.notes
  local chunk = math.max(1, math.min(rows, math.floor(config.chunk * 1e6 / (4 * samples))))
  local progress = progress_of(context, count, "assembled")
  shards:assemble(config.out, count, {
    layout = { audio = { gzip = config.gzip, chunk = { chunk, samples } } },
    progress = function(i, _, name)
      if name == "audio" then progress(i) end
    end,
  })
  shards:remove()
end

--- Renders the presets; `context:line` prints.
function render.run(config, context)
  check_config(config)
  local s = lt.synthesizer.open(config.synth)
  local key, folder = key_of(s, config), config.out .. ".shards"
  if is_done(config, key) then
    if fs.is_dir(folder) then fs.remove_tree(folder) end
    context:line("%s: is there already", config.out)
    return 0
  end
  fs.mkdir(fs.dirname(config.out))
  fs.clean(fs.dirname(config.out))
  local shards, started = lt.data.hdf5.shards(folder, key), lt.time()
  local count = math.ceil(config.presets / config.shard)
  local missing = shards:missing(count)
  local state = { rejected = 0, failed = 0, sounds = 0, say = function(...) context:line(...) end }
  context:line("%s: %d presets at %d notes, %d of %d shards to render", tostring(s), config.presets,
    #config.notes, #missing, count)
  render_shards(s, shards, missing, config, context, state)
  assemble(shards, count, config, context)
  context:line("%s: %d presets, %d sounds in %s; %d drawings were rejected, %d sounds failed", config.out,
    config.presets, config.presets * #config.notes, clock(lt.time() - started), state.rejected, state.failed)
  return 0
end

return render
