--- lt.data: data sets and the loader.
--
-- A data set has :size(), :get(i) -> sample (a table of named values), :id(i) -> a name for errors.
-- Samples hold tensors, numbers, booleans and strings. i counts from 1.
--
--   data.table(list)                    samples (tables) from a list
--   data.from(n, function(i) end)       computed samples
--   data.folder(path, {extensions = {"wav", "flac"}})   one folder a class: {path, class, label}
--   data.manifest(path)                 JSON list or JSON lines; *path fields become absolute
--   data.csv(path, {types = {...}})     header line names the fields
--   data.name_share(name)               0 to 1, of the name only: splits that stay when data are added
--   data.hdf5                           HDF5 files: open, write, extend, shards, table, check
--   data.skipped(folder)                what could not be used when a data set was made
--   data.validate                       what is wrong with sound and MIDI files: audio, midi, files
--   data.normalizer(kind)               features brought to a common scale, "standard" or "minmax"
--   set:map(function(sample) return sample end)      random numbers drawn inside depend on
--                                                    (seed, epoch, index) only: lt.rand and math.random
--   set:filter(f)  set:select({1, 5, 9})  set:take(n)  set:shuffle(seed)  set:concat(other, ...)
--   set:split({0.8, 0.2}, seed)         -> set, set
--   set:group_split("song", {0.8, 0.2}, seed)        no group in two parts
--   set:cache()                         keeps what get returned (put it before random maps)
--   set:collate {label = "i64", audio = "pad", name = "list"}   how fields become batches:
--      tensors are stacked ("pad": zero-padded to the longest, lengths in batch.audio_length, i64);
--      numbers become f32 unless a dtype is named; strings stay lists
--   set:batch(16, {shuffle = true, seed = 1})        -> loader
--   for batch in loader:epoch(1) do batch.audio, batch.label, batch.ids, batch.size end
local failure = require "luatrain.failure"
local dataset = require "luatrain.data.dataset"
local files = require "luatrain.data.files"

local data = {
  Dataset = dataset.Dataset,
  table = files.table,
  from = files.from,
  folder = files.folder,
  manifest = files.manifest,
  csv = files.csv,
  name_share = files.name_share,
  loader = require("luatrain.data.loader").new,
  hdf5 = require "luatrain.data.hdf5",
  skipped = require "luatrain.data.skipped",
  normalizer = require "luatrain.data.normalizer",
  validate = require "luatrain.data.validate",
}

--- Says, inside a map, that this sample is damaged: the loader passes over it, counts it and lists the
-- sentence (arguments as for string.format). Errors of the readers of files say so by themselves; any
-- other error is a mistake in the code and ends the run.
--   if x:size(1) < 1024 then lt.data.damaged("%s: shorter than 1024 samples", sample.path) end
function data.damaged(format, ...) failure.raise("data", format, ...) end

return data
