-- Data sets over an HDF5 file, for the loader's worker threads. arguments: file, window, map.
local lt = require "luatrain"

return function(arguments)
  local set = lt.data.hdf5.table(arguments.file, {window = arguments.window,
    fields = {sound = "sound", mel = "mel", note = "note", hash = "hash"}})
  if arguments.map then
    set = set:map(function(sample)
      sample.draw = lt.rand(1):item()
      sample.sound = sample.sound * 2
      return sample
    end)
  end
  if arguments.train then set = set:group_split("hash", {0.8, 0.2}, 3) end
  return set
end
