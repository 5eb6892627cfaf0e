-- Notes as sequences of tokens, and back: the codecs of the encoder-decoder.
--
--     local codec = tokens.codec("events", { seconds = 4 })
--     local list = codec:encode(notes, 12, 4)          -- tokens of the window from 12 s to 16 s
--     local back = codec:stitch { { tokens = list, start = 12 }, { tokens = more, start = 16 } }
--
-- `events`, the default, says what happens in a window as MT3 does (Gardner et al. 2022, section 3.2;
-- velocities as Hawthorne et al. 2021):
--
--     on P ..  tie            the notes that sound from before the window, then the end of this section
--     time T                  what follows happens T steps after the window's beginning
--     off P                   the note ends
--     velocity V  on P        a note begins; the velocity holds until another is said
--
-- A note ends where transcription_notes.lua says that it does: key and pedal are up. It goes on from window
-- to window as long as each one's tie section names it, so windows may be decoded in any order and joined
-- afterwards.
--
-- Windows of 10 s of ASAP's performances take 407 tokens on average, and a third of them more than the 512
-- that the documents allow; those of 4 s take 169, and 0.3 % more than 512. So a window has 4 s. The recipe
-- tells times to 20 ms and 16 velocities apart: notes struck together are a few ms apart, and guessing these
-- takes attention away from what is played.
--
-- `pitches` is the document's: MIDI numbers in the order of their onsets. Its vocabulary of 128 has no room
-- for its own BOS 128 and EOS 129, and its PAD is MIDI note 0. Decided here: the vocabulary is 130 and tokens
-- are MIDI numbers as the document writes them; PAD stays 0, for no piano has that key. It says nothing of
-- times, which the document's own evaluation asks for: therefore `events` is the default, and what `pitches`
-- decodes to has its notes at equal distances, good to be listened to and nothing else.

local failure = require "luatrain.failure"
local notes = require "transcription_notes"

local tokens = {}

-- What both codecs share.
local Codec = {}
Codec.__index = Codec

--- Input and target of teacher forcing: bos and the tokens, the tokens and eos, both filled with pad up to
-- `length`. What does not fit is cut off, then without eos: the model is not to learn that it ends there.
-- @return two lists of `length` tokens, and whether all fitted
function Codec:pair(list, length)
  local input, target = { self.bos }, {}
  for i = 1, math.min(#list, length) do
    target[i] = list[i]
    if i < length then input[i + 1] = list[i] end
  end
  local whole = #list < length
  if whole then target[#list + 1] = self.eos end
  for i = 1, length do
    input[i], target[i] = input[i] or self.pad, target[i] or self.pad
  end
  return input, target, whole
end

-- What a sequence has said so far.
local Follower = {}
Follower.__index = Follower

--- A new one: its field moment is the step of the window that the sequence has come to.
function Codec:follow() return setmetatable({ codec = self, moment = 0 }, Follower) end

--- One that goes on from here by itself; what was said until now is in both, not copied.
function Follower:copy()
  return setmetatable({ codec = self.codec, moment = self.moment, _newest = self._newest }, Follower)
end

-- Steps that a beginning or an end is heard around its own.
local AROUND = 2

--- What was said of the last few steps, the newest first: for one in follower:said() do, each {kind ("on" or
-- "off"), key (from 0), moment}.
function Follower:said()
  local at, oldest = { before = self._newest }, self.moment - AROUND
  return function()
    at = at.before
    return at and at.moment >= oldest and at or nil
  end
end

--- Goes on by a token.
function Follower:take(token)
  local kind, value = self.codec:meaning(token)
  if kind == "time" then
    self.moment = math.max(self.moment, value)                      -- times do not go back
  elseif kind == "on" or kind == "off" then
    self._newest = { kind = kind, key = value - notes.lowest, moment = self.moment, before = self._newest }
  end
end

--- The notes that begin in one window; see stitch.
function Codec:decode(list, start)
  return self:stitch { { tokens = list, start = start } }
end

-- ---- events -------------------------------------------------------------------------------------

local Events = setmetatable({}, Codec)
Events.__index = Events

local FIRST = 4                                   -- pad, bos, eos, tie

local function new_events(o)
  local steps = math.floor(o.seconds / o.step + 0.5)
  if steps < 1 or math.abs(steps * o.step - o.seconds) > 1e-6 then
    failure.raise("config", "a window of %g s is no whole number of steps of %g s", o.seconds, o.step)
  end
  local velocity = FIRST + steps
  return setmetatable({ name = "events", step = o.step, steps = steps, seconds = o.seconds, pad = 0, bos = 1,
    eos = 2, tie = 3, first_time = FIRST, first_velocity = velocity, bins = o.bins,
    first_on = velocity + o.bins, first_off = velocity + o.bins + notes.keys,
    vocabulary = velocity + o.bins + 2 * notes.keys }, Events)
end

--- What a token says: kind and number.
function Events:meaning(token)
  if token >= self.first_off then return "off", token - self.first_off + notes.lowest end
  if token >= self.first_on then return "on", token - self.first_on + notes.lowest end
  if token >= self.first_velocity then return "velocity", token - self.first_velocity end
  if token >= FIRST then return "time", token - FIRST end
  return ({ [0] = "pad", "bos", "eos", "tie" })[token]
end

--- A token as a reader would like it, for example "on 60".
function Events:describe(token)
  local kind, value = self:meaning(token)
  return value and ("%s %d"):format(kind, value) or kind
end

-- Events of the window by time, ends before beginnings, low before high; and what sounds from before.
local function events_of(self, list, start, steps)
  local events, held = {}, {}
  for _, n in ipairs(list) do
    local on = math.floor((n.start - start) / self.step + 0.5)
    local off = math.max(math.floor((n.stop - start) / self.step + 0.5), on + 1)
    if on < 0 and off >= 0 then held[#held + 1] = n.pitch end
    if on >= 0 and on < steps then
      events[#events + 1] = { at = on, on = 1, pitch = n.pitch, velocity = n.velocity or 64 }
    end
    if off >= 0 and off < steps then events[#events + 1] = { at = off, on = 0, pitch = n.pitch } end
  end
  table.sort(held)
  table.sort(events, function(a, b)
    if a.at ~= b.at then return a.at < b.at end
    if a.on ~= b.on then return a.on < b.on end
    if a.pitch ~= b.pitch then return a.pitch < b.pitch end
    return (a.velocity or 0) > (b.velocity or 0)
  end)
  return events, held
end

--- The tokens of a window, without bos and eos.
-- @param list notes, see transcription_notes.lua; those outside of the window may be among them
-- @param start of the window, seconds
-- @param seconds its length (default and most: the codec's)
function Events:encode(list, start, seconds)
  local steps = math.min(math.floor((seconds or self.seconds) / self.step + 0.5), self.steps)
  local events, held = events_of(self, list, start, steps)
  local out, time, velocity, last = {}, nil, nil, nil
  local function say(token) out[#out + 1] = token end
  for _, pitch in ipairs(held) do
    if pitch ~= last then say(self.first_on + pitch - notes.lowest) end
    last = pitch
  end
  say(self.tie)
  for _, e in ipairs(events) do
    if e.at ~= time then say(FIRST + e.at) end
    time = e.at
    if e.on == 0 then
      say(self.first_off + e.pitch - notes.lowest)
    else
      local bin = math.floor(e.velocity * self.bins / 128)
      if bin ~= velocity then say(self.first_velocity + bin) end
      velocity = bin
      say(self.first_on + e.pitch - notes.lowest)
    end
  end
  return out
end

-- What a window's tokens say: pitches held from before (a set), and events {time, pitch, velocity or nil}.
-- Tokens that make no sense where they stand, which only a model writes, are passed over.
local function read(self, window)
  local held, events, time, velocity, tied = {}, {}, nil, 64, false
  for _, token in ipairs(window.tokens) do
    local kind, value = self:meaning(token)
    if kind == "eos" then break end
    if kind == "tie" then
      tied = true
    elseif kind == "time" then
      if not time or value > time then time = value end
      tied = true
    elseif kind == "velocity" then
      velocity = math.floor((value + 0.5) * 128 / self.bins)
    elseif kind == "on" and not tied then
      held[value] = true
    elseif time and (kind == "on" or kind == "off") then
      events[#events + 1] = { time = window.start + time * self.step, pitch = value,
        velocity = kind == "on" and math.max(velocity, 1) or nil }
    end
  end
  return held, events
end

-- Ends an open note, at least a step after its beginning.
local function close(self, out, open, pitch, time)
  local n = open[pitch]
  if not n then return end
  open[pitch] = nil
  n.stop = math.max(time, n.start + self.step)
  out[#out + 1] = n
end

-- Where window i hands over to the next: in the middle of what both have heard.
local function handover(self, windows, i)
  local a, b = windows[i], windows[i + 1]
  if not a or not b then return a and math.huge or -math.huge end
  return (math.max(a.start + self.seconds, b.start) + b.start) / 2
end

--- The notes of successive windows, which may overlap: in the middle of an overlap the earlier window hands
-- over to the later one, and notes that the later one does not know to be sounding end there. A held note
-- whose beginning no window has heard is left out.
-- @param windows list of {tokens, start (seconds)} in their order
-- @return notes
function Events:stitch(windows)
  local out, open = {}, {}
  local epsilon = self.step / 4
  for i, window in ipairs(windows) do
    local from, to = handover(self, windows, i - 1) - epsilon, handover(self, windows, i) - epsilon
    local sounding, events = read(self, window)
    local k = 1
    while events[k] and events[k].time < from do
      sounding[events[k].pitch] = events[k].velocity and true or nil
      k = k + 1
    end
    for pitch = notes.lowest, notes.highest do
      if open[pitch] and not sounding[pitch] then close(self, out, open, pitch, from + epsilon) end
    end
    while events[k] and events[k].time < to do
      local e = events[k]
      close(self, out, open, e.pitch, e.time)
      if e.velocity then open[e.pitch] = { start = e.time, pitch = e.pitch, velocity = e.velocity } end
      k = k + 1
    end
  end
  local last = windows[#windows]
  for pitch = notes.lowest, notes.highest do
    close(self, out, open, pitch, last and last.start + self.seconds)
  end
  return notes.sort(out)
end

-- ---- pitches ------------------------------------------------------------------------------------

local Pitches = setmetatable({}, Codec)
Pitches.__index = Pitches

local function new_pitches(o)
  return setmetatable({ name = "pitches", seconds = o.seconds, pad = 0, bos = 128, eos = 129,
    vocabulary = 130 }, Pitches)
end

--- A token says nothing of what a follower wants to know.
function Pitches.meaning() return "pitch" end

--- A token as a reader would like it.
function Pitches:describe(token)
  return ({ [self.pad] = "pad", [self.bos] = "bos", [self.eos] = "eos" })[token] or ("pitch %d"):format(token)
end

--- The pitches of the notes that begin in the window, by their onsets, then from low to high.
function Pitches:encode(list, start, seconds)
  local inside, out = {}, {}
  for _, n in ipairs(list) do
    if n.start >= start and n.start < start + (seconds or self.seconds) then inside[#inside + 1] = n end
  end
  for i, n in ipairs(notes.sort(inside)) do out[i] = n.pitch end
  return out
end

--- Notes at equal distances through their window: the tokens say nothing of times.
function Pitches:stitch(windows)
  local out = {}
  for i, window in ipairs(windows) do
    local last = windows[i + 1] and windows[i + 1].start or window.start + self.seconds
    local pitches = {}
    for _, token in ipairs(window.tokens) do
      if token == self.eos then break end
      if token >= notes.lowest and token <= notes.highest then pitches[#pitches + 1] = token end
    end
    local each = (last - window.start) / math.max(#pitches, 1)
    for k, pitch in ipairs(pitches) do
      local start = window.start + (k - 1) * each
      out[#out + 1] = { start = start, stop = start + each, pitch = pitch, velocity = 64 }
    end
  end
  return notes.sort(out)
end

-- ---- codecs -------------------------------------------------------------------------------------

local makers = { events = new_events, pitches = new_pitches }

--- Names of the codecs, the default first.
tokens.names = { "events", "pitches" }

--- A codec by its name: its fields vocabulary, pad, bos, eos and seconds, its methods encode, decode, stitch,
-- pair and describe.
-- @param name "events" or "pitches"
-- @param o {seconds = 4: length of a window, step = 0.01: seconds, bins = 32: of velocity (events)}
function tokens.codec(name, o)
  if not makers[name] then
    failure.raise("config", "there is no codec '%s'; there are %s", tostring(name),
      table.concat(tokens.names, " and "))
  end
  local given = o or {}
  return makers[name] { seconds = given.seconds or 4, step = given.step or 0.01, bins = given.bins or 32 }
end

return tokens
