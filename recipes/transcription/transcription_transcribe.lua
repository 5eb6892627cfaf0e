-- From a recording of any length to its notes: the frame-wise model's way, in constant memory (windows that
-- overlap, of which the middle counts), and the transcribe command for both heads.

local bands = require "transcription_bands"
local failure = require "luatrain.failure"
local notes = require "transcription_notes"
local targets = require "transcription_targets"
local config, fs = lt.config, lt.fs

local transcribe = {}

--- Settings of the command.
transcribe.config = {
  audio_path = config.string("", "the recording, instead of SONG"),
  midi = config.string("", "MIDI file to write; empty: beside the recording, unless --output is given"),
  output = config.string("", "JSON file to write: notes with start, end, pitch and velocity",
    { alias = "output_path" }),
  num_return_sequences = config.integer(1, "tokens: so many transcriptions, the likeliest first; the others "
    .. "stand in the JSON file as alternatives", { min = 1, max = 64 }),
}

-- Rows of a window that count, and rows of context on each side; windows in a batch.
local ROWS, CONTEXT, BATCH = 500, 50, 4

--- Notes of a source (bands.of_file or bands.open) by the frame-wise model.
function transcribe.frames(model, source, c)
  local decoder = targets.decoder(bands.row_seconds, c)
  local function block(first)
    local windows, most = {}, math.min(BATCH, math.ceil((source.rows - first) / ROWS))
    local x = source.read(first - CONTEXT, most * ROWS + 2 * CONTEXT):to "f32"
    for w = 1, most do windows[w] = x:narrow(1, (w - 1) * ROWS + 1, ROWS + 2 * CONTEXT) end
    local found = model(lt.stack(windows, 1)):sigmoid():narrow(2, CONTEXT + 1, ROWS)
    local n = math.min(most * ROWS, source.rows - first)
    decoder:push(found:contiguous():flatten(1, 2):narrow(1, 1, n))
  end
  for first = 0, source.rows - 1, BATCH * ROWS do lt.no_grad(lt.scope, block, first) end
  return decoder:finish()
end

--- Notes of a sound file.
function transcribe.file(model, path, c) return transcribe.frames(model, bands.of_file(path), c) end

local function records(found)
  local list = lt.json.array {}
  for i, n in ipairs(found) do
    list[i] = { start = n.start, ["end"] = n.stop, pitch = n.pitch, velocity = n.velocity }
  end
  return list
end

local function write_json(path, song, found, others, seconds, c)
  local alternatives = lt.json.array {}
  for i, other in ipairs(others) do alternatives[i] = records(other) end
  lt.json.save(path, { audio_path = song, duration = seconds, head = c.head,
    strategy = c.head == "tokens" and c.strategy or nil, num_notes = #found, notes = records(found),
    alternatives = #alternatives > 0 and alternatives or nil })
end

-- Refuses to promise more than one transcription where there is only one.
local function check_count(c)
  if c.num_return_sequences == 1 then return end
  if c.head ~= "tokens" or c.strategy == "greedy" then
    failure.raise("usage", "transcribe: --num-return-sequences needs --head tokens and --strategy beam "
      .. "or sample")
  end
  if c.strategy == "beam" and c.num_return_sequences > c.beam_size then
    failure.raise("usage", "transcribe: --num-return-sequences %d of --beam-size %d; give more beams",
      c.num_return_sequences, c.beam_size)
  end
end

--- Runs the command.
function transcribe.run(c, context, heads)
  local song = context.arguments[1] or c.audio_path
  if song == "" then failure.raise("usage", "transcribe: name a recording") end
  check_count(c)
  local info, started = lt.audio.info(song), lt.time()
  local midi = c.midi
  if midi == "" and c.output == "" then midi = fs.join(fs.dirname(song), fs.stem(song) .. ".mid") end
  local all = { heads[c.head].notes(context:model(), song, c, c.num_return_sequences) }
  local found = table.remove(all, 1)
  if midi ~= "" then notes.write_midi(midi, found) end
  if c.output ~= "" then write_json(c.output, song, found, all, info.duration, c) end
  local written = midi ~= "" and c.output ~= "" and midi .. ", " .. c.output or midi .. c.output
  context:line("%s: %d notes of %.1f s of sound in %.1f s", written, #found, info.duration,
    lt.time() - started)
end

return transcribe
