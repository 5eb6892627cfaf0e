-- The generate command of the transcription recipe: composed piano pieces, rendered, with their manifests.
--
-- Writes below --out (data/datasets/NAME)
--
--     train/, val/, test/           sample_00001.mid and sample_00001.flac, ...
--     train_manifest.json, ...      what transcription_manifest reads; written last
--     generate.json                 the settings; a folder is gone on with only under the same ones
--     skipped.json                  what could not be rendered, and why
--
-- Sample number i depends on (seed, i) and the limits alone, and so does its split: more samples later leave
-- the first as they are. A killed command goes on where it was and ends with the same bytes.

local compose = require "transcription_compose"
local failure = require "luatrain.failure"
local harmony = require "transcription_harmony"
local manifests = require "transcription_manifest"
local fs = lt.fs

local generate = {}

--- Settings of the command.
generate.config = {
  name = lt.config.string("training_run", "name of the data set"),
  out = lt.config.string("", "folder to write; '': data/datasets/NAME"),
  samples = lt.config.integer(1000, "number of samples, each a piece of its own", { min = 1 }),
  complexity = lt.config.choice("medium", compose.complexities, "how difficult the pieces are"),
  min_notes = lt.config.integer(10, "fewest notes of a sample", { min = 1 }),
  max_notes = lt.config.integer(50, "most notes of a sample", { min = 1 }),
  min_duration = lt.config.number(5, "shortest sample, seconds from 0 to the last note's end; the "
    .. "sound rings on for about 3 s", { min = 1, max = 3600 }),
  max_duration = lt.config.number(30, "longest sample, seconds, counted alike", { min = 1, max = 3600 }),
  key_signatures = lt.config.list(harmony.keys, "keys the pieces may have: C, F#, Bb, Am, C#m, ..."),
  seed = lt.config.integer(42, "seed of the pieces", { min = 0 }),
  soundfont = lt.config.list({}, "SoundFonts, paths or installed names; none: the best one; of several, the "
    .. "samples take turns", { of = "string" }),
  sample_rate = lt.config.integer(16000, "of the sound files, Hz", { min = 8000, max = 96000 }),
  gain = lt.config.number(0.5, "loudness of the rendering", { min = 0.01, max = 10 }),
  synthesize_audio = lt.config.flag(true, "render the pieces; without, MIDI files only"),
  train_share = lt.config.number(0.8, "share of the samples for training", { min = 0, max = 1 }),
  val_share = lt.config.number(0.1, "share for validation", { min = 0, max = 1 }),
  test_share = lt.config.number(0.1, "share for testing", { min = 0, max = 1 }),
  parallel = lt.config.integer(0, "renderings at a time; 0: one a core", { min = 0 }),
  max_skipped = lt.config.number(0.1, "share of failed renderings above which this is an error",
    { min = 0, max = 1 }),
}

-- What the samples depend on, beside their number.
local BINDING = { "seed", "complexity", "min_notes", "max_notes", "min_duration", "max_duration",
  "key_signatures", "soundfont", "sample_rate", "gain", "synthesize_audio", "train_share", "val_share",
  "test_share" }

local function text_of(value)
  return type(value) == "table" and table.concat(value, ",") or tostring(value)
end

-- Refuses a folder that was made with other settings: it would become a mixture.
local function bind(folder, config, fonts)
  local path, now = fs.join(folder, "generate.json"), {}
  for _, name in ipairs(BINDING) do now[name] = text_of(config[name]) end
  local stems = {}
  for i, font in ipairs(fonts) do stems[i] = fs.stem(font) end
  now.soundfont = text_of(stems)
  local before = fs.is_file(path) and lt.json.load(path) or nil
  for _, name in ipairs(before and BINDING or {}) do
    if before[name] ~= now[name] then
      failure.raise("usage", "%s: was generated with %s %s, not %s; take another --name or remove the folder",
        folder, name, tostring(before[name]), now[name])
    end
  end
  if not before then lt.json.save(path, now) end
end

-- ---- which sample goes where --------------------------------------------------------------------

-- The split that lacks most of its share after i - 1 samples; the first of equals, and of those that have
-- none.
local function neediest(counts, shares, i)
  local best, most
  for _, split in ipairs(manifests.splits) do
    if shares[split] > 0 and counts[split] == 0 then return split end
    local lack = shares[split] * i - counts[split]
    if shares[split] > 0 and (not most or lack > most + 1e-9) then best, most = split, lack end
  end
  return best
end

--- The splits of n samples, a list of names. shares: by name, summing to 1.
function generate.splits(n, shares)
  local list, counts = {}, { train = 0, val = 0, test = 0 }
  for i = 1, n do
    list[i] = neediest(counts, shares, i)
    counts[list[i]] = counts[list[i]] + 1
  end
  return list
end

local function shares_of(config)
  local shares = { train = config.train_share, val = config.val_share, test = config.test_share }
  local sum = shares.train + shares.val + shares.test
  if math.abs(sum - 1) > 1e-6 then
    failure.raise("config", "train_share, val_share and test_share add up to %g, not to 1", sum)
  end
  return shares
end

-- ---- the pieces ---------------------------------------------------------------------------------

-- Writes a piece unless it is there; sound that belongs to another piece goes.
local function write_piece(sample, folder, text)
  local path = fs.join(folder, sample.midi_path)
  if fs.is_file(path) and fs.read(path) == text then return end
  fs.remove(fs.join(folder, sample.audio_path))
  fs.write(path, text)
end

-- Composes all pieces: a millisecond each, so one core does.
local function compose_all(config, folder, fonts)
  local splits, samples, ranks = generate.splits(config.samples, shares_of(config)), {}, {}
  for i, split in ipairs(splits) do
    local song = compose.piece {
      seed = config.seed, index = i, complexity = config.complexity, min_notes = config.min_notes,
      max_notes = config.max_notes, min_duration = config.min_duration, max_duration = config.max_duration,
      key_signatures = config.key_signatures,
    }
    ranks[split] = (ranks[split] or 0) + 1
    local name = ("sample_%05d"):format(i)
    local font = #fonts > 0 and fonts[(ranks[split] - 1) % #fonts + 1] or nil
    local sample = {
      id = name, piece = name, split = split, font = font, duration = song.duration, num_notes = #song.notes,
      midi_path = fs.join(split, name .. ".mid"), audio_path = fs.join(split, name .. ".flac"),
      complexity = song.complexity, key = song.key, time_signature = song.time_signature, tempo = song.bpm,
    }
    write_piece(sample, folder, lt.midi.encode(song))
    samples[i] = sample
  end
  return samples
end

-- ---- sound --------------------------------------------------------------------------------------

-- Renders the samples of one SoundFont; sets each sample's error where it failed.
local function render(samples, font, config, folder, line)
  local paths, chosen = {}, {}
  for _, sample in ipairs(samples) do
    if sample.font == font then
      chosen[#chosen + 1] = sample
      paths[#chosen] = fs.join(folder, sample.midi_path)
    end
  end
  if #paths == 0 then return end
  local kept = 0
  for _, sample in ipairs(chosen) do
    kept = kept + (fs.is_file(fs.join(folder, sample.audio_path)) and 1 or 0)
  end
  if kept > 0 then line("%s: %d of %d are there already", fs.stem(font), kept, #paths) end
  local every = math.max(20, math.floor(#paths / 20))
  local results = lt.synth.render(paths, {
    soundfont = font, sample_rate = config.sample_rate, gain = config.gain, keep = true,
    parallel = config.parallel > 0 and config.parallel or nil,
    out = function(path) return (path:gsub("%.mid$", ".flac")) end,
    progress = function(done, total)
      if done % every == 0 or done == total then line("%s: %d of %d rendered", fs.stem(font), done, total) end
    end,
  })
  for i, result in ipairs(results) do chosen[i].error = not result.ok and result.error or nil end
end

-- ---- manifests ----------------------------------------------------------------------------------

-- The recording of a sample as manifests hold it; nil and the reason where its sound is not to be used.
local function recording_of(sample, folder, with_audio)
  if sample.error then return nil, sample.error end
  local entry = { composer = "generated", soundfont = with_audio and fs.stem(sample.font) or nil }
  for _, name in ipairs { "id", "piece", "split", "midi_path", "duration", "num_notes", "complexity", "key",
    "time_signature", "tempo" } do
    entry[name] = sample[name]
  end
  if with_audio then
    local ok, info = pcall(lt.audio.info, fs.join(folder, sample.audio_path))
    if not ok then return nil, lt.core.message(info) end
    entry.audio_path, entry.duration = sample.audio_path, info.duration
  end
  return entry
end

local function write_manifests(samples, folder, skipped, with_audio)
  local lists = { train = {}, val = {}, test = {} }
  for _, sample in ipairs(samples) do
    local entry, reason = recording_of(sample, folder, with_audio)
    if entry then
      table.insert(lists[sample.split], entry)
    else
      skipped:add(fs.join(folder, sample.midi_path), reason)
    end
  end
  for _, split in ipairs(manifests.splits) do manifests.write(folder, split, lists[split]) end
  return lists
end

--- Runs the command; `context:line` prints. Returns nothing; raises where the settings contradict each other,
-- the folder holds another data set, or more than max_skipped of the renderings failed.
function generate.run(config, context)
  local function line(...) context:line(...) end
  compose.check(config)
  shares_of(config)
  local folder = manifests.folder(config)
  local fonts = config.synthesize_audio and lt.synth.chosen(config.soundfont) or {}
  for _, split in ipairs(manifests.splits) do fs.clean(fs.mkdir(fs.join(folder, split))) end
  bind(folder, config, fonts)
  local started = lt.time()
  local samples = compose_all(config, folder, fonts)
  line("%s: %d pieces composed, %.1f s", folder, #samples, lt.time() - started)
  for _, font in ipairs(fonts) do render(samples, font, config, folder, line) end
  local skipped = lt.data.skipped(folder)
  local lists = write_manifests(samples, folder, skipped, config.synthesize_audio)
  skipped:finish(line, ("%d train, %d val, %d test"):format(#lists.train, #lists.val, #lists.test), #samples,
    config.max_skipped)
end

return generate
