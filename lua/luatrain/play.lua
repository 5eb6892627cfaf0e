--- lt.play(x, rate) plays a sound through a player that is installed, in the background.
--
--   lt.play(x, 22050)          x: (T), (1, T) or (2, T), between -1 and 1; louder ones are cut
--   lt.play "song.flac"        a sound file
--   lt.play.stop()             ends it; so do the next sound and the end of the program
--
-- Players that are looked for: pw-play (PipeWire), paplay (PulseAudio), aplay (ALSA), ffplay (FFmpeg), mpv,
-- play (SoX). LUATRAIN_PLAYER names another program; it is run with the name of a WAV file.
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local Tensor = require "luatrain.tensor"
local C = core.C

local play = {}

-- Programs in order of preference and how they are called.
local PLAYERS = {
  { "pw-play", {} }, { "paplay", {} }, { "aplay", { "-q" } },
  { "ffplay", { "-nodisp", "-autoexit", "-loglevel", "quiet" } },
  { "mpv", { "--no-video", "--really-quiet" } }, { "play", { "-q" } },
}

--- The words that play a file: {"aplay", "-q", path}; nil where no player is installed.
function play.command(path)
  local process = require "luatrain.process"
  local own = os.getenv "LUATRAIN_PLAYER"
  if own and own ~= "" then
    if not process.which(own) then
      core.fail("play: LUATRAIN_PLAYER names '%s', which is not installed", own)
    end
    return { own, path }
  end
  for _, player in ipairs(PLAYERS) do
    if process.which(player[1]) then
      local words = { player[1], unpack(player[2]) }
      words[#words + 1] = path
      return words
    end
  end
end

local handle, folder

-- Takes the file away that was made for the sound.
local function forget()
  if folder then
    local path = folder
    folder = nil
    if fs.exists(path) then fs.remove_tree(path) end
  end
end

-- Whether the player still runs after up to so many seconds.
local function runs(seconds)
  if not handle then return false end
  if require("luatrain.process").running(handle, seconds) then return true end
  handle = nil
  forget()
  return false
end

--- Whether a sound is playing.
function play.playing() return runs(0) end

--- Ends the sound that is playing, if there is one.
function play.stop()
  if handle then require("luatrain.process").stop(handle) end
  handle = nil
  forget()
end

--- Waits until the sound has ended; a signal to stop ends it.
function play.wait()
  while runs(0.1) do
    if C.lt_signal_pending() ~= 0 then return play.stop() end
  end
end

-- A signal as players take it: (1 or 2, T), finite, on the processor.
local function signal_of(x)
  if type(x) == "table" and not Tensor.is_tensor(x) and type(x[1]) == "number" then x = Tensor.from(x) end
  if not Tensor.is_tensor(x) then
    core.fail("play: x is a %s, wanted a tensor (T) or (channels, T), or the name of a file", type(x))
  end
  if x:dim() == 1 then x = x:detach():reshape(1, x:size(1)) end
  if x:dim() ~= 2 or x:size(1) > 2 then
    core.fail("play: the sound is %s, wanted (T), (1, T) or (2, T)", x:shape_text())
  end
  if x:size(2) == 0 then core.fail "play: the sound is empty" end
  x = x:detach():cast "f32"
  if x:isfinite():all():item() == false then core.fail "play: the sound holds NaN or Inf" end
  return x:clamp(-1, 1)
end

-- Writes a sound into a file in `folder`; returns its path.
local function written(x, rate)
  if type(rate) ~= "number" or rate < 1000 or rate > 768000 then
    core.fail("play: say the sample rate in Hz: lt.play(x, 22050)%s",
      rate ~= nil and (", not %s"):format(tostring(rate)) or "")
  end
  local path = fs.join(folder, "sound.wav")
  require("luatrain.scope").run(function()
    require("luatrain.audio").save(path, signal_of(x), rate)
  end)
  return path
end

local PATIENCE = 0.2  -- seconds in which a player finds out that there is nothing to play on

-- An error where the player has ended at once, with the last line it said.
local function refuse_failure(log)
  local process = require "luatrain.process"
  if process.running(handle, PATIENCE) then return end
  local result = process.result(handle)
  local said = fs.is_file(log) and fs.read(log):match "([^\n]+)%s*$"
  play.stop()
  if not result.ok then
    core.fail_as("device", "play: the player failed: %s", said or "it ended with code " .. result.code)
  end
end

local function begin(x, rate)
  play.stop()
  if not play.command "" then
    core.fail_as("io", "play: no player is installed; install one of: pipewire-bin (pw-play), "
      .. "pulseaudio-utils (paplay), alsa-utils (aplay), ffmpeg (ffplay), mpv, sox (play)")
  end
  local path = x
  if type(x) == "string" and not fs.is_file(x) then
    core.fail_as("io", "play: %s: there is no such file", x)
  end
  folder = fs.temporary_directory()
  if type(x) ~= "string" then
    local ok, result = pcall(written, x, rate)
    if not ok then
      forget()
      error(result, 0)
    end
    path = result
  end
  local log = fs.join(folder, "log")
  handle = require("luatrain.process").start(play.command(path), {log = log})
  refuse_failure(log)
end

-- The file of a sound is taken away when the program ends.
play._at_exit = newproxy(true)
getmetatable(play._at_exit).__gc = play.stop

return setmetatable(play, { __call = function(_, x, rate) begin(x, rate) end })
