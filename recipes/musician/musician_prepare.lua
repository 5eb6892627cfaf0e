-- The prepare command: data sets as downloaded, and the user's own files, become the training format of the
-- models (musician_data); what was found, what was skipped and why is told and listed.

local data = require "musician_data"
local failure = require "luatrain.failure"
local made = require "musician_made"
local sources = require "musician_sources"
local config, fs = lt.config, lt.fs

local prepare = {}

--- The models in their order.
prepare.models = { "emotion", "melody", "harmony", "dynamics", "groove" }

--- The recipes of some models by their names (all where there are none): a list.
function prepare.recipes(names, folder)
  local list = {}
  for i, name in ipairs(#names > 0 and names or prepare.models) do
    local known = false
    for _, model in ipairs(prepare.models) do known = known or model == name end
    if not known then
      failure.raise("usage", "--models: no model is called '%s'%s; there are %s", name,
        failure.suggest(name, prepare.models), table.concat(prepare.models, ", "))
    end
    list[i] = lt.recipe(fs.join(folder, "musician_" .. name .. ".lua"))
  end
  return list
end

--- Settings of the command, and of train.
prepare.config = {
  models = config.list({}, "emotion, melody, harmony, dynamics, groove, or some; none: all",
    { of = "string" }),
  max_frames = config.integer(200000, "frames of a model's training format; what is more is left out",
    { min = 1000 }),
  seconds = config.number(45, "emotion: seconds from the beginning of a piece that are heard", { min = 20 }),
  soundfont = config.string("", "emotion: SoundFont that renders MIDI files; none: the best installed one"),
  max_skipped = config.number(0.2, "share of damaged files above which this is an error",
    { min = 0, max = 1 }),
}

-- Writes what sounds in a MIDI file's first seconds as another one.
local function write_beginning(path, out, seconds)
  local song, short = lt.midi.read(path), {}
  for _, list in ipairs { "notes", "tempos", "controls" } do
    short[list] = {}
    for _, event in ipairs(song[list]) do
      if (event.start or event.time) < seconds then
        if event.stop then event.stop = math.min(event.stop, seconds) end
        table.insert(short[list], event)
      end
    end
  end
  if #short.notes == 0 then failure.raise("data", "%s: MIDI file without notes", path) end
  lt.midi.write(out, short)
end

-- Gives each entry that is MIDI only the sound of its beginning, rendered once and kept; returns those that
-- have a sound.
local function render(entries, c, skipped, line)
  local folder = fs.mkdir(fs.join(c.datasets_dir, "prepared", "audio"))
  local paths, by_path, silent = {}, {}, {}
  for _, entry in ipairs(entries) do
    if not entry.audio then
      local name = entry.id:gsub("[^%w%-]+", "_"):sub(-80)
      local path = fs.join(folder, ("%s-%08x.mid"):format(name, lt.data.name_share(entry.id) * 2 ^ 32))
      entry.audio = path:gsub("mid$", "flac")
      if not fs.is_file(entry.audio) then
        if skipped:try(entry.id, write_beginning, entry.midi, path, c.seconds) then
          paths[#paths + 1], by_path[path] = path, entry
        else
          silent[entry] = true
        end
      end
    end
  end
  local results = #paths == 0 and {} or lt.synth.render(paths, {
    soundfont = c.soundfont ~= "" and c.soundfont or nil, sample_rate = 22050,
    out = function(path) return by_path[path].audio end,
    progress = function(done, total)
      if done % 20 == 0 or done == total then line("emotion: %d of %d rendered", done, total) end
    end,
  })
  for _, result in ipairs(results) do
    fs.remove(result.path)
    if not result.ok then
      silent[by_path[result.path]] = true
      skipped:add(result.path, result.error)
    end
  end
  local heard = {}
  for _, entry in ipairs(entries) do
    if not silent[entry] then heard[#heard + 1] = entry end
  end
  return heard
end

--- Prepares data for some recipes.
-- @return {NAME = number of pieces}, and how many there are in all
function prepare.write(recipes, c, line)
  local folder = fs.join(c.datasets_dir, "prepared")
  local skipped, pieces, all = lt.data.skipped(folder), {}, 0
  local found = sources.find(c.datasets_dir, skipped)
  fs.mkdir(folder)
  for _, recipe in ipairs(recipes) do
    local name, entries = recipe.source.model_name, found[recipe.source.model_name]
    if name == "emotion" then entries = render(entries, c, skipped, line) end
    local count, frames, synthetic = data.write(recipe, entries, c, skipped)
    local note = synthetic > 0 and (" (%d made up)"):format(synthetic) or ""
    if count == 0 then note = ": nothing to learn from" end
    line("%-9s %d pieces, %d frames%s", name, count, frames, note)
    pieces[name], all = count, all + count
  end
  skipped:finish(line, ("%d pieces for %d models"):format(all, #recipes), all + #skipped.list, c.max_skipped)
  return pieces, all
end

--- Runs the command.
function prepare.run(c, context)
  local _, all = prepare.write(prepare.recipes(c.models, fs.dirname(context.recipe.path)), c,
    function(...) context:line(...) end)
  if all == 0 then
    failure.raise("data", "%s: holds nothing to learn from; musician_sources.lua, beside the recipe, lists "
      .. "what is known", c.datasets_dir)
  end
end

--- Settings and body of the command generate.
prepare.generate_config = {
  models = prepare.config.models,
  out = config.string("datasets/synthetic", "folder to write"),
  pieces = config.integer(60, "pieces for each model", { min = 5 }),
}

function prepare.generate(c, context)
  local names = {}
  for i, recipe in ipairs(prepare.recipes(c.models, fs.dirname(context.recipe.path))) do
    names[i] = recipe.source.model_name
  end
  made.write(c.out, names, c.pieces, c.seed)
  context:line("%s: %d made-up pieces for each of %s", c.out, c.pieces, table.concat(names, ", "))
end

return prepare
