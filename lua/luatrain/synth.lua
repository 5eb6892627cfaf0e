--- Renders MIDI files to audio with the fluidsynth program and a SoundFont, many at a time.
-- The same file, SoundFont and settings give the same bytes. An output appears whole or not at all.
-- The library is never linked: the program runs as a child, tens of times faster than real time a core.
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local midi = require "luatrain.midi"
local process = require "luatrain.process"

local synth = {}

local DIRECTORIES = { "/usr/share/sounds/sf3", "/usr/share/sounds/sf2", "/usr/share/soundfonts",
  "/usr/local/share/soundfonts" }

-- Best first; others follow by name.
local PREFERRED = { "FluidR3Mono_GM.sf3", "MuseScore_General.sf3", "MuseScore_General_Lite.sf3",
  "FluidR3_GM.sf2", "TimGM6mb.sf2" }

--- The program that renders: "fluidsynth", or what $LUATRAIN_FLUIDSYNTH names.
function synth.program()
  return process.which(os.getenv "LUATRAIN_FLUIDSYNTH" or "fluidsynth")
end

--- Paths of the SoundFonts installed on this machine, the best first.
function synth.soundfonts()
  local directories, found, rank = { unpack(DIRECTORIES) }, {}, {}
  local home = os.getenv "HOME"
  if home then directories[#directories + 1] = fs.join(home, ".local/share/soundfonts") end
  for _, directory in ipairs(directories) do
    for _, name in ipairs(fs.is_dir(directory) and fs.list(directory) or {}) do
      local path = fs.join(directory, name)
      if name:lower():find "%.sf[23]$" and fs.is_file(path) then
        found[#found + 1] = path
        rank[path] = #PREFERRED + 1
        for i, preferred in ipairs(PREFERRED) do
          if name == preferred then rank[path] = i end
        end
      end
    end
  end
  table.sort(found, function(a, b)
    if rank[a] ~= rank[b] then return rank[a] < rank[b] end
    return a < b
  end)
  return found
end

local function head_of(path, bytes)
  local file, why = io.open(path, "rb")
  if not file then core.fail_as("io", "cannot open %s", why) end
  local head = file:read(bytes) or ""
  file:close()
  return head
end

--- Finds a SoundFont.
-- @param name a path; or the name of an installed one with or without its extension, in any case
--   ("timgm6mb"); nil: the best installed one
-- @return its path; raises where there is none, or the file is no SoundFont
function synth.soundfont(name)
  local installed = synth.soundfonts()
  local path = name or installed[1]
  if not path then
    core.fail_as("io", "no SoundFont is installed; on Debian: apt-get install fluidr3mono-gm-soundfont")
  end
  if not fs.is_file(path) then
    local wanted, names = fs.stem(path):lower(), {}
    for _, candidate in ipairs(path:find "/" and {} or installed) do
      names[#names + 1] = fs.stem(candidate)
      if fs.stem(candidate):lower() == wanted then return candidate end
    end
    if path:find "/" then core.fail_as("io", "cannot open %s: there is no such file", path) end
    core.fail_as("io", "no SoundFont is called '%s'; installed: %s", path,
      #names > 0 and table.concat(names, ", ") or "none")
  end
  local head = head_of(path, 12)
  if head:sub(1, 4) ~= "RIFF" or head:sub(9, 12) ~= "sfbk" then
    core.fail_as("format", "%s: not a SoundFont", path)
  end
  return path
end

--- The SoundFonts of a list of names as synth.soundfont takes them; of an empty list the best installed.
function synth.chosen(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = synth.soundfont(name) end
  if #list == 0 then list[1] = synth.soundfont() end
  return list
end

-- ---- what came out ------------------------------------------------------------------------

local function little32(s, at)
  local a, b, c, d = s:byte(at, at + 3)
  return a + b * 256 + c * 65536 + d * 16777216
end

-- Seconds of a WAV or FLAC file by its header and size; nil where it is neither.
local function seconds_of(path)
  local head = head_of(path, 512)
  if #head >= 44 and head:sub(1, 4) == "RIFF" and head:sub(9, 12) == "WAVE" then
    local at, rate = 13, nil
    while at + 7 <= #head do
      local id, size = head:sub(at, at + 3), little32(head, at + 4)
      if id == "fmt " then rate = little32(head, at + 16) end  -- bytes a second
      if id == "data" then
        return rate and rate > 0 and math.min(size, fs.stat(path).bytes - at - 7) / rate or nil
      end
      at = at + 8 + size + size % 2
    end
  elseif #head >= 26 and head:sub(1, 4) == "fLaC" then
    local a, b, c, d, e, f, g, h = head:byte(19, 26)
    local rate = a * 4096 + b * 16 + math.floor(c / 16)
    local frames = d % 16 * 4294967296 + e * 16777216 + f * 65536 + g * 256 + h
    return rate > 0 and frames / rate or nil
  end
end

-- The end of the program's output, on one line.
local function words_of(log)
  local text = fs.is_file(log) and fs.read(log) or ""
  text = text:gsub("^%s+", ""):gsub("%s+$", ""):gsub("%s*\n%s*", "; ")
  return text ~= "" and ": " .. text:sub(-300) or ""
end

-- Nil where the rendered file is whole; else what is wrong.
local function fault_of(job, result)
  if result.state == "timeout" then
    return ("%s: fluidsynth took longer than %g seconds and was stopped"):format(job.path, job.timeout)
  elseif result.state == "failed" then
    return result.error
  elseif not result.ok then
    return ("%s: fluidsynth %s %d%s"):format(job.path,
      result.state == "killed" and "was ended by signal" or "failed with exit code", result.code,
      words_of(job.log))
  elseif not fs.is_file(job.temporary) then
    return ("%s: fluidsynth wrote nothing to %s%s"):format(job.path, job.out, words_of(job.log))
  end
  local seconds = seconds_of(job.temporary) or 0
  if seconds <= 0 or seconds < job.seconds * 0.99 - 0.05 then
    return ("cannot write %s: %.1f of %.1f seconds were written (is the disk full?)%s"):format(
      job.out, seconds, job.seconds, words_of(job.log))
  end
end

-- ---- rendering -------------------------------------------------------------------------------

-- Fluidsynth reads types 0 and 1 with ticks per quarter note; anything else is rewritten for it.
local function playable(path, song, directory, index)
  if song.ppq and song.format <= 1 and not song.damage then
    return path:sub(1, 1) == "-" and "./" .. path or path
  end
  local copy = fs.join(directory, index .. ".mid")
  midi.write(copy, song)
  return copy
end

local function prepare(path, out, index, settings)
  local song = midi.read(path, { strict = not settings.tolerant })
  if #song.notes == 0 then core.fail_as("format", "%s: MIDI file without notes", path) end
  if song.duration > settings.max_seconds then
    core.fail_as("format", "%s: %.0f seconds long, more than max_seconds = %g", path, song.duration,
      settings.max_seconds)
  end
  local job = { path = path, out = out, type = fs.extension(out), seconds = song.duration,
    timeout = settings.timeout or math.max(60, song.duration),
    log = fs.join(settings.directory, index .. ".log") }
  if job.type ~= "wav" and job.type ~= "flac" then
    core.fail("%s: the output should end in .wav or .flac", out)
  end
  fs.mkdir(fs.dirname(out))
  job.temporary = fs.temporary_name(out)
  if job.temporary:sub(1, 1) == "-" then job.temporary = "./" .. job.temporary end
  job.argv = { settings.program, "-n", "-i", "-q", "-f", "/dev/null", "-F", job.temporary,
    "-T", job.type, "-O", "s16", "-r", tostring(settings.sample_rate), "-g", tostring(settings.gain),
    "-R", settings.reverb and "1" or "0", "-C", settings.chorus and "1" or "0",
    "-o", "synth.cpu-cores=1", "-o", "synth.polyphony=512",
    "-o", "synth.dynamic-sample-loading=" .. settings.lazily, settings.soundfont,
    playable(path, song, settings.directory, index) }
  return job
end

local function output_name(path, out)
  if type(out) == "function" then return out(path) end
  return fs.join(out, fs.stem(path) .. ".wav")
end

local function settings_of(options)
  local program = synth.program()
  if not program then
    core.fail_as("io", "the program fluidsynth is not installed; on Debian: apt-get install fluidsynth")
  end
  local rate, gain = options.sample_rate or 44100, options.gain or 0.5
  if type(rate) ~= "number" or rate < 8000 or rate > 96000 then
    core.fail("synth: sample_rate is %s, not from 8000 to 96000", tostring(rate))
  end
  if type(gain) ~= "number" or not (gain > 0 and gain <= 10) then
    core.fail("synth: gain is %s, not above 0 up to 10", tostring(gain))
  end
  local soundfont = synth.soundfont(options.soundfont)
  -- Of a compressed SoundFont only the instruments that play are unpacked: the same bytes, and a piano piece
  -- of 10 s takes 0.3 s instead of 2.2 s. Of an uncompressed one this changes some bytes and gains nothing.
  local lazily = fs.extension(soundfont) == "sf3" and 1 or 0
  return { program = program, soundfont = soundfont, lazily = lazily, sample_rate = rate,
    gain = gain, reverb = options.reverb ~= false, chorus = options.chorus ~= false,
    tolerant = options.tolerant, max_seconds = options.max_seconds or 3600, timeout = options.timeout }
end

-- Renders all files; returns the list of results.
local function render_all(paths, outputs, settings, options)
  local results, jobs, prepared, done = {}, {}, {}, 0
  local function finish(i, message, seconds)
    if prepared[i] then fs.remove(prepared[i].temporary) end
    results[i] = { path = paths[i], out = outputs[i], ok = message == nil, error = message,
      seconds = seconds }
    done = done + 1
    if options.progress then options.progress(done, #paths, results[i]) end
  end
  for i, path in ipairs(paths) do
    jobs[i] = function()
      if options.keep and fs.is_file(outputs[i]) then return nil end
      local ready, job = pcall(prepare, path, outputs[i], i, settings)
      if not ready then
        results[i] = core.message(job)
        return nil
      end
      prepared[i] = job
      return job
    end
  end
  local good, why = pcall(process.map, jobs, { parallel = options.parallel, on_end = function(i, result)
    if result.state == "skipped" then return finish(i, results[i]) end
    local job = prepared[i]
    local message = fault_of(job, result)
    if not message then
      local renamed, reason = pcall(fs.rename, job.temporary, job.out)
      if not renamed then message = core.message(reason) end
    end
    finish(i, message, job.seconds)
  end })
  if not good then
    for _, job in pairs(prepared) do fs.remove(job.temporary) end
    error(why, 0)
  end
  return results
end

--- Renders MIDI files.
-- @param paths   a MIDI file, or a list of them
-- @param options {
--   out = for one file: the output, ending in .wav or .flac; for a list: a directory (the outputs are
--     then NAME.wav) or a function from the MIDI file's path to the output's path,
--   soundfont = path or name of an installed one (default: synth.soundfonts()[1]),
--   sample_rate = 44100, gain = 0.5, reverb = true, chorus = true,
--   parallel = number at a time (default: all cores), keep = true: outputs that exist are kept,
--   timeout = seconds a file may take (default: its own length, at least 60),
--   max_seconds = 3600: longer files are refused, tolerant = true: damaged files are rendered as far
--     as they can be read,
--   progress = function(done, total, result) }
-- @return for one file: the output's path; it raises what went wrong. For a list: the list of
--   {path, out, ok, error = text, seconds}, one for each, and the number that failed. Stereo, 16 bits.
-- @usage lt.synth.render("song.mid", {out = "song.wav", soundfont = "FluidR3Mono_GM"})
function synth.render(paths, options)
  options = options or {}
  local single = type(paths) == "string"
  if options.out == nil then core.fail("synth.render: options.out says where the audio goes") end
  local list, outputs, seen = single and { paths } or paths, {}, {}
  for i, path in ipairs(list) do
    outputs[i] = single and type(options.out) == "string" and options.out
      or output_name(path, options.out)
    if seen[outputs[i]] then
      core.fail("synth.render: %s and %s would both become %s", seen[outputs[i]], path, outputs[i])
    end
    seen[outputs[i]] = path
  end
  local settings = settings_of(options)
  settings.directory = fs.temporary_directory()
  local good, results = pcall(render_all, list, outputs, settings, options)
  fs.remove_tree(settings.directory)
  if not good then error(results, 0) end
  if single then
    if not results[1].ok then core.fail_as("format", "%s", results[1].error) end
    return results[1].out
  end
  local failed = 0
  for _, result in ipairs(results) do failed = failed + (result.ok and 0 or 1) end
  return results, failed
end

return synth
