--- lt.music: chords as music theory writes them. (MIDI files are lt.midi, rendering is lt.synth.)
--
--   lt.music.chord           labels of Harte's grammar, their classes, .lab files
--   lt.music.chord_decode    from a network's scores of every moment to a list of chords
--   lt.music.chord_scores    mir_eval's scores of a list of chords against another
--   lt.music.note_scores     mir_eval's scores of a list of notes against another
--
-- Each is loaded when it is first used.
local core = require "luatrain.core"

return setmetatable({}, { __index = function(music, key)
  for _, module in ipairs(core.modules "luatrain.music.") do
    if module == "luatrain.music." .. tostring(key) then
      music[key] = require(module)
      return music[key]
    end
  end
  core.fail("lt.music.%s does not exist", tostring(key))
end })
