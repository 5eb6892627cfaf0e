-- Loader rates from HDF5, in seconds for 1000 samples, batches of 32, shuffled:
--   hdf5_mels       precomputed mels; the peer is raw pread of the same rows in the same order
--   hdf5_mels_two   the same with two worker threads; the peer is raw pread by two threads
--   hdf5_audio      gzip audio in chunks of 45 MB, decompressed and turned into log-mel by two workers;
--                   the peer is h5py in a PyTorch DataLoader with four workers doing the same
local lt = require "luatrain"
package.path = "tests/?.lua;" .. package.path
local bench = require "bench.hdf5_set"
local timing = require "bench.timing"

bench.make()
lt.threads(1)
-- Room for two windows of two chunks, less than the file: every epoch decodes every chunk again.
lt.data.hdf5.cache(200 * 2 ^ 20)

local function epoch(loader, number)
  local start, samples = lt.time(), 0
  for batch in loader:epoch(number) do
    samples = samples + batch.size
    batch.mel:release()
  end
  return (lt.time() - start) * 1000 / samples
end

-- The fastest of some epochs after the first: what else runs on the machine only ever slows down.
local function rate(part, workers, epochs)
  local loader = lt.data.loader(bench.data {part = part}, {batch_size = 32, shuffle = true, workers = workers,
    source = {module = "bench.hdf5_set", arguments = {part = part}}})
  epoch(loader, 1)
  local best = math.huge
  for i = 1, epochs do best = math.min(best, epoch(loader, i + 1)) end
  loader:close()
  return best
end

timing.result("hdf5_mels", rate("mels", 0, 15))
timing.result("hdf5_mels_two", rate("mels", 2, 15))
timing.result("hdf5_audio", rate("audio", 2, 3))
